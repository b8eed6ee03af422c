"""Agreements: whether the order of the methods on one task stays the same over architectures and recipes.

Only methods that stand ranked in every column count. Beside Kendall's W stand the two columns that agree least, and of
each method its median and its worst cell: a method that shines on one architecture alone shows it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmark.agreement import Agreement, agreement
from leaderboard.boards import Board, BoardKey, sort_key
from leaderboard.cells import LineKey, group
from leaderboard.equal_bytes import METRIC

__all__ = ["FULL", "LITE", "Agreed", "MethodCells", "agreements"]

LITE, FULL = "standard-v1-lite", "standard-v1"


@dataclass(frozen=True)
class MethodCells:
    """One method over the columns."""

    key: LineKey
    means: tuple[float, ...]
    """In the order of the columns."""
    median: float
    worst: float
    worst_column: str


@dataclass(frozen=True)
class Agreed:
    """One table of methods by columns, and how far the columns agree on the methods' order."""

    what: str
    """`architectures`, `recipes`, `lite and full`, or `recipes and architectures`."""
    key: BoardKey
    """What all columns share; what varies is empty."""
    unit: str
    columns: tuple[str, ...]
    methods: tuple[MethodCells, ...]
    """Best median first."""
    found: Agreement
    least: tuple[str, str]
    """The two columns that agree least."""


def agreements(found: Sequence[Board]) -> list[Agreed]:
    """Every agreement on accuracy that three methods and two columns or more allow."""
    plain = [board for board in found if board.key.metric == METRIC]
    lite_and_full = [board for board in plain if board.key.recipe in (LITE, FULL)]
    whole = [
        *_tables("architectures", plain, ("architecture",)),
        *_tables("recipes", plain, ("recipe",)),
        *_tables("lite and full", lite_and_full, ("recipe",)),
        *_tables("recipes and architectures", plain, ("recipe", "architecture")),
    ]
    return [one for one in whole if one is not None]


def _tables(what: str, boards: Sequence[Board], varying: Sequence[str]) -> Iterator[Agreed | None]:
    """One table for each key without the fields that vary; all of these must."""
    blank: dict[str, Any] = dict.fromkeys(varying, "")
    by_key = group(boards, lambda board: board.key._replace(**blank))
    for key in sorted(by_key, key=sort_key):
        members = by_key[key]
        if all(len({getattr(board.key, name) for board in members}) > 1 for name in varying):
            columns = {", ".join(getattr(board.key, name) for name in varying): board for board in members}
            yield _agreed(what, key, columns)


def _agreed(what: str, key: BoardKey, columns: Mapping[str, Board]) -> Agreed | None:
    means = {name: {line.key: line.cell.interval.mean for line in board.ranked} for name, board in columns.items()}
    names = tuple(means)
    shared = [line for line in means[names[0]] if all(line in column for column in means.values())]
    higher = {board.higher_is_better for board in columns.values()}
    found = agreement([[column[line] for line in shared] for column in means.values()])
    if found is None or higher != {True}:
        return None
    methods = [_method(line, names, [column[line] for column in means.values()]) for line in shared]
    methods.sort(key=lambda one: -one.median)
    unit = next(iter(columns.values())).unit
    least = (names[found.pair[0]], names[found.pair[1]])
    return Agreed(what, key, unit, names, tuple(methods), found, least)


def _method(key: LineKey, names: Sequence[str], means: Sequence[float]) -> MethodCells:
    worst = min(range(len(means)), key=lambda k: means[k])
    return MethodCells(key, tuple(means), median(means), means[worst], names[worst])
