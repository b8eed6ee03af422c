"""Statistics over several tasks: an aggregate score, the ranks behind it, and tests across tasks.

The aggregate is the interquartile mean (Agarwal et al., NeurIPS 2021): the mean of the middle half of all values, every
task with the same weight. Its interval is a bootstrap that draws within each task (strata), and where the claim is to
reach beyond these tasks, draws groups of tasks first: the sizes of one dataset are no independent tasks. Tests across
tasks follow Demšar (JMLR 7, 2006), with Wilcoxon's signed ranks and Holm in place of Nemenyi's test, whose verdict on
two methods depends on the others (Benavoli, Corani and Mangili, JMLR 17, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# scipy.special rather than scipy.stats, which cannot be imported where torch is blocked.
from scipy.special import chdtrc

from benchmark.rank_intervals import ALPHA, holm
from benchmark.statistics import kendall_w, mean_ranks

__all__ = [
    "FEWEST_TASKS",
    "AcrossTasks",
    "Aggregate",
    "across_tasks",
    "aggregate",
    "interquartile_mean",
    "leave_one_out_ranks",
    "ties_of",
]

FEWEST_TASKS = 6
"""Below, Wilcoxon's exact test cannot reach 0.05: with five tasks its least two-sided p is 0.0625."""

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Aggregate:
    """Interquartile mean over tasks, with percentile intervals."""

    mean: float
    low: float
    high: float
    """For these tasks: new seeds, same tasks."""
    wide: tuple[float, float] | None
    """For tasks like these: groups of tasks drawn too; None below `FEWEST_TASKS` groups."""


@dataclass(frozen=True)
class AcrossTasks:
    """Friedman's test and all pairs of k methods over the same tasks."""

    mean_ranks: tuple[float, ...]
    """By method; 1 is best in every task."""
    friedman_p: float
    """Against all methods being alike; NaN below three methods."""
    p: Array
    """Two-sided, Wilcoxon's signed ranks, (k, k) with NaN on the diagonal."""
    adjusted: Array
    """The same after Holm."""
    order: tuple[int, ...]
    """Methods by mean rank."""
    ties: tuple[tuple[int, int], ...]
    """First and last place in `order` of each largest group in which no two differ significantly."""
    n_tasks: int


def interquartile_mean(values: Array, weights: Array) -> Array:
    """Weighted mean of what lies between the quartiles of the weights, over the last axis; both (..., m)."""
    order = np.argsort(values, axis=-1, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=-1)
    shares = np.take_along_axis(np.broadcast_to(weights, values.shape), order, axis=-1)
    ends = np.cumsum(shares, axis=-1)
    ends = ends / ends[..., -1:]
    starts = np.concatenate([np.zeros((*ends.shape[:-1], 1)), ends[..., :-1]], axis=-1)
    inside = np.clip(np.minimum(ends, 0.75) - np.maximum(starts, 0.25), 0, None)
    return np.asarray((inside * sorted_values).sum(axis=-1) / inside.sum(axis=-1))


def aggregate(
    tasks: Sequence[Sequence[float]], groups: Sequence[object], n_resamples: int = 2000, level: float = 0.95
) -> Aggregate:
    """Aggregate the values of each task (of one method); `groups` names what each task belongs to, e.g. its dataset.

    The draws are the same for the same numbers of values. Raises ValueError where a task has no value.
    """
    if not tasks or not all(len(values) for values in tasks):
        raise ValueError("an aggregate needs a value in every task")
    sizes = np.array([len(values) for values in tasks])
    table = np.zeros((len(tasks), sizes.max()))
    for row, values in zip(table, tasks, strict=True):
        row[: len(values)] = values
    known = np.arange(table.shape[1]) < sizes[:, None]
    weights = known / sizes[:, None]
    mean = float(interquartile_mean(table.reshape(-1), weights.reshape(-1)))
    draws = np.random.default_rng(0)
    picked = (draws.random((n_resamples, *table.shape)) * sizes[:, None]).astype(np.intp)
    resampled = np.take_along_axis(np.broadcast_to(table, picked.shape), picked, axis=2)
    low, high = _quantiles(resampled, np.broadcast_to(weights, picked.shape), level)
    names = list(dict.fromkeys(groups))
    if len(names) < FEWEST_TASKS:
        return Aggregate(mean, low, high, None)
    counts = draws.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)
    repeats = counts[:, [names.index(name) for name in groups]]
    return Aggregate(mean, low, high, _quantiles(resampled, repeats[:, :, None] * weights, level))


