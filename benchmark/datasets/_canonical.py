"""The canonical order of a dataset, its digest, and the checks that make loose arrays a `Dataset`.

Every split is sorted by (label, sha256 of the uint8 image in (C, H, W) order, occurrence), so that an index names
the same image whatever order a loader found the data in. Images that are equal in label and pixels are the same
image, so the occurrence is simply the loader's order among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmark.datasets import _parts
from benchmark.datasets._facts import DatasetFacts, Statistics
from benchmark.errors import InvalidInput, UsageError, unknown_name

__all__ = ["Dataset", "Raw", "Split", "build", "canonical_order", "measure"]

_CHUNK = 4096  # images at a time where a wider dtype is needed: keeps CIFAR-10 within tens of MB


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, read-only."""

    images: npt.NDArray[np.uint8]
    """(N, C, H, W), 0..255. Index it, or copy it, before handing it to torch, which wants to write."""
    labels: npt.NDArray[np.int64]
    """(N,), ids into the dataset's classes."""

    def __post_init__(self) -> None:
        self.images.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory, in canonical order."""

    facts: DatasetFacts
    """Complete: the digest too."""
    train: Split
    test: Split

    def split(self, name: str) -> Split:
        """`train` or `test`; raises UsageError for another name."""
        if name not in ("train", "test"):
            raise unknown_name("split", name, ("train", "test"))
        return self.train if name == "train" else self.test

    def indices(
        self, split: str = "train", part: str | None = None, classes: Sequence[int] | None = None
    ) -> npt.NDArray[np.int64]:
        """Positions in a split of a named part and of some label ids, ascending; None: no restriction.

        Raises UsageError for an unknown split, part or class, and for a part of the test split.
        """
        labels = self.split(split).labels
        if part is not None and split != "train":
            raise UsageError(f"part {part!r} is of the train split; the test split has no parts.")
        found = np.arange(len(labels)) if part is None else _parts.members(part, labels)
        if classes is None:
            return found
        unknown = sorted(set(classes) - set(range(len(self.facts.classes))))
        if unknown:
            raise UsageError(
                f"{self.facts.name} has classes 0 to {len(self.facts.classes) - 1}; there is no {unknown[0]}."
            )
        return found[np.isin(labels[found], list(classes))]

    def with_facts(self, facts: DatasetFacts) -> Dataset:
        """The same images under other facts."""
        return replace(self, facts=facts)


@dataclass(frozen=True, eq=False)
class Raw:
    """What a loader found, in any order."""

    origin: str
    """A file or folder, for messages."""
    images: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
    """Train and test, each (N, C, H, W)."""
    labels: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    """Train and test, each (N,)."""
    class_names: tuple[str, ...] = ()
    """Empty where the data do not name them."""


def canonical_order(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Positions of images (N, C, H, W) in canonical order, and the sha256 of each image in that order, (N, 32)."""
    hashes = b"".join(hashlib.sha256(image).digest() for image in np.ascontiguousarray(images))
    table = np.frombuffer(hashes, dtype=np.uint8).reshape(-1, 32)
    words = table.view(">u8")  # (N, 4): big-endian words compare like the bytes
    order = np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0], labels))
    return order, table[order]


def build(facts: DatasetFacts, raw: Raw) -> Dataset:
    """Sort, check against the facts, and fill in those that they leave open.

    Raises InvalidInput naming where the data came from when shape, counts, labels, class names or digest disagree.
    """
    facts = _with_classes(facts, raw)
    _check_shapes(facts, raw)
    hasher = hashlib.sha256(f"distillbench dataset 1, {len(facts.classes)} classes".encode())
    splits = []
    for images, labels in zip(raw.images, raw.labels, strict=True):
        order, hashes = canonical_order(images, labels)
        split = Split(np.ascontiguousarray(images[order]), labels[order])
        hasher.update(f", {split.images.shape}".encode())
        hasher.update(split.labels.astype("<i8").tobytes())
        hasher.update(hashes.tobytes())
        splits.append(split)
    if facts.digest not in ("", hasher.hexdigest()):
        raise InvalidInput(
            f"{raw.origin} is not {facts.title}: its digest is {hasher.hexdigest()}, not {facts.digest}. "
            "Delete it and get the data again from their source."
        )
    return Dataset(_completed(facts, splits[0], splits[1], hasher.hexdigest()), splits[0], splits[1])


