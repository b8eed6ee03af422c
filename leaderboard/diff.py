"""What a change of results or of rules does to the ranks: two stores or built sites, board by board.

A site holds the ranks that its own version of the rules gave (data/boards.json), so that an old site beside a store
tells what new rules do to the same results. Evaluators are compared in their newest version on either side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import UsageError
from leaderboard.boards import BoardKey, boards, sort_key
from leaderboard.cells import LineKey
from leaderboard.files import MANIFEST
from leaderboard.sources import read, rows_of
from leaderboard.standings import Place, Table, newest, read_tables, tables
from leaderboard.studies import without_parts
from leaderboard.text import shorten, visible
from leaderboard.wording import ABSENT, details, digits, number, per_class

__all__ = ["BoardChange", "LineChange", "as_json", "differences", "load", "told"]

KINDS = ("added", "removed", "moved", "changed")


class LineChange(NamedTuple):
    """One line of a board whose place or numbers are not what they were."""

    kind: str
    """`added`, `removed`, `moved` (another rank or rank interval) or `changed` (other numbers alone)."""
    line: LineKey
    before: Place | None
    after: Place | None


@dataclass(frozen=True)
class BoardChange:
    """A board with at least one such line."""

    key: BoardKey
    """Without a version."""
    kind: str
    """`added`, `removed` or `changed`: the board itself."""
    unit: str
    lines: tuple[LineChange, ...]


def load(place: Path) -> dict[BoardKey, Table]:
    """The boards of a store or a built site; raises UsageError for another folder, InvalidInput for a broken one."""
    if (place / MANIFEST).is_file():
        return read_tables(place / "data" / "boards.json")
    if not (place / "results.parquet").is_file():
        raise UsageError(f"{place} is neither a built site nor a store with results.parquet. Name one of these.")
    source = read([place])
    return tables(boards(without_parts(rows_of(source.results)), source.cards, source.states))


def differences(
    old: Mapping[BoardKey, Table], new: Mapping[BoardKey, Table], recipes: tuple[str, str] | None = None
) -> list[BoardChange]:
    """Boards that differ, in the order of the site; with `recipes` those of the first beside those of the second."""
    before, after = newest(old), newest(new)
    if recipes:
        name = " -> ".join(recipes)
        before, after = (
            {key._replace(recipe=name): table for key, table in found.items() if key.recipe == recipe}
            for found, recipe in ((before, recipes[0]), (after, recipes[1]))
        )
    keys = sorted({*before, *after}, key=sort_key)
    found = [_change(key, before.get(key), after.get(key)) for key in keys]
    return [change for change in found if change.lines]


def told(changes: Sequence[BoardChange]) -> str:
    """The changes as lines of text for a terminal."""
    if not changes:
        return "no rank, mean or interval differs"
    lines = []
    for change in changes:
        key = change.key
        names = (key.dataset, per_class(key.ipc), key.architecture, key.recipe, key.track, key.evaluator, key.metric)
        state = "" if change.kind == "changed" else f" (board {change.kind})"
        lines.append(f"{', '.join(_plain(name) for name in names)}{state}")
        lines += [f"  {_line(one, digits(change.unit))}" for one in change.lines]
    counts = {kind: sum(one.kind == kind for change in changes for one in change.lines) for kind in KINDS}
    whole = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    return "\n".join([*lines, f"{len(changes)} boards differ; lines: {whole}"])


def as_json(changes: Sequence[BoardChange]) -> list[dict[str, Any]]:
    """The changes as plain values."""
    return [
        {
            **change.key._asdict(),
            "board": change.kind,
            "unit": change.unit,
            "lines": [
                {
                    "kind": one.kind,
                    **one.line._asdict(),
                    "before": one.before._asdict() if one.before else None,
                    "after": one.after._asdict() if one.after else None,
                }
                for one in change.lines
            ],
        }
        for change in changes
    ]


def _change(key: BoardKey, old: Table | None, new: Table | None) -> BoardChange:
    unit = next(table.unit for table in (new, old) if table)
    kind = "added" if old is None else "removed" if new is None else "changed"
    before, after = (table.lines if table else {} for table in (old, new))
    names = [*after, *(name for name in before if name not in after)]
    found = [_compared(name, before.get(name), after.get(name)) for name in names]
    return BoardChange(key, kind, unit, tuple(one for one in found if one))


def _compared(name: LineKey, old: Place | None, new: Place | None) -> LineChange | None:
    if old is None or new is None:
        return LineChange("added" if old is None else "removed", name, old, new)
    if (old.rank, old.ranks) != (new.rank, new.ranks):
        return LineChange("moved", name, old, new)
    return None if old == new else LineChange("changed", name, old, new)


def _line(one: LineChange, places: int) -> str:
    name = _plain(", ".join(filter(None, (one.line.method, *details(one.line), one.line.digest[:8]))))
    sides = [_side(place, places) for place in (one.before, one.after) if place]
    return f"{one.kind:<8} {name}: {' -> '.join(sides)}"


def _side(place: Place, places: int) -> str:
    rank = "unranked" if place.rank is None else f"rank {place.rank}"
    if place.ranks and place.ranks[0] != place.ranks[1]:
        rank += f" ({place.ranks[0]} to {place.ranks[1]})"
    ends = ABSENT if place.low is None else f"{number(place.low, places)} to {number(place.high, places)}"
    return f"{rank}, {number(place.mean, places)} ({ends})"


def _plain(text: str) -> str:
    """Text that cannot steer the terminal."""
    return shorten(str(visible(text)), 80)
