"""What a baseline is given to work with: its data, its randomness, its loop with progress and resume, its trainings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmark import architectures, engine, tensor_file
from benchmark.architectures import Network
from benchmark.datasets import Dataset, DatasetFacts
from benchmark.durable import write_replacing
from benchmark.engine.devices import now as clock
from benchmark.engine.draws import global_draws
from benchmark.errors import DistillBenchError, InvalidInput, TrainingDiverged, UsageError
from benchmark.space import PIXEL, Space
from benchmark.synthetic_set import Array, Card, Decoder, SyntheticSet
from benchmark.values import Cell, Outcomes, Real

__all__ = ["Run", "TrialOver"]

CHECKPOINT_EVERY = 20.0
"""Seconds between checkpoints of a loop."""


class TrialOver(Exception):
    """Ends a trial: enough steps were timed."""


@dataclass
class Run:
    """One call of `Baseline.distill`."""

    materials: engine.Materials
    real: Real
    seed: int
    work: Path | None = None
    """Where checkpoints go; None: nowhere."""
    report: Callable[[int, int, str], None] = lambda step, n, text: None
    """Told the steps done, their number and a short text such as the current loss."""
    trial_steps: int | None = None
    """Stop with TrialOver after so many steps."""
    image_passes: int = 0
    """Images that went through a network, forward; add to it for the cost on the card."""
    way: engine.Way = engine.EAGER
    """How a baseline computes, for the cost on the card."""
    n_steps: int = 0
    """Steps of the loop, known once it has begun."""
    marks: list[float] = field(default_factory=list)
    """In a trial: when each step began."""
    _loss: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.real.split != "train":
            raise UsageError(f"sets are made of the train split, never of {self.real.split!r}.")

    @property
    def device(self) -> torch.device:
        return self.materials.device

    @property
    def dataset(self) -> Dataset:
        return self.materials.dataset(self.real.dataset)

    @property
    def facts(self) -> DatasetFacts:
        return self.dataset.facts

    def space(self, statistics: str = "dataset") -> Space:
        """The standardized space of these statistics of the dataset, of its own where it lacks them."""
        chosen = self.facts.statistics.get(statistics, self.facts.statistics["dataset"])
        return Space("standardized", chosen.mean, chosen.std)

    def whitened(self, eps: float = 0.1) -> Space:
        """The ZCA space of the train split, ready to convert (`benchmark/whitening.py`)."""
        return Space("zca", variant="kornia", eps=eps).bound(self.dataset)

    def generator(self, purpose: str, *position: int) -> torch.Generator:
        """A CPU generator of its own for this purpose and position; the same for the same seed."""
        return engine.generator(self.seed, f"distil/{purpose}", *position)

    def rows(self) -> Array:
        """Canonical train indices (N,) int64 of the real data."""
        return self.dataset.indices(self.real.split, self.real.part, self.real.classes)

    def class_rows(self, at_least: int = 1) -> dict[int, Array]:
        """Canonical train indices of each class, by class id; raises UsageError where a class has too few images."""
        rows, labels = self.rows(), self.dataset.split(self.real.split).labels
        found = {int(c): rows[labels[rows] == c] for c in np.unique(labels[rows])}
        for c, members in found.items():
            if len(members) < at_least:
                name = self.facts.classes[c]
                raise UsageError(f"class {name!r} has {len(members)} images, fewer than {at_least}. Ask for less.")
        return found

    def random_rows(self, per_class: int) -> Array:
        """Canonical train indices of a class-balanced draw, by class; a smaller draw is the beginning of a larger."""
        draws = []
        for c, members in self.class_rows(per_class).items():
            order = torch.randperm(len(members), generator=self.generator("rows", c))
            draws.append(members[order[:per_class].numpy()])
        return np.concatenate(draws)

    def network(self, architecture: str, *position: int) -> Network:
        """A network with random initial weights that need no gradient, the same for the same seed and position."""
        with global_draws(self.generator("weights", *position)):
            network = architectures.build(architecture, self.facts.shape, len(self.facts.classes))
        return network.to(self.device).requires_grad_(False)

    def images(self, rows: Array) -> torch.Tensor:
        """The uint8 images (n, C, H, W) of canonical train indices, on the device."""
        return torch.from_numpy(self.dataset.split(self.real.split).images[rows]).to(self.device)

    def outcomes(self, cell: Cell) -> Outcomes:
        """What `needs` asked for, trained here if nobody did before.

        Raises TrainingDiverged where a training of it failed.
        """
        missing = engine.missing(engine.join([cell]), self.materials.store)
        if missing:
            threads = torch.get_num_threads()
            engine.run(engine.assign(missing, self.materials, settled=True), self.materials)
            torch.set_num_threads(threads)
        found = engine.outcomes(cell, self.materials.store)
        bad = [outcome.reason for outcome in found if outcome.status != "ok"]
        if bad:
            raise TrainingDiverged(f"a training that this baseline needs gave no result: {bad[0]}")
        return found

    def loss(self, value: torch.Tensor) -> None:
        """Show this as the current loss. Read only when progress is shown, so that no step waits for the device."""
        self._loss = value.detach()

    def steps(self, n: int, state: Mapping[str, torch.Tensor]) -> Iterator[int]:
        """Count 0 … n-1, with progress, checkpoints and resume.

        `state` holds every tensor that a step changes, all changed in place; after a kill they are read back and the
        count goes on where the last checkpoint stood, so the result is the same. Draw by `generator(purpose, step)`.
        """
        self.n_steps = n
        first = self._restore(state)
        saved = shown = time.monotonic()
        for step in range(first, n):
            if self.trial_steps is not None:
                self.marks.append(clock(self.device))
                if step >= self.trial_steps:
                    raise TrialOver
            yield step
            now = time.monotonic()
            if now - shown > 0.5 or step + 1 == n:
                shown = now
                self.report(step + 1, n, "" if self._loss is None else f"loss {self._loss.item():.4g}")
            if now - saved > CHECKPOINT_EVERY:
                saved = now
                self._save(step + 1, state)

    def of_indices(self, rows: Array, ipc: int | None) -> SyntheticSet:
        """A set that names real images; rows are sorted by class, then as given."""
        labels = self.dataset.train.labels[rows]
        order = np.argsort(labels, kind="stable")
        tensors = {"indices": rows[order].astype(np.int64), "labels": labels[order].astype(np.int64)}
        return SyntheticSet(tensors, self._card(PIXEL, Decoder("indices"), ipc))

    def of_images(self, images: torch.Tensor, labels: torch.Tensor, space: Space, ipc: int | None) -> SyntheticSet:
        """A set of learned images (N, C, H, W), stored as float32 in `space`, or as uint8 pixels."""
        stored = images.detach().cpu()
        array = stored.numpy() if stored.dtype == torch.uint8 else stored.float().numpy()
        tensors = {"images": np.ascontiguousarray(array), "labels": labels.cpu().numpy().astype(np.int64)}
        if not np.isfinite(array).all():
            raise TrainingDiverged("the learned images hold NaN or infinite values")
        return SyntheticSet(tensors, self._card(space, Decoder(), ipc))

    def _card(self, space: Space, decoder: Decoder, ipc: int | None) -> Card:
        """A card without what the runner knows: method, preset, source and cost."""
        part = self.real.part or "train"
        if part != "train" and not part.startswith(("minus-", "half-")):
            raise InvalidInput(f"sets are made of train, of what a part of it leaves, or of a half, not of {part!r}.")
        return Card(
            dataset=self.facts.name,
            dataset_digest=self.facts.digest,
            space=space,
            method="unnamed",
            decoder=decoder,
            ipc=ipc,
            distilled_on=part if part == "train" else f"train-{part}",
            classes=None if self.real.classes is None else tuple(sorted(set(self.real.classes))),
        )

    def _restore(self, state: Mapping[str, torch.Tensor]) -> int:
        file = self.work / "checkpoint.safetensors" if self.work else None
        if file is None or not file.exists():
            return 0
        try:
            stored = tensor_file.read(file)
            if {k: v.shape for k, v in stored.items() if k != "step"} != {k: tuple(v.shape) for k, v in state.items()}:
                return 0
        except DistillBenchError:
            return 0
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(torch.from_numpy(stored[name]))
        return int(stored["step"][0])

    def _save(self, step: int, state: Mapping[str, torch.Tensor]) -> None:
        if self.work is not None:
            arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
            content = tensor_file.to_bytes({**arrays, "step": np.array([step])})
            write_replacing(self.work / "checkpoint.safetensors", content, self.materials.store.staging)
