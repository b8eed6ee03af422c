"""Boards: ranked tables, one for each dataset, size, track, recipe, evaluator version, metric and architecture.

Nothing that differs in one of these is ever ranked together. Full-data references stand beside the ranks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from benchmark.evaluator import DEFAULT_ARCHITECTURE
from benchmark.rank_intervals import Comparisons
from benchmark.statistics import difference
from leaderboard.beside import Beside, Claim, Place, Unscored, beside
from leaderboard.cells import REFERENCE, Cell, LineKey, cell, group, is_reference, line_key
from leaderboard.lines import Line, Stated, is_ranked, ordered, ranking
from leaderboard.sources import Card, Row

__all__ = [
    "Board",
    "BoardKey",
    "Line",
    "Section",
    "board_key",
    "boards",
    "lines_of",
    "marked",
    "ordered",
    "primary",
    "reference_lines",
    "seconds",
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
class Board:
    """A ranked table."""

    key: BoardKey
    unit: str
    higher_is_better: bool
    lines: tuple[Line, ...]
    """Ranked lines come before those that their state takes out of the ranking; within each the best comes first."""
    references: tuple[Line, ...]
    comparisons: Comparisons = field(repr=False)
    """All pairs of the ranked lines, in their order: one family of tests."""
    claims: tuple[Claim, ...] = ()
    """What contributors say of sets of this size and track; never ranked."""
    unscored: tuple[Unscored, ...] = ()
    """Sets of this size and track that no evaluator has scored, with the reason."""

    @property
    def ranked(self) -> tuple[Line, ...]:
        """The lines that have a rank, in the order of `comparisons`."""
        return tuple(line for line in self.lines if line.rank is not None)


def board_key(row: Row) -> BoardKey:
    """The board that a row is ranked on."""
    recipe = row.recipe.removesuffix(REFERENCE)
    return BoardKey(row.dataset, row.ipc, recipe, row.track, row.evaluator, row.version, row.metric, row.architecture)


def boards(rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None) -> list[Board]:
    """Every board of the rows that carry no condition, in a fixed order; `states`: of sets, by digest."""
    plain = [row for row in rows if not row.condition]
    ranked = group((row for row in plain if not is_reference(row)), board_key)
    references = group((row for row in plain if is_reference(row)), lambda row: _anywhere(board_key(row)))
    stated = states or {}
    listed = beside(cards, stated, {row.set for row in rows})
    found = [
        _board(key, members, references.get(_anywhere(key), []), cards, stated, listed.get(_place(key), Beside()))
        for key, members in ranked.items()
    ]
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


def lines_of(
    rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None
) -> dict[LineKey, Cell]:
    """One cell for each line of some rows; a set whose state takes it out of the ranking is a line of its own."""
    apart = {digest for digest in states or () if not is_ranked(digest, states or {})}
    return {key: cell(members) for key, members in group(rows, lambda row: line_key(row, cards, apart)).items()}


def _anywhere(key: BoardKey) -> BoardKey:
    """A key without size and track, for references stand on the boards of every size and track."""
    return key._replace(ipc=None, track="")


def _place(key: BoardKey) -> Place:
    return Place(key.dataset, key.ipc, key.track)


def _board(
    key: BoardKey,
    rows: list[Row],
    references: list[Row],
    cards: Mapping[str, Card],
    states: Mapping[str, Stated],
    others: Beside,
) -> Board:
    higher = rows[0].higher_is_better
    found = ranking(lines_of(rows, cards, states), higher, states, {})
    full = reference_lines(references, cards, higher)
    claims = tuple(claim for claim in others.claims if claim.metric == key.metric)
    lines = [replace(line, seconds=seconds(line.cell, cards)) for line in found.lines]
    lines = [*marked(lines, full)] if key.metric == "accuracy" else lines
    return Board(key, rows[0].unit, higher, tuple(lines), full, found.comparisons, claims, tuple(others.unscored))


def reference_lines(rows: Sequence[Row], cards: Mapping[str, Card], higher: bool) -> tuple[Line, ...]:
    """Full-data references, best first."""
    cells = lines_of(rows, cards)
    return tuple(Line(key, cells[key], None, reference=True, unranked="reference") for key in ordered(cells, higher))


def marked(lines: Sequence[Line], references: Sequence[Line]) -> Iterator[Line]:
    """Accuracies, each told whether it is above that of every full-data reference."""
    for line in lines:
        above = bool(references) and all(_above(line.cell, other.cell) for other in references)
        yield replace(line, above_reference=above)


def seconds(found: Cell, cards: Mapping[str, Card]) -> float:
    """Mean seconds that making a set took, over the sets whose cards say so; NaN where none does."""
    stated: list[Any] = [cards[digest].part("cost").get("seconds") for digest in found.digests if digest in cards]
    known = [float(value) for value in stated if type(value) in (int, float) and 0 <= value < 1e12]
    return math.fsum(known) / len(known) if known else math.nan


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
