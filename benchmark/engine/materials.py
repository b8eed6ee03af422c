"""Turns the values of a plan into tensors: real splits, stored sets and their unions, each loaded once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.nn.functional as F

from benchmark import datasets, loss, registry
from benchmark.datasets import Dataset, DatasetFacts
from benchmark.engine.requantising import requantised
from benchmark.errors import UsageError
from benchmark.recipe import Recipe
from benchmark.space import PIXEL, Space
from benchmark.store import Store
from benchmark.synthetic_set import Card
from benchmark.values import Data, Images, Made, Real, Requantised, Stored, Training

__all__ = ["Examples", "Materials", "into_space"]

Key = TypeVar("Key", bound=Hashable)

KEPT_BYTES = 2**30
"""Of training sets, and of images to measure on, that a process keeps at hand; the one in use is kept in any case."""
SMALL = 2**26
"""Numbers of a training set that is standardised once; a larger one stays uint8 and is standardised by batch."""


@dataclass(frozen=True)
class Examples:
    """Images with labels on the training device."""

    images: torch.Tensor
    """(N, C, H, W): uint8 pixels, or float32 in `space`."""
    labels: torch.Tensor
    """(N,) int64 class ids, or (N, K) float32 probabilities."""
    space: Space
    """What the network sees."""
    facts: DatasetFacts
    hints: torch.Tensor | None = None
    """(N, F) float32: the teacher's features of each image, where the loss asks for them."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_bytes(self) -> int:
        """Of all its tensors."""
        return sum(part.nbytes for part in (self.images, self.labels, self.hints) if part is not None)

    def take(self, rows: torch.Tensor | slice) -> torch.Tensor:
        """Some of the images, float32 in `space`."""
        return into_space(self.images[rows], self.space)

    def converted(self, space: Space) -> Examples:
        """The same images in another space."""
        if space == self.space:
            return self
        is_raw = self.images.dtype == torch.uint8
        images = self.images if is_raw else _converted(self.images, self.space, space)
        return Examples(images, self.labels, space, self.facts, self.hints)


def into_space(images: torch.Tensor, space: Space) -> torch.Tensor:
    """uint8 pixels to float32 in `space`; floats are there already."""
    return space.from_pixel(images.float() / 255) if images.dtype == torch.uint8 else images


