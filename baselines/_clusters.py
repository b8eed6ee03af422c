"""Cluster centres of the pixels of each class, which `k-means` stores and `k-means-real` looks for neighbours of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmark.run import Run
from benchmark.synthetic_set import Array

__all__ = ["centres_by_class"]


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
