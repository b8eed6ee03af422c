"""Networks of `nas-proxy` one by one: what each reaches after training on a set, and when it is fully trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from leaderboard.cells import of_evaluator
from leaderboard.sources import Row

__all__ = ["Networks", "networks"]

SINGLE = re.compile(r"network_(accuracy|truth)_([0-9]{1,4})")
RHO = ("spearman", "spearman_low", "spearman_high")


class Networks(NamedTuple):
    """One space of networks under one recipe, trained on one set."""

    set: str
    evaluator: str
    recipe: str
    space: str
    networks: tuple[tuple[int, float, float], ...]
    """(number, percent fully trained, percent trained on the set)."""
    rho: tuple[float, ...]
    """Spearman's rho and the ends of its interval; empty where there is none."""


def networks(rows: Sequence[Row]) -> dict[str, list[Networks]]:
    """By set, of every space whose networks are told; those that diverged are left out."""
    found: dict[str, list[Networks]] = {}
    for place, members in of_evaluator(rows, "nas-proxy").items():
        values = {row.metric: row.value for row in members if row.condition == "subject"}
        numbers = sorted({int(match[2]) for name in values if (match := SINGLE.fullmatch(name))})
        both = [(k, values.get(f"network_truth_{k}"), values.get(f"network_accuracy_{k}")) for k in numbers]
        whole = tuple((k, full, short) for k, full, short in both if full is not None and short is not None)
        rho = tuple(values[name] for name in RHO) if set(RHO) <= set(values) else ()
        if whole:
            found.setdefault(place[0], []).append(Networks(*place, whole, rho))
    return found
