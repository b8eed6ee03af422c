"""Do the intervals cover what they should? Student's t at five seeds, and rank intervals on boards of many kinds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmark.rank_intervals import Array, Sample, compare, rank_intervals
from benchmark.statistics import t_interval
from tests.evidence.bench import Bench, Finding

N_DRAWS = 40_000
N_BOARDS = 600
SPREADS = {
    "20 alike": [1.0] * 20,
    "3 alike": [1.0] * 3,
    "17 quiet, 3 noisy": [0.5] * 17 + [5.0] * 3,
    "5 from 0.1 to 5": [0.1, 0.5, 1.0, 2.0, 5.0],
    "6, one noisy": [0.5] * 5 + [5.0],
    "digits, by sets": [0.5, 0.71, 0.14, 2.31, 0.42, 1.07, 1.82, 0.84, 3.93, 4.82],
    "digits, by seeds": [1.15, 0.27, 1.82, 1.41, 3.06, 1.51, 1.26, 2.42, 0.88, 1.44, 1.32],
}
"""Standard deviations of the lines of a board; the last two as measured for convnet under standard-v1-lite."""
SIZES = (3, 5, 10)
"""Values of each line."""
SMALL = 3
"""With so few, tests of lines whose spreads differ tenfold err a little more often than they should."""
KINDS = {"paired": (0.0, False), "paired, shared seeds": (0.6, False), "half of them unpaired": (0.0, True)}
"""Share of the variance that a seed gives every line alike, and whether every other line is of another unit."""


def measure(bench: Bench) -> Finding:
    t = t_coverage()
    found = {
        f"{name}, n = {n}, {kind}": rank_coverage(spreads, n, *KINDS[kind])
        for name, spreads in SPREADS.items()
        for n in SIZES
        for kind in KINDS
    }
    usual = {place: held for place, held in found.items() if f"n = {SMALL}," not in place}
    few = {place: held for place, held in found.items() if place not in usual}
    return Finding(
        bar="t-intervals at n = 5 cover 94 to 96 % of draws; a rank interval holds the true rank in 95 % of boards, "
        "whichever the line, at n = 5 and 10; at n = 3, and for all lines at once, within two standard errors of that",
        passed=0.94 <= t <= 0.96
        and min(held["the worst line"] for held in usual.values()) >= 0.95
        and min(held["every line"] for held in found.values()) >= 0.95 - 2 * math.sqrt(0.95 * 0.05 / N_BOARDS),
        value={
            "t-interval, n = 5": t,
            "rank of one line, least": {
                "n = 5 and 10": _least(usual, "the worst line"),
                "n = 3": _least(few, "the worst line"),
            },
            "ranks of all lines at once, least": {
                "n = 5 and 10": _least(usual, "every line"),
                "n = 3": _least(few, "every line"),
            },
        },
        n=f"{N_DRAWS} normal samples; {N_BOARDS} boards of lines with equal means for each of {len(found)} places",
        spread=f"standard error of a share of 95 %: {math.sqrt(0.95 * 0.05 / N_BOARDS):.4f}",
        details=found,
    )


def _least(found: Mapping[str, Mapping[str, float]], of: str) -> dict[str, float]:
    place = min(found, key=lambda name: found[name][of])
    return {place: found[place][of]}


def t_coverage() -> float:
    draws = np.random.default_rng(0).normal(60.0, 1.5, size=(N_DRAWS, 5))
    intervals = [t_interval(list(sample)) for sample in draws]
    return round(float(np.mean([found.low <= 60.0 <= found.high for found in intervals])), 4)


def rank_coverage(spreads: list[float], n: int, shared: float, mixed: bool) -> dict[str, float]:
    """How often the intervals hold rank 1 to k of lines that are all alike: of every line at once, of the worst one."""
    held = np.array([[found == (1, len(spreads)) for found in ranks] for ranks in _ranks(spreads, n, shared, mixed)])
    return {
        "every line": round(float(held.all(axis=1).mean()), 4),
        "the worst line": round(float(held.mean(axis=0).min()), 4),
    }


def samples_of(values: Array, mixed: bool = False) -> list[Sample]:
    """Lines of a board, from values (lines, seeds)."""
    units = ("seeds", "sets" if mixed else "seeds")
    return [Sample(units[k % 2], dict(enumerate(row))) for k, row in enumerate(values)]


def board(means: Any, spreads: Any, n: int, shared: float, draws: np.random.Generator) -> Array:
    """Values (lines, seeds) of one board."""
    noise = math.sqrt(1 - shared) * draws.normal(size=(len(spreads), n)) + math.sqrt(shared) * draws.normal(size=n)
    return np.asarray(np.reshape(means, (-1, 1)) + np.reshape(spreads, (-1, 1)) * noise)


def _ranks(spreads: list[float], n: int, shared: float, mixed: bool) -> Iterator[list[tuple[int, int]]]:
    draws = np.random.default_rng(n)
    for _ in range(N_BOARDS):
        yield rank_intervals(compare(samples_of(board(70.0, spreads, n, shared, draws), mixed)))
