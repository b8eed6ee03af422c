"""Whether a published number is reproduced: the rule, fixed before anything was measured.

Our mean is over distillation seeds, each the mean of its training seeds; its standard error is the SD over
distillation seeds by √n. The published one is SD / √n, with n = 5 where a source gives none, and 0 where it gives no
SD. With one set of ours the spread between sets is unknown: the published SD stands in for it, or, where it is larger,
the standard error over our training seeds.

- **reproduced**: the difference is at most two combined standard errors, or within the tolerance of a number that was
  measured off a figure.
- **not reproduced**: it is larger, in either direction.
- **not comparable**: the table says why; or a training failed; or neither side shows any spread; or the combined
  standard error is above `BLUNT` points, so that a difference of twice as much would pass unseen.
- **not run**: nothing was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.reproduce.tables import Number
from benchmark.statistics import t_interval

__all__ = ["BLUNT", "WORDS", "Verdict", "judge", "our_error"]

BLUNT = 1.5
"""Largest combined standard error, in points of accuracy, under which a verdict is given."""
WITHIN = 2.0
"""Combined standard errors."""
WORDS = ("reproduced", "not reproduced", "not comparable", "not run")


@dataclass(frozen=True)
class Verdict:
    """What a comparison says; numbers are None where there is nothing to compare."""

    word: str
    reason: str = ""
    difference: float | None = None
    """Ours less the published number, in points."""
    error: float | None = None
    """Combined standard error, in points."""


def judge(values: Sequence[Sequence[float]], number: Number, n_failed: int = 0) -> Verdict:
    """The verdict on our accuracies (sets, training seeds of each) in percent beside one published number."""
    if not values and not n_failed:
        return Verdict("not run")
    if not values or n_failed:
        return Verdict("not comparable", f"{n_failed} of our trainings failed")
    means = [sum(of_set) / len(of_set) for of_set in values]
    away = sum(means) / len(means) - number.value
    ours = our_error(values, number)
    if ours is None:
        return Verdict("not comparable", "one set of ours with one network, and no spread published", away)
    error = math.sqrt(ours**2 + (number.sd or 0.0) ** 2 / number.n)
    if number.not_comparable:
        return Verdict("not comparable", number.not_comparable, away, error)
    if error > BLUNT:
        return Verdict("not comparable", f"too few sets to tell: combined standard error above {BLUNT}", away, error)
    is_near = abs(away) <= max(WITHIN * error, number.tolerance)
    direction = "" if is_near else "ours is higher" if away > 0 else "ours is lower"
    return Verdict("reproduced" if is_near else "not reproduced", direction, away, error)


def our_error(values: Sequence[Sequence[float]], number: Number) -> float | None:
    """Standard error of our mean; None where nothing tells it."""
    if len(values) > 1:
        found = t_interval([sum(of_set) / len(of_set) for of_set in values])
        return found.sd / math.sqrt(found.n)
    alone = t_interval(values[0])
    by_networks = alone.sd / math.sqrt(alone.n) if alone.n > 1 else None
    known = [spread for spread in (by_networks, number.sd) if spread is not None]
    return max(known) if known else None
