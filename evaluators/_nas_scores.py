"""From guesses at networks' quality to the scores of `nas-proxy`: correlations, regret, precision, cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.evaluator import accuracy_percent
from benchmark.rank_statistics import (
    Array,
    bootstrap,
    kendall,
    null_bound,
    partial_spearman,
    precision,
    regret,
    spearman,
)
from benchmark.results import Score
from benchmark.values import Outcome, Outcomes
from evaluators._nas_spaces import Candidate, Space

__all__ = ["Guesses", "guesses_of", "scores_of"]

CHOSEN = (1, 5, 10)
"""How many of the highest-scored networks are fully trained before the best is taken."""
COUNT = "parameter-count"
Statistic = Callable[..., Array]
Number = tuple[str, str, bool, float]
"""Metric, unit, whether higher is better, value; NaN where there is none."""


@dataclass(frozen=True)
class Guesses:
    """What one way of guessing says of every network."""

    values: Array
    """(networks, seeds), higher is better; a training that diverged is -inf. Empty unless `ok`."""
    cost: float
    """Image passes in percent of full training."""
    status: str = "ok"
    reason: str = ""
    numerics: str = ""
    device: str = ""


def guesses_of(outcomes: Sequence[Outcomes], probe: str, field: str, cost: float) -> Guesses:
    """What one probe says of every network, one value a seed; the field `accuracy` is derived from counts.

    A training that diverged is -inf and ranks last. Anything else that is not `ok`, or that all diverged, leaves
    nothing to rank.
    """
    chosen = [[one for one in found if one.probe.name == probe] for found in outcomes]
    flat = [one for found in chosen for one in found]
    missed = next((one for one in flat if one.status not in ("ok", "failed")), None)
    if missed is not None or all(one.status == "failed" for one in flat):
        bad = missed or flat[0]
        return Guesses(np.empty((0, 0)), cost, bad.status, bad.reason)
    values = np.array([[_value(one, field) for one in found] for found in chosen])
    return Guesses(values, cost, numerics=flat[0].numerics, device=flat[0].device)


def _value(outcome: Outcome, field: str) -> float:
    if outcome.status != "ok":
        return -math.inf
    return float((accuracy_percent(outcome) or 0.0) if field == "accuracy" else outcome.at_end()[field])


def scores_of(
    space: Space, position: Mapping[str, int], condition: str, guesses: Guesses, sizes: Guesses
) -> Iterator[Score]:
    """One score for each number of one condition; `position` is a network's row in the guesses."""
    if condition == "subject" and guesses.status == "ok":
        yield from _single(space, position, guesses)
    numbers = _numbers(space, position, condition, guesses, sizes)
    for metric, unit, higher, value in numbers:
        status, reason = guesses.status, guesses.reason
        if status == "ok" and math.isnan(value):
            status, reason = "skipped", "nothing is ranked: all alike, too few, or the truth's own runs disagree"
        yield Score(
            metric=metric,
            value=value if status == "ok" else None,
            unit=unit,
            higher_is_better=higher,
            architecture=space.name,
            seed=None,
            condition=condition if status == "ok" else "; ".join(filter(None, (condition, reason))),
            status=status,
            numerics=guesses.numerics,
            device=guesses.device,
        )


def _single(space: Space, position: Mapping[str, int], guesses: Guesses) -> Iterator[Score]:
    """Both accuracies of every network of the space, in its order: of training on the set, and of full training."""
    truth, values = _of(space.networks, position, guesses)
    for k, (full, short) in enumerate(zip(truth, _mean(values), strict=True), 1):
        for metric, value in (("network_accuracy", float(short)), ("network_truth", float(full))):
            ok = math.isfinite(value)
            yield Score(
                metric=f"{metric}_{k}",
                value=value if ok else None,
                unit="percent",
                higher_is_better=True,
                architecture=space.name,
                seed=None,
                condition="subject" if ok else "subject; diverged",
                status="ok" if ok else "failed",
                numerics=guesses.numerics,
                device=guesses.device,
            )


def _numbers(
    space: Space, position: Mapping[str, int], condition: str, guesses: Guesses, sizes: Guesses
) -> Iterator[Number]:
    if guesses.status != "ok":
        yield "spearman", "rho", True, math.nan
        return
    truth, values = _of(space.networks, position, guesses)
    yield from _ranked("", "rho", spearman, values, truth)
    yield "spearman_share_of_ceiling", "percent", True, 100 * float(spearman(_mean(values), truth)) / space.ceiling
    yield from _ranked("", "tau", kendall, values, truth)
    if condition != COUNT and sizes.status == "ok":
        _, counts = _of(space.networks, position, sizes)
        yield from _ranked("_given_parameters", "rho", partial_spearman, values, truth, counts[:, 0])
    best_truth, best = _of(space.top, position, guesses)
    yield from _ranked(f"_{space.top_name}", "rho", spearman, best, best_truth)
    share = 100 * float(spearman(_mean(best), best_truth)) / space.top_ceiling
    yield f"spearman_{space.top_name}_share_of_ceiling", "percent", True, share
    yield from _ranked(f"_{space.top_name}", "tau", kendall, best, best_truth)
    for k in CHOSEN:
        yield f"regret@{k}", "points", False, regret(_mean(values), truth, k)
    yield "precision@10%", "percent", True, 100 * precision(_mean(values), truth)
    yield "cost", "percent of full training", False, guesses.cost
    if condition == "subject":
        yield "spearman_ceiling", "rho", True, space.ceiling
        yield f"spearman_{space.top_name}_ceiling", "rho", True, space.top_ceiling
        yield "spearman_of_chance", "rho", True, null_bound(len(truth))
        yield f"spearman_{space.top_name}_of_chance", "rho", True, null_bound(len(best_truth))


def _ranked(
    suffix: str, unit: str, statistic: Statistic, values: Array, truth: Array, *others: Array
) -> Iterator[Number]:
    """A correlation and the ends of its bootstrap interval over networks and seeds."""
    name = {"rho": "spearman", "tau": "kendall"}[unit] + suffix
    yield name, unit, True, float(statistic(_mean(values), truth, *others))
    low, high = bootstrap(statistic, values, truth, *others)
    yield f"{name}_low", unit, True, low
    yield f"{name}_high", unit, True, high


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=1))


def _of(candidates: Sequence[Candidate], position: Mapping[str, int], guesses: Guesses) -> tuple[Array, Array]:
    """Truth (n,) and guesses (n, seeds) of some networks."""
    rows = [position[one.architecture] for one in candidates]
    return np.array([one.truth for one in candidates]), guesses.values[rows]
