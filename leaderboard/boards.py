"""Boards: ranked tables, one for each dataset, size, track, recipe, evaluator version, metric and architecture.

Nothing that differs in one of these is ever ranked together. Full-data references stand beside the ranks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.evaluator import DEFAULT_ARCHITECTURE
from benchmark.statistics import difference
from leaderboard.cells import CONTROLS, REFERENCE, Cell, LineKey, cell, group, is_reference, line_key
from leaderboard.sources import Card, Row

__all__ = [
    "Board",
    "BoardKey",
    "Line",
    "Section",
    "board_key",
    "boards",
    "lines_of",
    "ordered",
    "primary",
    "sections",
    "sort_key",
]

TRACKS = ("hard", "soft", "teacher")


class Section(NamedTuple):
    """What the front page shows as one small table."""

    dataset: str
    ipc: int | None
    recipe: str
    track: str


class BoardKey(NamedTuple):
    """What all rows of one board share."""

    dataset: str
    ipc: int | None
    recipe: str
    track: str
    evaluator: str
    version: int | None
    metric: str
    architecture: str

    @property
    def section(self) -> Section:
        return Section(self.dataset, self.ipc, self.recipe, self.track)


@dataclass(frozen=True)
class Line:
    """One method on a board."""

    key: LineKey
    cell: Cell
    rank: int | None
    """1 is best; equal means share one. None for references, controls and lines without a value."""
    reference: bool = False
    above_reference: bool = False
    """Whether its accuracy is above that of the full data: its set may hold test images, or the reference is weak."""


@dataclass(frozen=True)
class Board:
    """A ranked table."""

    key: BoardKey
    unit: str
    higher_is_better: bool
    lines: tuple[Line, ...]
    """Best first; those without a value last."""
    references: tuple[Line, ...]


def board_key(row: Row) -> BoardKey:
    """The board that a row is ranked on."""
    recipe = row.recipe.removesuffix(REFERENCE)
    return BoardKey(row.dataset, row.ipc, recipe, row.track, row.evaluator, row.version, row.metric, row.architecture)


def boards(rows: Sequence[Row], cards: Mapping[str, Card]) -> list[Board]:
    """Every board of the rows that carry no condition, in a fixed order."""
    plain = [row for row in rows if not row.condition]
    ranked = group((row for row in plain if not is_reference(row)), board_key)
    references = group((row for row in plain if is_reference(row)), lambda row: _anywhere(board_key(row)))
    found = [_board(key, ranked[key], references.get(_anywhere(key), []), cards) for key in ranked]
    return sorted(found, key=lambda board: sort_key(board.key))


def sort_key(key: tuple[object, ...]) -> tuple[object, ...]:
    """Order of keys that start as a Section does: small sizes first, tracks in their order, names by alphabet."""
    parts = list(key)
    parts[3] = TRACKS.index(parts[3]) if parts[3] in TRACKS else len(TRACKS)
    return tuple((part is None, str(type(part)), part if part is not None else 0) for part in [*parts, key[3]])


def sections(found: Sequence[Board]) -> dict[Section, list[Board]]:
    """Boards by section, in order; the board to be shown first stands first."""
    by_section: dict[Section, list[Board]] = defaultdict(list)
    for board in found:
        by_section[board.key.section].append(board)
    return {section: sorted(members, key=_prominence) for section, members in by_section.items()}


def primary(found: Sequence[Board]) -> list[Board]:
    """The board of each section that is shown first: that of most methods."""
    return [members[0] for members in sections(found).values()]


def ordered(lines: Mapping[LineKey, Cell], higher_is_better: bool) -> list[LineKey]:
    """Keys of lines, best mean first, without a value last; ties by name."""

    def position(key: LineKey) -> tuple[object, ...]:
        mean = lines[key].interval.mean
        sign = -1 if higher_is_better else 1
        return (math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean, _names(key))

    return sorted(lines, key=position)


def lines_of(rows: Sequence[Row], cards: Mapping[str, Card]) -> dict[LineKey, Cell]:
    """One cell for each line of some rows."""
    return {key: cell(members) for key, members in group(rows, lambda row: line_key(row, cards)).items()}


def _anywhere(key: BoardKey) -> BoardKey:
    """A key without size and track, for references stand on the boards of every size and track."""
    return key._replace(ipc=None, track="")


def _board(key: BoardKey, rows: list[Row], references: list[Row], cards: Mapping[str, Card]) -> Board:
    higher = rows[0].higher_is_better
    cells, beside = lines_of(rows, cards), lines_of(references, cards)
    means = [found.interval.mean for name, found in cells.items() if name.method not in CONTROLS]

    def rank(name: LineKey) -> int | None:
        mean = cells[name].interval.mean
        if math.isnan(mean) or name.method in CONTROLS:
            return None
        return 1 + sum(other > mean if higher else other < mean for other in means)

    def above(found: Cell) -> bool:
        return key.metric == "accuracy" and bool(beside) and all(_above(found, other) for other in beside.values())

    lines = [Line(name, cells[name], rank(name), above_reference=above(cells[name])) for name in ordered(cells, higher)]
    others = [Line(name, beside[name], None, reference=True) for name in ordered(beside, higher)]
    return Board(key, rows[0].unit, higher, tuple(lines), tuple(others))


def _above(first: Cell, second: Cell) -> bool:
    """Whether a mean is above another: by its interval where there are enough values, else as it is."""
    if not first.sets or not second.sets:
        return False
    found = difference(first.units, second.units)
    return found.mean > 0 and not found.low <= 0


def _prominence(board: Board) -> tuple[object, ...]:
    """Most methods with a value first; then the architecture that methods usually distil with; then the newest."""
    with_value = sum(bool(line.cell.sets) for line in board.lines)
    is_default = board.key.architecture == DEFAULT_ARCHITECTURE
    return (-with_value, not is_default, -(board.key.version or 0), sort_key(board.key))


def _names(key: LineKey) -> tuple[str, ...]:
    return tuple(str(part) for part in key)
