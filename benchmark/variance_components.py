"""How much of a score's spread comes from distilling again, and how much from training again.

A two-way random-effects analysis of variance without replication: sets by training seeds. Every set is trained with
the same seeds, so what a seed gives all sets alike is a component of its own, and cancels between methods. Estimates
by the method of moments, cut off at 0 (Searle, Casella and McCulloch, Variance Components, 1992, chapter 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Components", "components"]


@dataclass(frozen=True)
class Components:
    """Standard deviations, in the unit of the values; NaN where there are fewer than two sets or two shared seeds."""

    distillation: float
    """Between sets: what another distillation seed changes."""
    seed: float
    """What a training seed gives all sets alike."""
    training: float
    """The rest: what a training seed gives one set."""
    n_sets: int
    n_seeds: int
    """Training seeds that all sets share; others are left out."""

    @property
    def error(self) -> float:
        """Standard error of the method's mean where the training seeds are drawn again as well."""
        between, common, rest = (part**2 for part in (self.distillation, self.seed, self.training))
        return math.sqrt(between / self.n_sets + common / self.n_seeds + rest / (self.n_sets * self.n_seeds))


def components(sets: Sequence[Mapping[int | None, float]]) -> Components:
    """Split the variance of sets, each a mapping from training seed to value."""
    shared = (
        sorted(set.intersection(*(set(values) - {None} for values in sets)), key=lambda seed: seed or 0) if sets else []
    )
    k, n = len(sets), len(shared)
    if k < 2 or n < 2:
        return Components(math.nan, math.nan, math.nan, k, n)
    table = np.array([[values[seed] for seed in shared] for values in sets], dtype=np.float64)
    by_set, by_seed, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = ((table - by_set[:, None] - by_seed + mean) ** 2).sum() / ((k - 1) * (n - 1))
    between = (n * by_set.var(ddof=1) - rest) / n
    common = (k * by_seed.var(ddof=1) - rest) / k
    distillation, seed, training = (math.sqrt(max(0.0, float(part))) for part in (between, common, rest))
    return Components(distillation, seed, training, k, n)
