"""How many images a plan's values stand for, without loading more than must be."""

from __future__ import annotations

import numpy as np

from benchmark import datasets, registry
from benchmark.baseline import images_per_class
from benchmark.engine.materials import Materials
from benchmark.errors import UsageError
from benchmark.synthetic_set import labels_array
from benchmark.values import Budget, Data, Images, Made, Requantised, Stored

__all__ = ["count", "count_images"]


def count_images(data: Data, materials: Materials) -> int:
    """How many images a plan's data holds, made or not."""
    return sum(count(images, materials) for images in data.images)


def count(images: Images, materials: Materials) -> int:
    """How many images one of these values names; counted once."""
    if images not in materials.counts:
        materials.counts[images] = _counted(images, materials)
    return materials.counts[images]


def _counted(images: Images, materials: Materials) -> int:
    if isinstance(images, Requantised):
        return count(images.of, materials)
    if isinstance(images, Stored):
        labels = labels_array(materials.store.read_set(images.digest))
        return len(labels) if images.classes is None else int(np.isin(labels, images.classes).sum())
    if isinstance(images, Made):
        return _count_made(images, materials)
    if images.part is None and images.classes is None:  # known without the data
        facts = datasets.facts(images.dataset)
        return facts.n_train if images.split == "train" else facts.n_test
    return len(materials.dataset(images.dataset).indices(images.split, images.part, images.classes))


def _count_made(made: Made, materials: Materials) -> int:
    """Images that a baseline will make of its classes; at least one each."""
    if made.budget == Budget():
        return count(made.real, materials)
    facts = datasets.facts(made.real.dataset)
    n_classes = len(facts.classes) if made.real.classes is None else len(made.real.classes)
    if made.budget.ipc is not None:
        return made.budget.ipc * n_classes
    bytes_per_value: int = registry.load("baseline", made.baseline).bytes_per_value
    try:
        return n_classes * images_per_class(made.budget, made.real, facts, bytes_per_value)
    except UsageError:
        return n_classes