def leave_one_out_ranks(methods: Sequence[Sequence[Sequence[float]]]) -> list[tuple[int, int]]:
    """Best and worst rank by interquartile mean of each method [tasks][values] when any one task is left out."""
    n_tasks = len(methods[0]) if methods else 0
    if n_tasks < 2:
        return [(1, len(methods))] * len(methods)
    found = []
    for out in range(n_tasks):
        kept = [[values for task, values in enumerate(tasks) if task != out] for tasks in methods]
        means = [_mean_of(tasks) for tasks in kept]
        found.append([1 + sum(other > mean for other in means) for mean in means])
    return [(min(ranks), max(ranks)) for ranks in zip(*found, strict=True)]


def across_tasks(scores: Array, alpha: float = ALPHA) -> AcrossTasks:
    """Test k methods over n tasks; scores (k, n), higher is better. Raises ValueError below `FEWEST_TASKS` tasks."""
    k, n = scores.shape
    if n < FEWEST_TASKS or k < 2:
        raise ValueError(f"tests across tasks need two methods and {FEWEST_TASKS} tasks or more; got {k} and {n}")
    ranks = np.mean([mean_ranks(-task) for task in scores.T], axis=0)
    alike = bool((scores == scores[0]).all())  # then Friedman's statistic, n (k - 1) W, is 0 over 0
    friedman = math.nan if k < 3 else 1.0 if alike else float(chdtrc(k - 1, n * (k - 1) * kendall_w(scores.T.tolist())))
    upper = np.triu_indices(k, 1)
    single = np.array([_wilcoxon(scores[i] - scores[j]) for i, j in zip(*upper, strict=True)])
    p, adjusted = np.full((k, k), math.nan), np.full((k, k), math.nan)
    for matrix, values in ((p, single), (adjusted, holm(single))):
        matrix[upper] = values
        matrix.T[upper] = values
    order = tuple(int(i) for i in np.argsort(ranks, kind="stable"))
    return AcrossTasks(tuple(map(float, ranks)), friedman, p, adjusted, order, ties_of(order, adjusted, alpha), n)


def ties_of(order: Sequence[int], adjusted: Array, alpha: float = ALPHA) -> tuple[tuple[int, int], ...]:
    """The largest runs of places, two or longer, in which no pair is significant; the bars of the diagram."""
    found: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and all(
            adjusted[order[last + 1], order[i]] > alpha for i in range(first, last + 1)
        ):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def _mean_of(tasks: Sequence[Sequence[float]]) -> float:
    values = np.concatenate([np.asarray(one, dtype=np.float64) for one in tasks])
    return float(interquartile_mean(values, np.concatenate([np.full(len(one), 1 / len(one)) for one in tasks])))


def _quantiles(values: Array, weights: Array, level: float) -> tuple[float, float]:
    """Percentile interval of resamples (r, tasks, values); what has no weight does not count."""
    n = len(values)
    found = interquartile_mean(values.reshape(n, -1), weights.reshape(n, -1))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _wilcoxon(differences: Array) -> float:
    """Two-sided p of signed ranks, over all signs of the differences other than 0: exact, with ties too."""
    told = differences[differences != 0]
    doubled = np.rint(2 * mean_ranks(np.abs(told))).astype(int)  # whole numbers where ties share a half
    counts = np.zeros(doubled.sum() + 1)
    counts[0] = 1.0
    for rank in doubled:  # how many choices of positive signs give each sum of ranks
        counts[rank:] += counts[: len(counts) - rank].copy()
    distances = np.abs(2 * np.arange(len(counts)) - doubled.sum())
    found = abs(2 * int(doubled[told > 0].sum()) - int(doubled.sum()))
    return float(counts[distances >= found].sum() / counts.sum())
