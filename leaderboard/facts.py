"""What boards need to know of a dataset: its size, its classes, chance, and budgets of bytes. No image is read."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import NamedTuple

from benchmark import datasets, registry
from benchmark.datasets import DatasetFacts
from benchmark.errors import DistillBenchError

__all__ = ["BUDGETS", "Budget", "budgets", "chance", "facts", "image_bytes", "whole"]

BUDGETS = (1, 10, 50)
"""Images per class whose bytes are the budgets."""


class Budget(NamedTuple):
    """Bytes that a set may take, named after the real images that take as many."""

    ipc: int
    bytes: int


@cache
def facts(dataset: str) -> DatasetFacts | None:
    """A registered dataset, by a name that a stranger wrote: it never becomes a path. None for any other."""
    if dataset not in registry.names("dataset"):
        return None
    try:
        return datasets.facts(dataset)
    except DistillBenchError:
        return None


def image_bytes(known: DatasetFacts) -> int:
    """Bytes of one real image as uint8 with its label, as `benchmark.synthetic_set.byte_ledger` counts them."""
    return prod(known.shape) + (1 if len(known.classes) <= 256 else 2)


def budgets(dataset: str) -> tuple[Budget, ...]:
    """The budgets of a registered dataset; none of any other."""
    known = facts(dataset)
    return tuple(Budget(n, n * len(known.classes) * image_bytes(known)) for n in BUDGETS) if known else ()


def whole(dataset: str) -> int | None:
    """Bytes of the whole training data; None where the dataset is not registered."""
    known = facts(dataset)
    return known.n_train * image_bytes(known) if known else None


def chance(dataset: str) -> float | None:
    """Accuracy of guessing, in percent: 100 over the number of classes."""
    known = facts(dataset)
    return 100 / len(known.classes) if known else None
