"""Do several rankings of the same things agree: architectures, recipes, the lite recipe and the full one?

Kendall's W over all of them, and Kendall's tau-b of every two, of which the lowest and the median are told: a mean
would hide the one architecture on which the order is another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.rank_statistics import kendall
from benchmark.statistics import kendall_w

__all__ = ["FEWEST_THINGS", "Agreement", "agreement"]

FEWEST_THINGS = 3
"""Two things have one order or the other; that is no agreement to speak of."""


@dataclass(frozen=True)
class Agreement:
    """How far rankings agree; 1 is one order throughout."""

    w: float
    """Kendall's coefficient of concordance, 0 for none."""
    median: float
    """Of the tau-b of every two rankings; NaN where a ranking ties everything, as is `worst`."""
    worst: float
    pair: tuple[int, int]
    """Positions of the two rankings that agree least."""
    n_rankings: int
    n_things: int


def agreement(scores: Sequence[Sequence[float]]) -> Agreement | None:
    """Of scores (rankings, things), each ranking in one direction throughout; None below two, or three things."""
    if len(scores) < 2 or len(scores[0]) < FEWEST_THINGS:
        return None
    table = np.asarray(scores, dtype=np.float64)
    pairs = list(combinations(range(len(table)), 2))
    found = [float(kendall(table[i], table[j])) for i, j in pairs]
    known = [tau for tau in found if not math.isnan(tau)]
    worst = min(range(len(pairs)), key=lambda k: math.inf if math.isnan(found[k]) else found[k])
    median = float(np.median(known)) if known else math.nan
    return Agreement(kendall_w(scores), median, found[worst], pairs[worst], len(table), table.shape[1])
