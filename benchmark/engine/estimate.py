"""How long blocks will take here: a few real steps of each distinct shape are timed eagerly, and multiplied.

What will be compiled is not compiled for the estimate: its eager time is divided by the speed-up that the committed
table states. Used for what is told before a run and for the time left during it; never for choosing how to compute.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch

from benchmark import datasets, loss, registry
from benchmark.datasets import DatasetFacts
from benchmark.engine.backends import chosen_speedup
from benchmark.engine.blocks import Block
from benchmark.engine.counting import count, count_images
from benchmark.engine.devices import now
from benchmark.engine.draws import generator
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.process import prepare
from benchmark.engine.training import build_network, fit, n_steps
from benchmark.errors import DoesNotFit
from benchmark.space import Space
from benchmark.values import Images, Made, Probe, Requantised, Stage, Stored

__all__ = ["Estimator"]

TIMED_STEPS = 3
"""Steps timed after one that warms up; their minimum counts."""
HINTS = 512
"""Features of an imagined teacher."""


class Estimator:
    """Times each distinct kind of step once and remembers it."""

    def __init__(self, materials: Materials) -> None:
        self.materials = materials
        self._steps: dict[tuple[object, ...], tuple[float, float]] = {}

    def seconds(self, block: Block) -> float:
        """Expected wall seconds of a block; 0 where its architecture does not fit, or a step finds no memory."""
        training = self.materials.as_carried(block.training)
        recipe = training.recipe
        total = image = 0.0
        for stage in training.stages or (Stage(block.data),):
            n_images = count_images(stage.stream, self.materials)
            n_memory = count_images(stage.memory, self.materials) if stage.memory else 0
            batch = min(n_images, recipe.batch_size)
            batch += min(n_memory, recipe.batch_size) * loss.parse(recipe.loss).n_memory_batches
            step, image = self._timed(block, batch)
            total += step * (n_steps(recipe, n_images) if training.stages else 1)
        n_stages = max(1, len(training.stages))
        return total + image * (self._shared_passes(block.probes, n_stages) + sum(map(self._own_passes, block.probes)))

    def _timed(self, block: Block, batch: int) -> tuple[float, float]:
        """Seconds of one step and of one tested image, in the block's way."""
        training, recipe = block.training, block.training.recipe
        dataset = _dataset_name(block.data.images[0], self.materials)
        facts = datasets.facts(dataset)
        one_thread = block.way.one_thread
        key = (training.architecture, dataset, batch, recipe.augmentation, recipe.optimizer, recipe.loss, one_thread)
        if key not in self._steps:
            self._steps[key] = self._time(block, facts, batch)
        speedup = chosen_speedup(block.way, training.architecture, facts, self.materials.device)
        step, image = self._steps[key]
        return step / speedup, image / speedup

    def _shared_passes(self, probes: Iterable[Probe], n_stages: int) -> int:
        """Images that go through a network once for all probes of a moment."""
        moments = {
            (probe.data, moment)
            for probe in probes
            if probe.data
            for at in probe.at
            for moment in (range(n_stages) if at == "stages" else (n_stages - 1 if at == "end" else f"epoch-{at}",))
        }
        return sum(count(data, self.materials) for data, _ in moments)

    def _own_passes(self, probe: Probe) -> float:
        """Further passes of a probe, where its plug-in states a function `passes`."""
        stated = getattr(registry.module("probe", probe.name), "passes", None)
        if stated is None or probe.data is None:
            return 0.0
        return float(stated(count(probe.data, self.materials), **dict(probe.options))) * len(probe.at)

    def _time(self, block: Block, facts: DatasetFacts, batch: int) -> tuple[float, float]:
        """Seconds of one training step of `batch` images, and of one tested image."""
        device = self.materials.device
        prepare(device, block.way.one_thread)
        draws = generator(0, "estimate")
        images = torch.randn(batch, *facts.shape, generator=draws).to(device)
        labels = torch.randint(len(facts.classes), (batch,), generator=draws).to(device)
        channels = facts.shape[0]
        space = Space("standardized", (0.5,) * channels, (0.5,) * channels)
        hints = None
        if loss.parse(block.training.recipe.loss).name == loss.CRD:  # which compares with a teacher's features
            labels = torch.softmax(torch.randn(batch, len(facts.classes), generator=draws), dim=1).to(device)
            hints = torch.randn(batch, HINTS, generator=draws).to(device)
        examples = Examples(images, labels, space, facts, hints)
        try:
            network = build_network(block.training.architecture, examples, 0, device)
        except DoesNotFit:
            return 0.0, 0.0
        recipe = block.training.recipe.vary(epochs=TIMED_STEPS + 1, passes=None, min_steps=0, batch_size=batch)
        try:
            marks = [now(device) for _ in fit(network, examples, recipe, 0)]
            with torch.inference_mode():
                network.eval()(images)
                started = now(device)
                network(images)
                ended = now(device)
        except torch.OutOfMemoryError:  # the training itself will say so
            return 0.0, 0.0
        return min(after - before for before, after in pairwise(marks[1:])), (ended - started) / batch


def _dataset_name(images: Images, materials: Materials) -> str:
    if isinstance(images, Requantised):
        return _dataset_name(images.of, materials)
    if isinstance(images, Stored):
        return materials.store.read_card(images.digest).dataset
    return images.real.dataset if isinstance(images, Made) else images.dataset