def _with_classes(facts: DatasetFacts, raw: Raw) -> DatasetFacts:
    """Fill in class names and check that every class has training images and every label a class."""
    n_found = max((int(labels.max(initial=-1)) for labels in raw.labels), default=-1) + 1
    names = facts.classes or raw.class_names or tuple(str(label) for label in range(n_found))
    if raw.class_names and raw.class_names != names:
        raise InvalidInput(
            f"{raw.origin}: class names {_short(raw.class_names)} are not the dataset's {_short(names)}."
        )
    lowest = min(int(labels.min(initial=0)) for labels in raw.labels)
    if lowest < 0 or n_found > len(names):
        wrong = lowest if lowest < 0 else n_found - 1
        raise InvalidInput(
            f"{raw.origin}: label {wrong} is out of range; {len(names)} classes have labels 0 to {len(names) - 1}."
        )
    empty = np.flatnonzero(np.bincount(raw.labels[0], minlength=len(names)) == 0)
    if len(empty):
        raise InvalidInput(f"{raw.origin}: class {names[empty[0]]!r} (label {empty[0]}) has no training image.")
    return replace(facts, classes=names)


def _check_shapes(facts: DatasetFacts, raw: Raw) -> None:
    for which, images, labels in zip(("train", "test"), raw.images, raw.labels, strict=True):
        if len(images) != len(labels) or not images.size:
            raise InvalidInput(
                f"{raw.origin}: {which} images {images.shape} and {len(labels)} labels; need as many, and some."
            )
        shape = facts.shape if facts.shape[0] else raw.images[0].shape[1:]
        if images.shape[1:] != shape:
            raise InvalidInput(
                f"{raw.origin}: {which} images have (channels, height, width) {images.shape[1:]}, not {shape}."
            )
        expected = facts.n_train if which == "train" else facts.n_test
        if expected and len(images) != expected:
            raise InvalidInput(f"{raw.origin}: {len(images)} {which} images; {facts.title} has {expected}.")
    for name, numbers in facts.statistics.items():
        if len(numbers.mean) != raw.images[0].shape[1]:
            raise InvalidInput(f"{facts.title}: statistics.{name} has {len(numbers.mean)} channels; the images do not.")


def _completed(facts: DatasetFacts, train: Split, test: Split, digest: str) -> DatasetFacts:
    channels, height, width = train.images.shape[1:]
    statistics = facts.statistics
    if "dataset" not in statistics:
        statistics = {"dataset": measure(train.images), **statistics}
    return replace(
        facts,
        shape=(channels, height, width),
        n_train=len(train),
        n_test=len(test),
        statistics=statistics,
        digest=digest,
    )


def measure(images: npt.NDArray[np.uint8]) -> Statistics:
    """Mean and standard deviation (over all pixels, ddof 0) of each channel of (N, C, H, W) images, in units of 255.

    Counted in whole numbers, so the result does not depend on the machine. A constant channel gets std 1.
    """
    mean, std = [], []
    for channel in range(images.shape[1]):
        counts = np.zeros(256, dtype=np.int64)
        for start in range(0, len(images), _CHUNK):
            counts += np.bincount(images[start : start + _CHUNK, channel].ravel(), minlength=256)
        n = int(counts.sum())
        first = sum(int(count) * value for value, count in enumerate(counts))
        second = sum(int(count) * value * value for value, count in enumerate(counts))
        mean.append(first / (255 * n))
        std.append((n * second - first * first) ** 0.5 / (255 * n) or 1.0)
    return Statistics(tuple(mean), tuple(std))


def _short(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"({shown}, … {len(names)} in all)" if len(names) > 4 else f"({shown})"
