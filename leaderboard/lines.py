"""Lines of a ranked table: cells in order, their ranks with the interval that the tests leave open, and their states.

What has no rank keeps its place and says why: a control, a set without a value, a set whose state takes it out of the
ranking (docs/leaderboard.md).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from scipy.special import stdtrit

from benchmark.rank_intervals import Comparisons, Sample, compare, rank_intervals
from benchmark.states import RANKED
from leaderboard.cells import CONTROLS, Cell, LineKey

__all__ = ["Gap", "Line", "Ranking", "Stated", "is_ranked", "ordered", "ranking", "sample"]

SCORED = "scored"
"""The state of a set of which no record speaks."""


class Stated(Protocol):
    """Where a set stands, and why; such as `benchmark.states.State`."""

    @property
    def state(self) -> str: ...

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Gap:
    """A line less the best one of its board, in the unit of the values."""

    mean: float
    low: float
    high: float
    """Ends of the single 95 % interval; NaN where it was not tested, as is all that follows."""
    p: float
    """Two-sided, of this pair alone."""
    adjusted: float
    """The same after Holm over all pairs of the board."""
    paired: bool


@dataclass(frozen=True)
class Line:
    """One method on a board."""

    key: LineKey
    cell: Cell
    rank: int | None
    """By the means; 1 is best, equal means share one. None for what is not ranked."""
    reference: bool = False
    above_reference: bool = False
    """Whether its accuracy is above that of the full data: its set may hold test images, or the reference is weak."""
    ranks: tuple[int, int] | None = None
    """First and last rank that the tests leave open; None where there is no rank."""
    gap: Gap | None = None
    """None of the best line and of those without a rank."""
    unranked: str = ""
    """Why it has no rank; empty where it has one."""
    state: str = SCORED
    reason: str = ""
    """Of the state."""
    seconds: float = math.nan
    """What making one of its sets took, by their cards; NaN where they do not say."""


class Ranking(NamedTuple):
    """Lines in order, and the tests of those that are ranked, in the same order."""

    lines: tuple[Line, ...]
    comparisons: Comparisons


def is_ranked(digest: str, states: Mapping[str, Stated]) -> bool:
    """Whether the state of a set lets it into ranked tables; a set of which no record speaks is in."""
    return digest not in states or states[digest].state in RANKED


def ordered(lines: Mapping[LineKey, Cell], higher_is_better: bool) -> list[LineKey]:
    """Keys of lines, best mean first, without a value last; ties by name."""

    def position(key: LineKey) -> tuple[object, ...]:
        mean = lines[key].interval.mean
        sign = -1 if higher_is_better else 1
        return (math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean, tuple(str(part) for part in key))

    return sorted(lines, key=position)


def sample(cell: Cell) -> Sample:
    """What tests compare: the means of the sets by distillation seed, or the values of the one set by training seed."""
    if cell.over == "seeds":
        return Sample("seeds", {seed: value for seed, value in cell.sets[0].values.items()} if cell.sets else {})
    seeds = [found.distil_seed for found in cell.sets]
    is_plain = None not in seeds and len(set(seeds)) == len(seeds)
    names: list[Hashable] = [*seeds] if is_plain else [found.digest for found in cell.sets]
    return Sample("sets", dict(zip(names, cell.units, strict=True)))


def ranking(
    cells: Mapping[LineKey, Cell], higher: bool, states: Mapping[str, Stated], left_out: Mapping[LineKey, str]
) -> Ranking:
    """Order and rank cells; `left_out` says why some are not ranked, whatever else holds. Withdrawn sets stand last."""
    why = {key: left_out.get(key) or _why_not(key, found, states) for key, found in cells.items()}
    order = sorted(ordered(cells, higher), key=lambda key: not _may_rank(cells[key], states))
    ranked = [key for key in order if not why[key]]
    tests = compare([sample(cells[key]) for key in ranked])
    means = [cells[key].interval.mean for key in ranked]
    places = dict(zip(ranked, rank_intervals(tests, higher), strict=True))
    rows = {key: row for row, key in enumerate(ranked)}

    def line(key: LineKey) -> Line:
        state, reason = _state(cells[key], states)
        if key not in rows:
            return Line(key, cells[key], None, unranked=why[key], state=state, reason=reason)
        mean = means[rows[key]]
        rank = 1 + sum(other > mean if higher else other < mean for other in means)
        gap = _gap(tests, rows[key]) if rows[key] else None
        return Line(key, cells[key], rank, ranks=places[key], gap=gap, state=state, reason=reason)

    return Ranking(tuple(line(key) for key in order), tests)


def _may_rank(cell: Cell, states: Mapping[str, Stated]) -> bool:
    return all(is_ranked(digest, states) for digest in cell.digests)


def _why_not(key: LineKey, cell: Cell, states: Mapping[str, Stated]) -> str:
    if key.method in CONTROLS:
        return "control"
    if not _may_rank(cell, states):
        return _state(cell, states)[0]
    return "" if cell.sets else "no value"


def _state(cell: Cell, states: Mapping[str, Stated]) -> tuple[str, str]:
    """The state that a line shows, with its reason: one that takes it out, else one of which all its sets are."""
    found = [states[digest] for digest in cell.digests if digest in states]
    out = next((one for one in found if one.state not in RANKED), None)
    disputed = next((one for one in found if one.state == "disputed"), None)
    shown = out or disputed or (found[0] if found and len(found) == len(cell.digests) else None)
    if shown is None or (shown.state == "verified" and {one.state for one in found} != {"verified"}):
        return SCORED, ""
    return shown.state, shown.reason


def _gap(tests: Comparisons, row: int) -> Gap:
    mean, error, degrees, p, adjusted = (
        float(matrix[row, 0]) for matrix in (tests.difference, tests.error, tests.degrees, tests.p, tests.adjusted)
    )
    half = float(stdtrit(degrees, 0.975)) * error if not math.isnan(p) else math.nan
    return Gap(mean, mean - half, mean + half, p, adjusted, bool(tests.paired[row, 0]))