class Materials:
    """Loads datasets and sets for one process; what was asked for once is kept."""

    def __init__(self, store: Store, device: torch.device) -> None:
        self.store = store
        self.device = device
        self.counts: dict[Images, int] = {}
        """How many images these name, as far as they were counted (`counting`)."""
        self._datasets: dict[str, Dataset] = {}
        self._cards: dict[str, Card] = {}
        self._examples: dict[tuple[Data, str, bool], Examples] = {}
        self._real: dict[tuple[Real, Space], Examples] = {}
        self._loading = threading.RLock()
        """Of several threads one loads, and the others find what it loaded."""

    def dataset(self, name: str) -> Dataset:
        with self._loading:
            if name not in self._datasets:
                self._datasets[name] = datasets.load(name)
            return self._datasets[name]

    def as_carried(self, training: Training) -> Training:
        """The training as it is run: a recipe that uses what a set carries takes rate, epochs and batch from it.

        Only of one set that is trained on alone; its digest covers what it carries, so the training's name needs not.
        """
        images = training.stages[0].stream.images if len(training.stages) == 1 else ()
        images = tuple(one.of if isinstance(one, Requantised) else one for one in images)
        if training.recipe.carried != "use" or len(images) != 1 or not isinstance(images[0], Stored):
            return training
        carried = dict(self.store.read_card(images[0].digest).schedule or {})
        if "epochs" in carried:
            carried |= {"passes": None, "min_steps": 0}
        recipe = training.recipe
        return replace(training, recipe=recipe.vary(name=recipe.name, **carried)) if carried else training

    def training_examples(self, data: Data, recipe: Recipe) -> Examples:
        """The union of a plan's images, in one space, on the device."""
        key = (data, recipe.statistics, loss.parse(recipe.loss).name == loss.CRD)
        return self._kept(self._examples, key, lambda: self._union(data, recipe))

    def real_examples(self, real: Real, space: Space) -> Examples:
        """Real images with class ids, as float32 in `space`."""

        def load() -> Examples:
            images, labels, facts = self._pixels(real)
            bound = space.bound(self.dataset(real.dataset))
            return Examples(into_space(images, bound), labels, bound, facts)

        return self._kept(self._real, (real, space), load)

    def common_space(self, several: Iterable[Examples], recipe: Recipe) -> Space:
        """The space of the first that has one of its own, else that of pixels under the recipe's statistics."""
        found = list(several)
        usual = self._network_space(found[0].facts, recipe)
        return next((examples.space for examples in found if examples.space != usual), usual)

    def facts(self, data: Data) -> DatasetFacts:
        """The dataset that a plan's data come from."""
        first = data.images[0]
        if isinstance(first, Requantised):
            first = first.of
        if not isinstance(first, Stored):
            return datasets.facts(first.dataset if isinstance(first, Real) else first.real.dataset)
        return datasets.facts(self._card(first).dataset)

    def has_soft_labels(self, data: Data) -> bool:
        """Whether a plan's data, all made, are trained on with probabilities."""
        whole = (images.of if isinstance(images, Requantised) else images for images in data.images)
        own = any(isinstance(images, Stored) and self._card(images).track == "soft" for images in whole)
        return isinstance(data.labels, Training) or (data.labels == "own" and own)

    def _card(self, stored: Stored) -> Card:
        if stored.digest not in self._cards:
            self._cards[stored.digest] = self.store.read_card(stored.digest)
        return self._cards[stored.digest]

    def _network_space(self, facts: DatasetFacts, recipe: Recipe) -> Space:
        """Pixels are standardised by the statistics that the recipe names, the dataset's own where it lacks those;
        under `zca` they are whitened."""
        if recipe.statistics == "zca":
            return Space("zca", variant="kornia", eps=0.1).bound(self.dataset(facts.name))
        chosen = facts.statistics.get(recipe.statistics, facts.statistics["dataset"])
        return Space("standardized", chosen.mean, chosen.std)

    def _pixels(self, real: Real) -> tuple[torch.Tensor, torch.Tensor, DatasetFacts]:
        dataset = self.dataset(real.dataset)
        split = dataset.split(real.split)
        rows = dataset.indices(real.split, real.part, real.classes)
        images = torch.from_numpy(split.images[rows]).to(self.device)
        return images, torch.from_numpy(split.labels[rows]).to(self.device), dataset.facts

    def _union(self, data: Data, recipe: Recipe) -> Examples:
        teacher = data.labels if isinstance(data.labels, Training) else None
        parts = [self._part(images, "own" if teacher else str(data.labels)) for images in data.images]
        if not parts:
            raise UsageError("a stage without images cannot be trained.")
        facts = parts[0][3]
        space = next((space for _, _, space, _ in parts if space != PIXEL), self._network_space(facts, recipe))
        if len(parts) > 1:
            images = torch.cat([_converted(images, own, space) for images, _, own, _ in parts])
            labels = _joined_labels([labels for _, labels, _, _ in parts], len(facts.classes))
        else:
            images, labels, _, _ = parts[0]
            if parts[0][2] == PIXEL and images.dtype != torch.uint8:
                images = space.from_pixel(images)
        hints = None
        if teacher is not None:
            from benchmark.engine.teachers import labels_of  # which builds on this module

            labels, hints = labels_of(teacher, images, space, self)
        if images.numel() <= SMALL:
            images = into_space(images, space)
        kept = hints if loss.parse(recipe.loss).name == loss.CRD else None
        return Examples(images, labels, space, facts, kept)

    def _part(self, images: Images, labels: str) -> tuple[torch.Tensor, torch.Tensor, Space, DatasetFacts]:
        if isinstance(images, Requantised):
            shown, targets, space, facts = self._part(images.of, labels)
            return (*requantised(shown, targets, space, images.seed), space, facts)
        if isinstance(images, Made):
            raise UsageError(f"the set of {images.baseline!r} must be made before it is trained on.")
        if isinstance(images, Real):
            pixels, classes, facts = self._pixels(images)
            return pixels, classes, PIXEL, facts
        return self._stored(images, labels)

    def _stored(self, stored: Stored, labels: str) -> tuple[torch.Tensor, torch.Tensor, Space, DatasetFacts]:
        synthetic = self.store.read_set(stored.digest)
        card = synthetic.card
        dataset = self.dataset(card.dataset)
        tensors = {name: torch.from_numpy(tensor) for name, tensor in synthetic.tensors.items()}
        decode = registry.load("decoder", card.decoder.name)
        images = decode(tensors, dataset, **dict(card.decoder.options))
        targets = _targets(tensors["labels"], card.labels.kind, card.labels.temperature, labels)
        if stored.classes is not None:
            ids = targets if targets.ndim == 1 else targets.argmax(dim=1)
            kept = torch.isin(ids, torch.tensor(stored.classes))
            images, targets = images[kept], targets[kept]
        images = images if images.dtype == torch.uint8 else images.float()
        return images.to(self.device), targets.to(self.device), card.space.bound(dataset), dataset.facts

    def _kept(self, cache: dict[Key, Examples], key: Key, load: Callable[[], Examples]) -> Examples:
        """From the cache, or loaded into it, in place of what was not asked for the longest."""
        with self._loading:
            found = cache.pop(key, None)
            if found is None:
                found = load()
                held = found.n_bytes + sum(other.n_bytes for other in cache.values())
                while cache and held > KEPT_BYTES:
                    held -= cache.pop(next(iter(cache))).n_bytes
            cache[key] = found
            return found


def _converted(images: torch.Tensor, own: Space, space: Space) -> torch.Tensor:
    """In another space, as float32; images that are there already keep their bits, alone or beside others."""
    if own == space and images.dtype != torch.uint8:
        return images
    pixels = images.float() / 255 if images.dtype == torch.uint8 else own.to_pixel(images)
    return space.from_pixel(pixels)


def _targets(labels: torch.Tensor, kind: str, temperature: float, wanted: str) -> torch.Tensor:
    """Class ids (N,) or probabilities (N, K); soft labels become ids where hard ones are wanted."""
    if labels.ndim == 1:
        return labels.long()
    if wanted == "hard":
        return labels.argmax(dim=1)
    return labels.float() if kind == "probabilities" else torch.softmax(labels.float() / temperature, dim=1)


def _joined_labels(parts: list[torch.Tensor], n_classes: int) -> torch.Tensor:
    """Class ids where all are ids, else probabilities with ids as one-hot rows."""
    if all(part.ndim == 1 for part in parts):
        return torch.cat(parts)
    return torch.cat([F.one_hot(part, n_classes).float() if part.ndim == 1 else part for part in parts])
