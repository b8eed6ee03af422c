"""Statistics of a few repeated measurements: intervals, differences, comparison with published numbers.

Student's t throughout: at n = 5 its nominal 95 % interval covers 94 to 96 % of normal draws, a percentile bootstrap
83 %, mean ± 1.96 standard errors 87 % (docs/statistics.md; held by a test). Raw values are stored, one for each seed;
these averages are made when they are read. A published ± is a standard deviation; where a source gives no n, n = 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# scipy.special rather than scipy.stats: the same numbers, and a second less to import.
from scipy.special import stdtr, stdtrit

__all__ = [
    "SMALLEST_N",
    "Difference",
    "Interval",
    "Published",
    "combined_standard_error",
    "difference",
    "kendall_w",
    "mean_ranks",
    "paired_difference",
    "t_interval",
    "z",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
SMALLEST_N = 3
"""Fewer values than this get no interval: at n = 2 Student's factor is 12.7, which tells a reader nothing."""


@dataclass(frozen=True)
class Interval:
    """Mean, spread and t-interval of a sample, in the unit of its values."""

    mean: float
    """NaN of no values."""
    sd: float
    """Sample standard deviation (n - 1); NaN below two values."""
    n: int
    low: float
    high: float
    """Ends of the interval; NaN below `SMALLEST_N` values."""

    @property
    def bounded(self) -> bool:
        """Whether there were enough values for an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class Difference:
    """The mean of one sample minus the mean of another, with its interval."""

    mean: float
    standard_error: float
    degrees: float
    """Degrees of freedom."""
    low: float
    high: float
    p: float
    """Two-sided, against no difference. All but the mean are NaN where a sample has fewer than `SMALLEST_N` values."""

    def superior(self, by: float) -> bool:
        """Whether the first is better by `by`: mean difference at least `by` and its interval above 0."""
        return self.mean >= by and self.low > 0

    def non_inferior(self, by: float) -> bool:
        """Whether the first is worse by less than `by`: the interval's lower end above -by."""
        return self.low > -by


@dataclass(frozen=True)
class Published:
    """A mean ± standard deviation read in a publication."""

    mean: float
    sd: float
    n: int = 5
    """5 where the source does not say: the field's habit."""


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean, sample SD and two-sided Student's t-interval. Raises ValueError for a value that is no finite number."""
    sample = _finite(values)
    n = sample.size
    mean = float(sample.mean()) if n else math.nan
    sd = float(sample.std(ddof=1)) if n > 1 else math.nan
    half = _t_factor(n - 1, level) * sd / math.sqrt(n) if n >= SMALLEST_N else math.nan
    return Interval(mean, sd, n, mean - half, mean + half)


def difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Difference:
    """Compare independent samples after Welch (Biometrika 34, 1947): variances may differ.

    Raises ValueError for a value that is no finite number, or an empty sample.
    """
    a, b = _finite(first), _finite(second)
    if not a.size or not b.size:
        raise ValueError("a difference needs at least one value on each side")
    mean = float(a.mean() - b.mean())
    if min(a.size, b.size) < SMALLEST_N:
        return _unbounded(mean)
    parts = [float(sample.var(ddof=1)) / sample.size for sample in (a, b)]
    weights = [part**2 / (sample.size - 1) for part, sample in zip(parts, (a, b), strict=True)]
    degrees = sum(parts) ** 2 / sum(weights) if sum(weights) > 0 else float(a.size + b.size - 2)
    return _with_interval(mean, math.sqrt(sum(parts)), degrees, level)


def paired_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Difference:
    """Compare samples whose k-th values share their seed, by the mean of the pairs' differences.

    Raises ValueError for unequal lengths, no pairs, or a value that is no finite number.
    """
    a, b = _finite(first), _finite(second)
    if a.size != b.size or not a.size:
        raise ValueError(f"pairs need two samples of one length, at least 1; got {a.size} and {b.size}")
    deltas = a - b
    if a.size < SMALLEST_N:
        return _unbounded(float(deltas.mean()))
    return _with_interval(float(deltas.mean()), float(deltas.std(ddof=1)) / math.sqrt(a.size), float(a.size - 1), level)


def combined_standard_error(values: Sequence[float], published: Published) -> float:
    """Standard error of the difference between a sample's mean and a published one; NaN below two values."""
    ours = t_interval(values)
    return math.sqrt(ours.sd**2 / ours.n + published.sd**2 / published.n) if ours.n > 1 else math.nan


def z(values: Sequence[float], published: Published) -> float:
    """How many combined standard errors a sample's mean lies above a published one.

    Where neither side has any spread it is 0 for equal means and infinite for others.
    """
    error = combined_standard_error(values, published)
    distance = t_interval(values).mean - published.mean
    if error == 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / error


def kendall_w(scores: Sequence[Sequence[float]]) -> float:
    """Concordance of several rankings, from scores (rankings, things ranked): 1 the same order, 0 no agreement.

    Kendall and Babington Smith (Annals of Mathematical Statistics 10, 1939), corrected for ties, which share the mean
    of their ranks; where every ranking ties all, 1. Raises ValueError for fewer than two rankings or things.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"concordance needs two rankings of two things or more; got shape {table.shape}")
    n_rankings, n = table.shape
    ranks = mean_ranks(table)
    equal = (table[:, None, :] == table[:, :, None]).sum(axis=2)
    ties = float((equal**2 - 1).sum())  # each group of t ties is counted t times: t (t^2 - 1)
    spread = float(((ranks.sum(axis=0) - n_rankings * (n + 1) / 2) ** 2).sum())
    most = n_rankings**2 * (n**3 - n) - n_rankings * ties
    return 12 * spread / most if most else 1.0


def mean_ranks(values: Array) -> Array:
    """Ranks over the last axis, 1 the lowest; ties share the mean of theirs. A row with a NaN is NaN."""
    found = np.full(values.shape, math.nan)
    for at in np.ndindex(values.shape[:-1]):
        row = values[at]
        if not np.isnan(row).any():
            order = np.sort(row)
            found[at] = (np.searchsorted(order, row, "left") + np.searchsorted(order, row, "right") + 1) / 2
    return found


def _unbounded(mean: float) -> Difference:
    return Difference(mean, math.nan, math.nan, math.nan, math.nan, math.nan)


def _with_interval(mean: float, standard_error: float, degrees: float, level: float) -> Difference:
    half = _t_factor(degrees, level) * standard_error
    certain = 1.0 if mean == 0 else 0.0
    p = 2 * float(stdtr(degrees, -abs(mean) / standard_error)) if standard_error > 0 else certain
    return Difference(mean, standard_error, degrees, mean - half, mean + half, p)


def _t_factor(degrees: float, level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1, e.g. 0.95")
    return float(stdtrit(degrees, (1 + level) / 2))


def _finite(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    sample = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(sample).all():
        raise ValueError(f"value {int(np.argmin(np.isfinite(sample)))} of {sample.size} is no finite number")
    return sample
