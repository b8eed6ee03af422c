"""Grids: methods against architectures, and methods against the conditions that an evaluator varies.

A grid of conditions with one named `none` also holds each condition's difference from it, paired by set and training
seed, for pairs share what the seed draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.evaluator import DEFAULT_ARCHITECTURE
from benchmark.statistics import Difference, kendall_w
from leaderboard.boards import BoardKey, board_key, lines_of, ordered, sort_key
from leaderboard.cells import Cell, LineKey, delta, group, is_reference
from leaderboard.lines import Stated, is_ranked
from leaderboard.sources import Card, Row

__all__ = ["BASELINE", "Grid", "GridLine", "condition_grids", "transfer_grids"]

BASELINE = "none"
"""The condition that the others are compared with."""


@dataclass(frozen=True)
class GridLine:
    """One method's cells, in the order of the grid's columns; None where nothing was run."""

    key: LineKey
    cells: tuple[Cell | None, ...]
    deltas: tuple[Difference | None, ...]
    """Cell minus the cell of `BASELINE`; None for that column itself and where there are no pairs."""
    reference: bool


@dataclass(frozen=True)
class Grid:
    """A table of methods by columns. The key's architecture is empty where the columns are architectures."""

    key: BoardKey
    unit: str
    columns: tuple[str, ...]
    lines: tuple[GridLine, ...]

    @property
    def concordance(self) -> float | None:
        """Kendall's W of the order of the methods that stand in every column; None of fewer than three or two columns.

        A column in which all are equal orders nothing: what stands beside every method, say. Differences have no common
        order: of one the higher may be the better, of another the lower.
        """
        if self.unit == "percentage points":
            return None
        ranked = [line.cells for line in self.lines if not line.reference]
        whole = [[found.interval.mean for found in cells if found and found.sets] for cells in ranked]
        whole = [means for means in whole if len(means) == len(self.columns)]
        columns = [means for means in zip(*whole, strict=True) if len(set(means)) > 1]
        return kendall_w(columns) if len(whole) > 2 and len(columns) > 1 else None

    @property
    def has_baseline(self) -> bool:
        return BASELINE in self.columns and len(self.columns) > 1


def transfer_grids(
    rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None
) -> list[Grid]:
    """Methods by architectures, wherever more than one was tried; of sets whose state lets them be ranked."""
    plain = [row for row in rows if not row.condition and is_ranked(row.set, states or {})]
    return _grids(plain, cards, lambda row: row.architecture, lambda key: key._replace(architecture=""))


def condition_grids(
    rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None
) -> list[Grid]:
    """Methods by conditions, of every evaluator that varies something; of sets whose state lets them be ranked.

    Metrics under one condition beside others under several stand on the pages of the sets.
    """
    named = group((row for row in rows if row.condition and is_ranked(row.set, states or {})), board_key)
    wide = {key for key, members in named.items() if len({row.condition for row in members}) > 1}
    varying = {key._replace(metric="") for key in wide}
    kept = [key for key in named if key in wide or key._replace(metric="") not in varying]
    return _grids([row for key in kept for row in named[key]], cards, lambda row: row.condition, lambda key: key)


def _grids(
    rows: list[Row], cards: Mapping[str, Card], column: Callable[[Row], str], widen: Callable[[BoardKey], BoardKey]
) -> list[Grid]:
    by_key = group((row for row in rows if not is_reference(row)), lambda row: widen(board_key(row)))
    references = group((row for row in rows if is_reference(row)), lambda row: _anywhere(widen(board_key(row))))
    grids = [_grid(key, members, references.get(_anywhere(key), []), cards, column) for key, members in by_key.items()]
    wide = [grid for grid in grids if len(grid.columns) > 1 or grid.key.architecture]
    return sorted(wide, key=lambda grid: sort_key(grid.key))


def _anywhere(key: BoardKey) -> BoardKey:
    return key._replace(ipc=None, track="")


def _grid(
    key: BoardKey, rows: list[Row], references: list[Row], cards: Mapping[str, Card], column: Callable[[Row], str]
) -> Grid:
    by_column = {name: lines_of(members, cards) for name, members in group(rows, column).items()}

    def position(name: str) -> tuple[object, ...]:
        with_value = sum(bool(found.sets) for found in by_column[name].values())
        return (name != BASELINE, -with_value, name != DEFAULT_ARCHITECTURE, name)

    columns = sorted(by_column, key=position)
    beside = {name: lines_of(members, cards) for name, members in group(references, column).items()}
    ranked = _lines(by_column, columns, rows[0].higher_is_better, False)
    others = _lines(beside, columns, rows[0].higher_is_better, True)
    return Grid(key, rows[0].unit, tuple(columns), (*ranked, *others))


def _lines(
    by_column: Mapping[str, Mapping[LineKey, Cell]], columns: Sequence[str], higher: bool, reference: bool
) -> tuple[GridLine, ...]:
    """Lines in the order of the first column in which each stands."""
    first: dict[LineKey, Cell] = {}
    order: list[LineKey] = []
    for name in columns:
        new = {key: found for key, found in by_column.get(name, {}).items() if key not in first}
        order += ordered(new, higher)
        first.update(new)
    found = []
    for key in order:
        cells = tuple(by_column.get(name, {}).get(key) for name in columns)
        found.append(GridLine(key, cells, _deltas(cells, columns), reference))
    return tuple(found)


def _deltas(cells: Sequence[Cell | None], columns: Sequence[str]) -> tuple[Difference | None, ...]:
    plain = cells[columns.index(BASELINE)] if BASELINE in columns else None
    if plain is None:
        return tuple(None for _ in cells)
    return tuple(None if found is None or found is plain else delta(found, plain) for found in cells)
