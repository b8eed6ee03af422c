"""Cluster centres of the pixels of each class, which `k-means` stores and `k-means-real` looks for neighbours of."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmark.datasets import DatasetFacts
from benchmark.run import Run
from benchmark.synthetic_set import Array
from benchmark.values import Real

__all__ = ["centres_by_class", "seconds"]

ROUNDS, ROUNDS_OF_ONE = 40, 3
"""Assignments of all images that a start takes, and one with a single centre."""
RATE = 3e9
"""Products a second of one thread (an EPYC); reading an image costs about as much as three centres."""


def seconds(real: Real, k: int, restarts: int, facts: DatasetFacts) -> float:
    """About how long `centres_by_class` takes."""
    share = 1.0 if real.classes is None else len(set(real.classes)) / len(facts.classes)
    rounds = ROUNDS if k > 1 else ROUNDS_OF_ONE
    return restarts * rounds * facts.n_train * share * math.prod(facts.shape) * (k + 3) / RATE


def centres_by_class(run: Run, k: int, restarts: int) -> Iterator[tuple[int, Array, Array, Array]]:
    """For each class: its id, the rows (n,) of its images, their pixels (n, D) in 0..1 and `k` centres (k, D).

    Raises UsageError where a class has fewer than `k` images.
    """
    for c, members in run.class_rows(at_least=k).items():
        pixels = run.images(members).flatten(1).cpu().numpy().astype(np.float64) / 255
        seed = int(torch.randint(2**31, (), generator=run.generator("clusters", c)))
        with threadpool_limits(1):  # threads add up partial sums in any order, and the set's digest would move
            clusters = KMeans(k, n_init=restarts, random_state=seed).fit(pixels)
        yield c, members, pixels, clusters.cluster_centers_
