"""Every board as plain records, for machines and for comparison: data/boards.json of a site."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import InvalidInput
from leaderboard.boards import Board, BoardKey, Line
from leaderboard.cells import LineKey

__all__ = ["FORMAT", "Place", "Table", "as_json", "newest", "read_tables", "tables"]

FORMAT = 1
"""Of data/boards.json; docs/leaderboard.md states the fields."""
LIMIT = 256 * 2**20


class Place(NamedTuple):
    """One line of a board, in numbers."""

    rank: int | None
    """None where it has none."""
    ranks: tuple[int, int] | None
    """First and last rank that the tests leave open."""
    mean: float | None
    low: float | None
    high: float | None
    sd: float | None
    n: int
    over: str
    reference: bool
    state: str


class Table(NamedTuple):
    """One board, in numbers."""

    unit: str
    higher_is_better: bool
    lines: Mapping[LineKey, Place]


def tables(boards: Iterable[Board]) -> dict[BoardKey, Table]:
    """Boards by key; lines in the order of the page."""
    return {
        board.key: Table(
            board.unit,
            board.higher_is_better,
            {line.key: _place(line) for line in (*board.lines, *board.references)},
        )
        for board in boards
    }


def as_json(found: Mapping[BoardKey, Table]) -> bytes:
    """The file's content: {format, boards: [{dataset, …, lines: [{method, …, rank, …}]}]}; null is what is absent."""
    told = [
        {
            **key._asdict(),
            "unit": table.unit,
            "higher_is_better": table.higher_is_better,
            "lines": [{**line._asdict(), **place._asdict()} for line, place in table.lines.items()],
        }
        for key, table in found.items()
    ]
    body = ",\n".join(json.dumps(one, allow_nan=False) for one in told)
    return f'{{"format": {FORMAT}, "boards": [\n{body}\n]}}\n'.encode("ascii")


def read_tables(file: Path) -> dict[BoardKey, Table]:
    """What `as_json` wrote; raises InvalidInput where the file holds something else."""
    try:
        if file.stat().st_size > LIMIT:
            raise ValueError("it is too large")
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is {stored['format']!r}, this version reads {FORMAT}")
        return {_read(BoardKey, one): _table(one) for one in stored["boards"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise InvalidInput(f"{file} holds no boards ({str(fault)[:100]}). Fix: build that site again.") from fault


def _table(stored: Mapping[str, Any]) -> Table:
    lines = {_read(LineKey, one): _read(Place, one) for one in stored["lines"]}
    pairs = {key: place._replace(ranks=tuple(place.ranks) if place.ranks else None) for key, place in lines.items()}
    return Table(str(stored["unit"]), bool(stored["higher_is_better"]), pairs)


def _read(kind: Any, stored: Mapping[str, Any]) -> Any:
    return kind(*(stored[name] for name in kind._fields))


def _place(line: Line) -> Place:
    found = line.cell.interval
    numbers = [_number(value) for value in (found.mean, found.low, found.high, found.sd)]
    mean, low, high, sd = numbers
    return Place(line.rank, line.ranks, mean, low, high, sd, found.n, line.cell.over, line.reference, line.state)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def newest(found: Mapping[BoardKey, Table]) -> dict[BoardKey, Table]:
    """Of each board the newest version of its evaluator, under a key that names no version."""
    order: Sequence[BoardKey] = sorted(found, key=lambda key: key.version or 0)
    return {key._replace(version=None): found[key] for key in order}
