"""How long blocks will take here: a few real steps of each distinct shape are timed, and multiplied.

Used for what is told before a run and for the time left during it; never for choosing how to compute.
"""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from benchmark import datasets
from benchmark.datasets import DatasetFacts
from benchmark.engine.blocks import Block
from benchmark.engine.draws import generator
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.process import prepare
from benchmark.engine.training import build_network, fit, n_steps
from benchmark.errors import DoesNotFit
from benchmark.space import Space
from benchmark.values import Budget, Data, Images, Made, Stored

__all__ = ["Estimator", "count_images"]

TIMED_STEPS = 3
"""Steps timed after one that warms up; their minimum counts."""


def count_images(data: Data, materials: Materials) -> int:
    """How many images a plan's data holds, made or not."""
    return sum(_count(images, materials) for images in data.images)


def _count(images: Images, materials: Materials) -> int:
    if isinstance(images, Stored):
        return len(materials.store.read_set(images.digest).tensors["labels"])
    if isinstance(images, Made):
        facts = datasets.facts(images.real.dataset)
        return _count_budget(images.budget, facts)
    return len(materials.dataset(images.dataset).indices(images.split, images.part, images.classes))


def _count_budget(budget: Budget, facts: DatasetFacts) -> int:
    if budget.ipc is not None:
        return budget.ipc * len(facts.classes)
    if budget.bytes is not None:
        return max(1, budget.bytes // (4 * facts.shape[0] * facts.shape[1] * facts.shape[2]))
    return facts.n_train


class Estimator:
    """Times each distinct kind of step once and remembers it."""

    def __init__(self, materials: Materials) -> None:
        self.materials = materials
        self._steps: dict[tuple[object, ...], tuple[float, float]] = {}

    def seconds(self, block: Block) -> float:
        """Expected wall seconds of a block; 0 where its architecture does not fit."""
        training = block.training
        n_images = count_images(block.data, self.materials)
        dataset = _dataset_name(block.data.images[0], self.materials)
        batch = min(n_images, training.recipe.batch_size)
        varied = training.recipe.augmentation, training.recipe.optimizer, training.recipe.loss
        key = (training.architecture, dataset, batch, *varied)
        if key not in self._steps:
            self._steps[key] = self._time(block, datasets.facts(dataset), batch)
        step, image = self._steps[key]
        if not training.stages:
            return step  # what is measured of an untrained network takes a pass or two
        n_measured = sum(_count(data, self.materials) for data in {probe.data for probe in block.probes if probe.data})
        return step * n_steps(training.recipe, n_images) + image * n_measured

    def _time(self, block: Block, facts: DatasetFacts, batch: int) -> tuple[float, float]:
        """Seconds of one training step of `batch` images, and of one tested image."""
        device = self.materials.device
        prepare(facts, device)
        draws = generator(0, "estimate")
        images = torch.randn(batch, *facts.shape, generator=draws).to(device)
        labels = torch.randint(len(facts.classes), (batch,), generator=draws).to(device)
        channels = facts.shape[0]
        space = Space("standardized", (0.5,) * channels, (0.5,) * channels)
        examples = Examples(images, labels, space, facts)
        try:
            network = build_network(block.training.architecture, examples, 0, device)
        except DoesNotFit:
            return 0.0, 0.0
        marks = []
        recipe = block.training.recipe.vary(epochs=TIMED_STEPS + 1, passes=None, min_steps=0)
        for _ in fit(network, examples, recipe, 0):
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            marks.append(time.perf_counter())
        step = min(after - before for before, after in pairwise(marks[1:]))
        with torch.inference_mode():
            network.eval()(images)
            started = time.perf_counter()
            network(images)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return step, (time.perf_counter() - started) / batch


def _dataset_name(images: Images, materials: Materials) -> str:
    if isinstance(images, Stored):
        return materials.store.read_card(images.digest).dataset
    return images.real.dataset if isinstance(images, Made) else images.dataset
