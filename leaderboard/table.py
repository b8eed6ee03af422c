"""The boards as one small table of text, for a terminal: methods by sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from leaderboard.boards import Board, Line, boards
from leaderboard.cells import Cell
from leaderboard.sources import rows_of
from leaderboard.studies import without_parts
from leaderboard.text import shorten, visible

__all__ = ["board_table"]

METRIC = "accuracy"
SHARED = ("dataset", "recipe", "track", "evaluator", "architecture", "metric")


def board_table(results: pd.DataFrame) -> pd.DataFrame:
    """Methods by images per class, each `mean ± SD (n)`, best at the largest size first.

    n counts sets where a method has several, else training seeds. Boards of other metrics than accuracy are shown only
    where there is none of it. Columns that are the same everywhere are left out;
    full-data references stand last in each block, with the same number under every size.
    """
    found = boards(without_parts(rows_of(results)), {})
    found = [board for board in found if board.key.metric == METRIC] or found
    sizes = sorted({board.key.ipc for board in found}, key=lambda ipc: (ipc is None, ipc or 0))
    blocks: dict[tuple[str, ...], dict[int | None, Board]] = {}
    for board in found:
        blocks.setdefault(tuple(getattr(board.key, name) for name in SHARED), {})[board.key.ipc] = board
    records = [record for shared, by_size in blocks.items() for record in _records(shared, by_size, sizes)]
    table = pd.DataFrame(records, columns=[*SHARED, "method", *(_heading(size) for size in sizes)])
    constant = [name for name in SHARED if table[name].nunique() <= 1 and name not in ("dataset", "recipe")]
    return table.drop(columns=constant)


def _records(
    shared: tuple[str, ...], by_size: dict[int | None, Board], sizes: list[int | None]
) -> list[dict[str, object]]:
    ranked = {size: _numbered(board.lines) for size, board in by_size.items()}
    beside = {size: _numbered(board.references) for size, board in by_size.items()}
    head = {name: _plain(text) for name, text in zip(SHARED, shared, strict=True)}
    records: list[dict[str, object]] = []
    for lines in (ranked, beside):
        names = dict.fromkeys(name for size in reversed(sizes) for name in lines.get(size, {}))
        for name in names:
            cells = {_heading(size): _cell(lines.get(size, {}).get(name)) for size in sizes}
            records.append({**head, "method": _plain(name[0]) + (f" #{name[1]}" if name[1] > 1 else ""), **cells})
    return records


def _numbered(lines: Sequence[Line]) -> dict[tuple[str, int], Cell]:
    """Cells by method and place among the lines of that method: a method may stand on a board several times."""
    seen: Counter[str] = Counter()
    found = {}
    for line in lines:
        seen[line.key.method] += 1
        found[line.key.method, seen[line.key.method]] = line.cell
    return found


def _cell(found: Cell | None) -> str:
    if found is None:
        return ""
    interval = found.interval
    if not interval.n:
        return " ".join(found.counts)
    spread = f" ± {interval.sd:.1f}" if interval.n > 1 else ""
    return f"{interval.mean:.1f}{spread} ({interval.n} {found.over if interval.n > 1 else found.over[:-1]})"


def _heading(size: int | None) -> str:
    return "whole dataset" if size is None else f"{size} per class"


def _plain(text: str) -> str:
    """Text that cannot steer the terminal."""
    return shorten(str(visible(text)), 40)
