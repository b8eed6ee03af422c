"""Which of several samples differ, and the ranks that follow: all pairs tested, one family, Holm-adjusted.

Ranks after Mogstad, Romano, Shaikh and Wilhelm (Review of Economic Studies 91, 2024): a rank lies in
[1 + those significantly better, k - those significantly worse], for all samples at once with the tests' level.

The tests are Student's t on differences whose variance is moderated over the board: each pair's own variance is shrunk
towards what is usual among all pairs, after Smyth (Statistical Applications in Genetics and Molecular Biology 3, 2004).
Differs: the prior gets `PRIOR` of its estimated weight, and none below `FEWEST` samples, since with three values each
and spreads that differ widely the whole weight errs too often. docs/statistics.md tells what was simulated, and why it
is neither one pooled variance nor plain pairs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, polygamma, stdtr

from benchmark.statistics import SMALLEST_N

__all__ = [
    "ALPHA",
    "FEWEST",
    "PRIOR",
    "TEST",
    "Comparisons",
    "Sample",
    "compare",
    "holm",
    "moderated",
    "rank_intervals",
]

ALPHA = 0.05
"""Chance that anything at all on one board is told apart that does not differ."""
PRIOR = 0.25
"""Share of its estimated weight that the prior gets."""
FEWEST = 6
"""Samples that a prior is estimated from at least; and, where there are no pairs, values that each of them has."""
TEST = "two-sided moderated t-test, paired where both share their seeds, Holm-adjusted over all pairs of the board"

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Sample:
    """Values of one thing, by what they can be paired on."""

    unit: str
    """What one value is, e.g. `sets` or `seeds`; only values of one unit are ever paired, or share a prior."""
    values: Mapping[Hashable, float]
    """By seed. Samples with the same unit and seeds are paired."""


@dataclass(frozen=True)
class Comparisons:
    """All pairs of k samples: matrices (k, k), row less column; NaN on the diagonal and where nothing was tested."""

    difference: Array
    error: Array
    """Standard error of the difference."""
    degrees: Array
    """Degrees of freedom."""
    p: Array
    """Two-sided, against no difference."""
    adjusted: Array
    """The same after Holm: at most alpha where the difference is significant in the whole family."""
    paired: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def n_tests(self) -> int:
        """The size of the family."""
        return int(np.isfinite(self.p).sum()) // 2


def compare(samples: Sequence[Sample]) -> Comparisons:
    """Test every pair of samples that have `SMALLEST_N` finite values each; the others stay NaN.

    Raises ValueError for a value that is no finite number.
    """
    arrays = [np.array(list(sample.values.values()), dtype=np.float64) for sample in samples]
    if not all(np.isfinite(values).all() for values in arrays):
        raise ValueError("a comparison needs finite values")
    means = np.array([values.mean() if values.size else math.nan for values in arrays], dtype=np.float64)
    error, degrees = _unpaired(samples, arrays)
    paired = np.zeros(error.shape, dtype=np.bool_)
    for members in _groups(samples, arrays):
        table = np.array([[samples[i].values[seed] for seed in samples[members[0]].values] for i in members])
        grid = np.ix_(members, members)
        error[grid], degrees[grid] = _paired(table)
        paired[grid] = True
    difference = means[:, None] - means[None, :]
    np.fill_diagonal(error, math.nan)
    np.fill_diagonal(paired, False)
    upper = np.triu_indices(len(samples), 1)
    found = _p(difference[upper], error[upper], degrees[upper])
    p, adjusted = (_both_ways(values, len(samples)) for values in (found, holm(found)))
    return Comparisons(difference, error, np.where(np.isnan(p), math.nan, degrees), p, adjusted, paired)


def rank_intervals(found: Comparisons, higher_is_better: bool = True, alpha: float = ALPHA) -> list[tuple[int, int]]:
    """First and last rank of each sample that the tests leave open; 1 is best. A sample without tests spans all."""
    k = len(found.p)
    with np.errstate(invalid="ignore"):
        told_apart = found.adjusted <= alpha
        better = told_apart & ((found.difference < 0) == higher_is_better)  # the column is better than the row
    above, below = better.sum(axis=1), (told_apart & ~better).sum(axis=1)
    return [(1 + int(up), k - int(down)) for up, down in zip(above, below, strict=True)]


def holm(p: Array) -> Array:
    """Adjusted p-values of one family (n,), NaN left out: Holm (Scandinavian Journal of Statistics 6, 1979)."""
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.shape, math.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def moderated(variances: Array, degrees: Array) -> tuple[Array, Array]:
    """Shrink variances (m,) with degrees of freedom (m,) towards what is usual among them; what comes out has more.

    Few of them, or of hardly any spread, stay as they are.
    """
    typical = float(np.median(variances)) if variances.size else 0.0
    if variances.size < FEWEST or not typical > 0:
        return variances, degrees
    halves, of = np.unique(degrees / 2, return_inverse=True)
    logs = np.log(np.maximum(variances, 1e-5 * typical)) + (np.log(halves) - digamma(halves))[of]
    excess = float(logs.var(ddof=1) - polygamma(1, halves)[of].mean())
    prior = 2 * _inverse_trigamma(excess) if excess > 0 else math.inf
    usual = math.exp(float(logs.mean()) + (float(digamma(prior / 2)) - math.log(prior / 2) if prior < math.inf else 0))
    weight = min(PRIOR * prior, float(degrees.sum()))
    return (weight * usual + degrees * variances) / (weight + degrees), degrees + weight


def _unpaired(samples: Sequence[Sample], arrays: Sequence[Array]) -> tuple[Array, Array]:
    """Standard errors and degrees of freedom (k, k) of independent samples, after Welch and Satterthwaite."""
    n = np.array([values.size for values in arrays], dtype=np.float64)
    part, degrees = np.full(len(arrays), math.nan), np.full(len(arrays), math.nan)
    for unit in {sample.unit for sample in samples}:
        known = np.array([i for i, s in enumerate(samples) if s.unit == unit and n[i] >= SMALLEST_N], dtype=np.intp)
        part[known], degrees[known] = [arrays[i].var(ddof=1) for i in known], n[known] - 1
        many = known[n[known] >= FEWEST]
        part[many], degrees[many] = moderated(part[many], degrees[many])
    part = part / n
    total = part[:, None] + part[None, :]
    weights = part**2 / degrees
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = total**2 / (weights[:, None] + weights[None, :])
    plain = degrees[:, None] + degrees[None, :]
    return np.sqrt(total), np.where(np.isnan(joint) & ~np.isnan(total), plain, joint)


def _groups(samples: Sequence[Sample], arrays: Sequence[Array]) -> list[list[int]]:
    """Positions of samples that can be paired with one another."""
    found: dict[tuple[str, frozenset[Hashable]], list[int]] = {}
    for i, sample in enumerate(samples):
        if arrays[i].size >= SMALLEST_N:
            found.setdefault((sample.unit, frozenset(sample.values)), []).append(i)
    return [members for members in found.values() if len(members) > 1]


def _paired(table: Array) -> tuple[Array, Array]:
    """Standard errors and degrees of freedom (g, g) of the differences between the rows of a table (g, n)."""
    g, n = table.shape
    products = np.cov(table)
    own = np.diag(products)
    upper = np.triu_indices(g, 1)
    spread = (own[:, None] + own[None, :] - 2 * products)[upper]
    spread[spread < 1e-12 * (own[upper[0]] + own[upper[1]])] = 0.0  # of rows that differ by a constant: rounding
    spread = np.maximum(spread, 0.0)
    enough = g >= FEWEST
    variance, degrees = moderated(spread, np.full(spread.shape, n - 1.0)) if enough else (spread, np.full(1, n - 1.0))
    free = np.broadcast_to(np.minimum(degrees, (g - 1.0) * (n - 1.0)), spread.shape)
    return _both_ways(np.sqrt(variance / n), g), _both_ways(free, g)


def _p(difference: Array, error: Array, degrees: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = 2 * stdtr(degrees, -np.abs(difference) / error)
    certain = np.where(difference == 0, 1.0, 0.0)
    return np.asarray(np.where(error == 0, certain, np.where(np.isnan(error), math.nan, found)))


def _both_ways(values: Array, k: int) -> Array:
    """A symmetric matrix (k, k) of what stands above its diagonal, which is NaN."""
    upper = np.triu_indices(k, 1)
    found = np.full((k, k), math.nan)
    found[upper] = values
    found.T[upper] = values
    return found


def _inverse_trigamma(y: float) -> float:
    """x with trigamma(x) = y > 0, by Newton's method as in Smyth's appendix."""
    x = 0.5 + 1 / y
    for _ in range(50):
        value = float(polygamma(1, x))
        step = value * (1 - value / y) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-8 * x:
            break
    return x
