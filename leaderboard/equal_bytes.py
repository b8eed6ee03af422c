"""Equal-bytes boards: whatever fits a fixed number of bytes, ranked together whatever its images per class.

Budgets are the bytes of real images at 1, 10 and 50 per class. A set stands on every budget that it fits. Of one
method the largest size that fits is ranked, and the smaller ones stand unranked: a rule that looks at no score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmark.rank_intervals import Comparisons
from leaderboard.boards import BoardKey, board_key, marked, reference_lines, seconds, sort_key
from leaderboard.cells import Cell, LineKey, cell, group, is_reference, line_key
from leaderboard.facts import Budget, budgets
from leaderboard.lines import Line, Stated, is_ranked, ranking
from leaderboard.sources import Card, Row

__all__ = ["METRIC", "SMALLER", "EqualBytes", "equal_bytes", "lines_by_size"]

METRIC = "accuracy"
"""Boards of equal bytes are of this metric alone."""
SMALLER = "a larger set of this method fits"
"""Why a line is not ranked on a budget."""


@dataclass(frozen=True)
class EqualBytes:
    """A table ranked at a number of bytes."""

    key: BoardKey
    """Without images per class."""
    budget: Budget
    unit: str
    higher_is_better: bool
    lines: tuple[Line, ...]
    """Best first."""
    references: tuple[Line, ...]
    comparisons: Comparisons = field(repr=False)
    """Of the ranked lines, in their order."""
    ipcs: Mapping[LineKey, int | None]
    """Images per class of each line."""

    @property
    def ranked(self) -> tuple[Line, ...]:
        """The lines that have a rank, in the order of `comparisons`."""
        return tuple(line for line in self.lines if line.rank is not None)


def equal_bytes(
    rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None
) -> list[EqualBytes]:
    """One board for each budget that two lines or more fit, of every place where accuracy was measured plainly."""
    plain = [row for row in rows if not row.condition and row.metric == METRIC and row.unit == "percent"]
    ranked = group((row for row in plain if not is_reference(row)), lambda row: board_key(row)._replace(ipc=None))
    full = group((row for row in plain if is_reference(row)), lambda row: board_key(row)._replace(ipc=None, track=""))
    found = []
    for key in sorted(ranked, key=sort_key):
        cells, ipcs = lines_by_size(ranked[key], cards, states or {})
        beside = reference_lines(full.get(key._replace(track=""), []), cards, True)
        for budget in budgets(key.dataset):
            fitting = {name: one for name, one in cells.items() if name.bytes and name.bytes <= budget.bytes}
            if len(fitting) > 1:
                order = ranking(fitting, True, states or {}, _smaller(fitting))
                told = [replace(line, seconds=seconds(line.cell, cards)) for line in order.lines]
                lines = tuple(marked(told, beside))
                sizes = {line: ipcs[line] for line in fitting}
                found.append(EqualBytes(key, budget, "percent", True, lines, beside, order.comparisons, sizes))
    return found


def lines_by_size(
    rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated]
) -> tuple[dict[LineKey, Cell], dict[LineKey, int | None]]:
    """Cells of all sizes, and the images per class of each; one size of one method is one line."""
    apart = {digest for digest in states if not is_ranked(digest, states)}
    cells: dict[LineKey, Cell] = {}
    ipcs: dict[LineKey, int | None] = {}
    for (key, ipc), members in group(rows, lambda row: (line_key(row, cards, apart), row.ipc)).items():
        name = key if key not in cells else key._replace(digest=min(row.set for row in members))
        cells[name], ipcs[name] = cell(members), ipc
    return cells, ipcs


def _smaller(cells: Mapping[LineKey, Cell]) -> dict[LineKey, str]:
    """The lines that give way to a larger one of the same method."""
    largest: dict[LineKey, int] = {}
    for key, found in cells.items():
        if not key.digest and found.sets:
            method = key._replace(bytes=None)
            largest[method] = max(largest.get(method, 0), key.bytes or 0)
    return {key: SMALLER for key in cells if (key.bytes or 0) < largest.get(key._replace(bytes=None), 0)}
