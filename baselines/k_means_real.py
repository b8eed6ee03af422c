"""The real images nearest to the k-means centres of each class, no image twice.

Stored as indices. The centres are those of `k-means` with the same seed.

Differs: the source clusters embeddings, by code that was never published; here pixels, so that no network stands
behind the set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines import _clusters
from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.datasets import DatasetFacts
from benchmark.run import Run
from benchmark.synthetic_set import Array, SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["KMeansReal", "nearest_distinct"]

VERSION = 1


@dataclass(frozen=True)
class KMeansReal(Baseline):
    """k-means of each class with as many clusters as it gets images, then nearest neighbours."""

    source = Source(
        title="Real images nearest to k-means centres",
        url="https://github.com/justincui03/dc_benchmark",
        citation="Cui, J., Wang, R., Si, S., Hsieh, C.-J. (2022). DC-BENCH: Dataset Condensation Benchmark. "
        "NeurIPS 2022 Datasets and Benchmarks.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )
    bytes_per_value = 1
    class_by_class = True
    restarts: int = 10
    """Starts of each k-means, of which the one with the least inertia is kept."""

    def seconds(self, real: Real, budget: Budget, facts: DatasetFacts) -> float:
        ipc = images_per_class(budget, real, facts, self.bytes_per_value)
        return _clusters.seconds(real, ipc, self.restarts, facts)

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return indices of distinct real images; raises UsageError where a class has fewer images than clusters."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        chosen = [
            members[nearest_distinct(pixels, centres)]
            for _, members, pixels, centres in _clusters.centres_by_class(run, ipc, self.restarts)
        ]
        return run.of_indices(np.concatenate(chosen), ipc)


def nearest_distinct(points: Array, centres: Array) -> Array:
    """For each centre (k, D) in turn, the nearest of `points` (n, D) that no centre before it took: positions (k,)."""
    distances = np.square(centres[:, None] - points[None]).sum(axis=2)
    taken: list[int] = []
    for row in distances:
        row[taken] = np.inf
        taken.append(int(row.argmin()))
    return np.array(taken)
