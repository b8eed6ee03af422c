"""Studies: what an evaluator with many numbers says of one set, as one table of metrics by conditions.

A metric `x` whose interval the evaluator states itself, in the metrics `x_low` and `x_high`, takes one line with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.cells import Cell, cell, group
from leaderboard.sources import Row

__all__ = ["Study", "StudyCell", "StudyLine", "is_end", "studies"]

ENDS = ("_low", "_high")


@dataclass(frozen=True)
class StudyCell:
    """One number with the interval that stands beside it."""

    cell: Cell
    low: float | None
    high: float | None
    """The evaluator's own interval; None where it states none."""


@dataclass(frozen=True)
class StudyLine:
    """One metric under every condition."""

    metric: str
    unit: str
    cells: tuple[StudyCell | None, ...]
    """In the order of the study's conditions; None where the evaluator says nothing."""


@dataclass(frozen=True)
class Study:
    """One evaluator's table for one set, recipe and architecture."""

    first: Row
    conditions: tuple[str, ...]
    lines: tuple[StudyLine, ...]


def is_end(metric: str) -> bool:
    """Whether a metric is the end of another one's interval."""
    return metric.endswith(ENDS)


def studies(rows: Sequence[Row]) -> tuple[tuple[Study, ...], list[Row]]:
    """The studies in the rows of one set, and the rows that are in none."""
    found, rest = [], []
    for members in group(rows, lambda row: (row.evaluator, row.version, row.recipe, row.architecture)).values():
        several = len({row.metric for row in members}) > 1 and len({row.condition for row in members}) > 1
        if several and all(row.condition for row in members):
            found.append(_study(members))
        else:
            rest += members
    return tuple(found), [row for row in rows if row in rest]


def _study(rows: Sequence[Row]) -> Study:
    by_place = {key: cell(members) for key, members in group(rows, lambda row: (row.metric, row.condition)).items()}
    names = list(dict.fromkeys(row.condition for row in rows))
    conditions = tuple(sorted(names, key=lambda name: (name != "subject", name)))
    units = {row.metric: row.unit for row in rows if not is_end(row.metric)}

    def one(metric: str, condition: str) -> StudyCell | None:
        here = by_place.get((metric, condition))
        ends = [by_place.get((metric + end, condition)) for end in ENDS]
        low, high = (end.interval.mean if end is not None and end.values else None for end in ends)
        return None if here is None else StudyCell(here, low, high)

    lines = (StudyLine(name, unit, tuple(one(name, c) for c in conditions)) for name, unit in units.items())
    return Study(rows[0], conditions, tuple(lines))
