"""How near the images of a set lie to test and to train, beside how near real training images lie.

Distances are Euclidean between thumbnails of at most 256 numbers, centred and scaled to length 1, so that brightness,
contrast, noise, blur and small shifts move an image little. For each image the distance to its nearest test image is
divided by that to its nearest training image: a ratio far below 1 says that it stems from the test image. Of real
training images, each without itself, the lowest 1 % of ratios are what the dataset's own near-duplicates give
(Barz and Denzler, "Do We Train on Test Data?", J. Imaging 2020, find them for 3.3 % of CIFAR-10's test images and 10 %
of CIFAR-100's); so they are calibrated here, and no list of them is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchmark.datasets import Dataset
from benchmark.scan.copies import TURNS

__all__ = ["RATE", "Natural", "Nearest", "Neighbours", "neighbours_of", "thumbnails"]

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
LARGEST = 256
"""Numbers of a thumbnail."""
BLANK = 1e-3
"""Length of a centred thumbnail, in levels of 0..255, below which an image shows nothing and has no neighbours."""
RATE = 0.01
"""Share of real training images that count as near."""
CALIBRATION = 2000
"""Real training images that are looked at."""
SEARCHED_TURNS = ("as it is", "mirrored")
TINY = 1e-3
"""Thumbnails that are nearer than this are the same: float32 tells no smaller distance apart from 0."""


@dataclass(frozen=True)
class Nearest:
    """The nearest test and training image of each of N images."""

    ratio: npt.NDArray[np.float64]
    """Distance to test over distance to train; 1 where there is no difference, or the image is blank."""
    test: Ids
    train: Ids
    mirrored: npt.NDArray[np.bool_]
    """Whether the image is mirrored to lie nearest to its test image."""


@dataclass(frozen=True)
class Natural:
    """What real training images give, each looked at without itself."""

    n: int
    cut: float
    """The ratio of which a share of RATE lies at or below."""
    share_nearer_test: float
    """Share that lies nearer to a test image than to any other training image."""


class Neighbours:
    """An index of both splits of a dataset."""

    def __init__(self, dataset: Dataset) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._splits = {
            name: NearestNeighbors(algorithm="brute").fit(thumbnails(dataset.split(name).images))
            for name in ("test", "train")
        }
        rows = np.linspace(0, len(dataset.train) - 1, min(CALIBRATION, len(dataset.train))).astype(np.int64)
        ratio = self.nearest(dataset.train.images[rows], without=rows).ratio
        self.natural = Natural(len(rows), float(np.quantile(ratio, RATE)), float((ratio < 1).mean()))

    def nearest(self, images: npt.NDArray[np.generic], without: Ids | None = None) -> Nearest:
        """Of images (N, C, H, W) in levels of 0..255; `without`: the training image that each must not find."""
        blank = ~thumbnails(images).any(axis=1)
        (to_test, test), (to_train, train) = (
            self._nearest("test", images, None),
            self._nearest("train", images, without),
        )
        apart, between = (np.where(found.min(axis=0) < TINY, 0.0, found.min(axis=0)) for found in (to_test, to_train))
        same = (apart == between) | blank
        ratio = np.where(same, 1.0, apart / np.where(between == 0, TINY, between))
        turn, columns = to_test.argmin(axis=0), np.arange(len(images))
        return Nearest(ratio, test[turn, columns], train[to_train.argmin(axis=0), columns], turn == 1)

    def _nearest(
        self, split: str, images: npt.NDArray[np.generic], without: Ids | None
    ) -> tuple[npt.NDArray[np.float64], Ids]:
        """Distances and positions (turns, N) of the nearest images of a split."""
        distances, positions = [], []
        for turn in SEARCHED_TURNS:
            asked = thumbnails(np.asarray(TURNS[turn](images)))
            n = 1 if without is None else min(2, self._splits[split].n_samples_fit_)
            apart, found = self._splits[split].kneighbors(asked, n)
            own = np.zeros(len(asked), dtype=np.int64) if without is None else (found[:, 0] == without).astype(np.int64)
            own = np.minimum(own, n - 1)
            distances.append(apart[np.arange(len(asked)), own])
            positions.append(found[np.arange(len(asked)), own])
        return np.array(distances, dtype=np.float64), np.array(positions, dtype=np.int64)


def thumbnails(images: npt.NDArray[np.generic]) -> Floats:
    """Images (N, C, H, W) as rows of length 1 around 0; blank ones as rows of zeros."""
    channels, height, width = images.shape[1:]
    steps = range(1, min(height, width) + 1)
    step = next((k for k in steps if channels * (height // k) * (width // k) <= LARGEST), steps[-1])
    rows, columns = height // step * step, width // step * step
    small = np.empty((len(images), channels, height // step, width // step), dtype=np.float32)
    for start in range(0, len(images), 5000):  # so that CIFAR-10 as float32 is never in memory whole
        part = images[start : start + 5000, :, :rows, :columns].astype(np.float32)
        shape = (len(part), channels, height // step, step, width // step, step)
        small[start : start + 5000] = part.reshape(shape).mean(axis=(3, 5))
    flat = small.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    scaled: Floats = np.where(length > BLANK, flat / np.maximum(length, BLANK), 0).astype(np.float32)
    return scaled


@lru_cache(maxsize=1)
def neighbours_of(dataset: Dataset) -> Neighbours:
    """The index of a dataset; the latest stays in memory (46 MB for CIFAR-10)."""
    return Neighbours(dataset)
