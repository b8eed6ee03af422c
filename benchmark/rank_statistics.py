"""Statistics of rankings: how well a cheap score orders things whose true values are known.

Rank correlations take single samples (n,) or batches of them (..., n), so that a bootstrap is one call. A correlation
with a constant is NaN: nothing was ranked. docs/nas_proxy.md says how to read them; scipy's are the same numbers, held
by a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtrit

from benchmark.statistics import mean_ranks

__all__ = [
    "Array",
    "bootstrap",
    "kendall",
    "mean_ceiling",
    "null_bound",
    "partial_spearman",
    "precision",
    "regret",
    "spearman",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
_CHUNK = 2**22
"""Pairs that are compared at a time."""


def spearman(x: Array, y: Array) -> Array:
    """Spearman's rho over the last axis, ties by their mean rank."""
    return _pearson(mean_ranks(x), mean_ranks(y))


def kendall(x: Array, y: Array) -> Array:
    """Kendall's tau-b over the last axis."""
    a, b = (np.atleast_2d(part) for part in np.broadcast_arrays(mean_ranks(x), mean_ranks(y)))
    step = max(1, _CHUNK // a.shape[-1] ** 2)
    found = np.concatenate([_tau(a[i : i + step], b[i : i + step]) for i in range(0, len(a), step)])
    return np.reshape(found, np.broadcast_shapes(np.shape(x), np.shape(y))[:-1])


def partial_spearman(x: Array, y: Array, given: Array) -> Array:
    """Spearman's rho of x and y with what both share with `given` taken out, over the last axis."""
    xy, xz, yz = spearman(x, y), spearman(x, given), spearman(y, given)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.sqrt((1 - xz**2) * (1 - yz**2))
        return np.where(rest > 1e-9, (xy - xz * yz) / rest, np.nan)


def bootstrap(
    statistic: Callable[..., Array],
    scores: Array,
    *others: Array,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of `statistic(mean score, *others)` over things and seeds.

    `scores` is (n, seeds), each of `others` (n,). Every resample draws the things with replacement and, for all of
    them alike, the seeds. Resamples in which nothing is ranked are left out; NaN where none is left.
    """
    n, n_seeds = scores.shape
    draws = np.random.default_rng(seed)
    things = draws.integers(n, size=(n_resamples, n))
    seeds = draws.integers(n_seeds, size=(n_resamples, n_seeds))
    means = scores[:, seeds].mean(axis=2).T  # (resamples, n)
    found = statistic(np.take_along_axis(means, things, axis=1), *(other[things] for other in others))
    found = found[np.isfinite(found)]
    if not found.size:
        return math.nan, math.nan
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_ceiling(first: Array, second: Array) -> float:
    """The rho that a perfect, noiseless score would have with the mean of two noisy measurements of the truth.

    Spearman and Brown (1910): the mean of two has the reliability 2 r / (1 + r), and a correlation with it is weakened
    by that one's root. NaN where the two do not agree at all.
    """
    r = float(spearman(first, second))
    return math.sqrt(2 * r / (1 + r)) if r > 0 else math.nan


def null_bound(n: int, level: float = 0.95) -> float:
    """The |rho| that a random ranking of n stays within; by Student's t, as scipy tests a rho. 1 below four."""
    if n < 4:
        return 1.0
    t = float(stdtrit(n - 2, (1 + level) / 2))
    return t / math.sqrt(n - 2 + t**2)


def regret(scores: Array, truth: Array, k: int, seed: int = 0) -> float:
    """What is lost, in the truth's unit, when the best of the k highest scores is taken; ties at random, averaged."""
    taken = _best_first(scores, seed)[:, :k]
    return float((truth.max() - truth[taken].max(axis=1)).mean())


def precision(scores: Array, truth: Array, share: float = 0.1, seed: int = 0) -> float:
    """How much of the highest-scored share is among the truly best share; ties of scores at random, averaged."""
    k = math.ceil(share * len(truth))
    among_best = truth >= np.sort(truth)[-k]
    return float(among_best[_best_first(scores, seed)[:, :k]].mean())


def _best_first(scores: Array, seed: int, n_draws: int = 200) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Positions by falling score, once for each draw of the order among equals: (draws, n)."""
    noise = np.random.default_rng(seed).random((n_draws, len(scores)))
    return np.argsort(-(mean_ranks(scores) + noise / 4), axis=1)  # ranks that differ, differ by a half at least


def _pearson(x: Array, y: Array) -> Array:
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))


def _tau(a: Array, b: Array) -> Array:
    """tau-b of some rankings (batch, n): agreeing less disagreeing pairs, over the pairs that either tells apart."""
    signs = [np.sign(part[:, :, None] - part[:, None, :]).astype(np.int8) for part in (a, b)]
    both = (signs[0] * signs[1]).sum(axis=(1, 2), dtype=np.int64)
    told = [np.abs(sign).sum(axis=(1, 2), dtype=np.int64) for sign in signs]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(both / np.sqrt(told[0].astype(np.float64) * told[1]))
