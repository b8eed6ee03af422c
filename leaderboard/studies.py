"""Studies: what one evaluator says of one set, as a table of metrics by conditions or as a list.

Parts of a number take no line of their own: the ends `x_low` and `x_high` of an interval that the evaluator states
itself stand beneath their `x`, and the points `y_1`, `y_2`, … of a curve stand in one cell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.cells import Cell, cell, group
from leaderboard.sources import Row

__all__ = ["ENDS", "Block", "Heading", "Score", "Study", "StudyCell", "blocks", "parts", "without_parts"]

ENDS = ("_low", "_high")
POINT = re.compile(r"(.+)_([0-9]{1,4})")
FIRST = ("subject", "none", "")
"""Conditions that the others are compared with, and so stand first."""
NUMBER = 12
"""Characters of a number with what stands beneath it; no column is narrower."""
PLACE = ("condition", "architecture", "metric", "recipe")


class Heading(NamedTuple):
    """Of a line or column of a study."""

    name: str
    unit: str = ""
    """Of a metric; empty for a condition."""


@dataclass(frozen=True)
class StudyCell:
    """One number with the interval that stands beside it, or the points of one curve."""

    cells: tuple[Cell, ...]
    """One, or those of a curve in order."""
    low: float | None = None
    high: float | None = None
    """The evaluator's own interval, a mean over training seeds where it states several; None where it states none."""

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """(status, reason) of what is not ok, each once."""
        return tuple(sorted({reason for found in self.cells for reason in found.reasons}))


@dataclass(frozen=True)
class Study:
    """One table for one recipe and architecture, laid so that it is narrow."""

    first: Row
    corner: str
    """What the lines are: `Metric` or `Condition`."""
    columns: tuple[Heading, ...]
    lines: tuple[tuple[Heading, tuple[StudyCell | None, ...]], ...]
    """Cells in the order of the columns; None where the evaluator says nothing."""


@dataclass(frozen=True)
class Score:
    """One set at one place: all its training seeds under one evaluator, recipe, architecture and condition."""

    first: Row
    cell: Cell


@dataclass(frozen=True)
class Block:
    """All that one version of one evaluator says of a set."""

    first: Row
    studies: tuple[Study, ...]
    scores: tuple[Score, ...]
    """What stands in no study."""

    @property
    def varying(self) -> tuple[str, ...]:
        """The fields in which the listed scores differ; their columns."""
        found = tuple(name for name in PLACE if len({getattr(score.first, name) for score in self.scores}) > 1)
        return found or ("architecture",)


def blocks(rows: Sequence[Row]) -> tuple[Block, ...]:
    """The rows of one set by evaluator and version; those that vary nothing stand first."""
    by_evaluator = group(rows, lambda row: (row.evaluator, row.version))
    found = [_block(members) for members in by_evaluator.values()]
    return tuple(sorted(found, key=lambda block: bool(block.first.condition)))


def without_parts(rows: Sequence[Row]) -> list[Row]:
    """The rows that boards and grids are made of: ends of intervals and points of curves get no page."""
    by_evaluator = group(rows, lambda row: (row.evaluator, row.version))
    known = {key: parts({row.metric for row in members}) for key, members in by_evaluator.items()}
    return [row for row in rows if row.metric not in known[row.evaluator, row.version]]


def parts(metrics: Collection[str]) -> dict[str, str]:
    """The metrics of one evaluator that are part of a line, with the name of that line."""
    ends = {stem + end: stem for stem in metrics for end in ENDS if stem + end in metrics}
    points: dict[str, dict[int, str]] = {}
    for name in metrics:
        if found := POINT.fullmatch(name):
            points.setdefault(found[1], {})[int(found[2])] = name
    curves = {stem: by for stem, by in points.items() if stem not in metrics and len(by) > 1}
    whole = {stem: by for stem, by in curves.items() if sorted(by) == list(range(1, len(by) + 1))}
    return ends | {name: stem for stem, by in whole.items() for name in by.values()}


def _block(rows: list[Row]) -> Block:
    folded = parts({row.metric for row in rows})
    found: list[Study] = []
    listed: list[Row] = []
    for members in group(rows, lambda row: (row.recipe, row.architecture)).values():
        if _is_crossed(members, folded):
            found.append(_study(members, folded))
        else:
            listed += members
    by_place = group(sorted(listed, key=_place), _place)
    return Block(rows[0], tuple(found), tuple(Score(members[0], cell(members)) for members in by_place.values()))


def _place(row: Row) -> tuple[object, ...]:
    return (row.recipe, row.architecture, _natural(row.metric), *_by_condition(row.condition))


def _by_condition(name: str) -> tuple[object, ...]:
    return (name not in FIRST, _natural(name))


def _is_crossed(rows: Sequence[Row], folded: dict[str, str]) -> bool:
    """Whether rows make a table that is more than half full, or have parts that only a table can fold."""
    filled = {(folded.get(row.metric, row.metric), row.condition) for row in rows}
    metrics, conditions = ({place[axis] for place in filled} for axis in (0, 1))
    several = len(metrics) > 1 and len(conditions) > 1
    return (several and 2 * len(filled) > len(metrics) * len(conditions)) or any(row.metric in folded for row in rows)


def _study(rows: Sequence[Row], folded: dict[str, str]) -> Study:
    by_place = {key: cell(members) for key, members in group(rows, lambda row: (row.metric, row.condition)).items()}
    points: dict[str, list[str]] = {}
    for name in sorted({row.metric for row in rows}, key=_natural):
        if not name.endswith(ENDS) or name not in folded:
            points.setdefault(folded.get(name, name), []).append(name)
    units = {row.metric: row.unit for row in rows}
    metrics = [Heading(name, units[members[0]]) for name, members in points.items()]
    conditions = [Heading(name) for name in sorted({row.condition for row in rows}, key=_by_condition)]

    def one(metric: str, condition: str) -> StudyCell | None:
        here = [by_place[name, condition] for name in points[metric] if (name, condition) in by_place]
        ends = [by_place.get((metric + end, condition)) for end in ENDS]
        low, high = (end.interval.mean if end is not None and end.values else None for end in ends)
        return StudyCell(tuple(here), low, high) if here else None

    if _width(conditions) <= _width(metrics):
        lines = [(metric, tuple(one(metric.name, c.name) for c in conditions)) for metric in metrics]
        return Study(rows[0], "Metric", tuple(conditions), tuple(lines))
    lines = [(c, tuple(one(metric.name, c.name) for metric in metrics)) for c in conditions]
    return Study(rows[0], "Condition", tuple(metrics), tuple(lines))


def _width(headings: Sequence[Heading]) -> int:
    """Characters that columns of these headings take side by side."""
    return sum(max(len(heading.name), NUMBER) for heading in headings)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key of order under which 2 stands before 10."""
    pieces = re.split(r"([0-9]{1,18})", name)
    return tuple((int(piece), "") if at % 2 else (-1, piece) for at, piece in enumerate(pieces))
