"""The data that the explorer and the comparison read: every result row by columns, and every entry.

A column of text is a list of its distinct values and a code for each row, so that a search looks at each value once.
The same content lies as `.json`, and as `.js` that assigns it to a name, since pages opened from a disk may load
scripts but fetch nothing. Texts are made visible here, as everywhere; scripts put them in as text, never as markup.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.entries import Entry
from leaderboard.gallery import Gallery
from leaderboard.paths import entry_path, preview_path
from leaderboard.sources import Row
from leaderboard.text import shorten, visible
from leaderboard.wording import ABSENT

__all__ = ["COLUMNS", "FACETS", "FORMAT", "PAGE", "Column", "as_files", "entries_data", "results_data", "shown_rows"]

FORMAT = 1
"""Of data/explorer.json and data/entries.json; docs/leaderboard.md states the fields."""
PAGE = 100
"""Rows shown at a time."""
LONGEST = 120
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Column:
    """One column of the explorer."""

    name: str
    title: str
    kind: str
    """`text` or `number`."""
    shown: bool = True
    """Whether it is there before the reader chooses."""


COLUMNS = (
    Column("dataset", "Dataset", "text"),
    Column("ipc", "Per class", "number"),
    Column("bytes", "Bytes", "number", False),
    Column("track", "Labels", "text", False),
    Column("method", "Method", "text"),
    Column("set", "Set", "text"),
    Column("evaluator", "Evaluator", "text"),
    Column("version", "Version", "number", False),
    Column("recipe", "Recipe", "text", False),
    Column("architecture", "Architecture", "text"),
    Column("condition", "Condition", "text", False),
    Column("metric", "Metric", "text"),
    Column("unit", "Unit", "text", False),
    Column("distil_seed", "Distillation seed", "number", False),
    Column("seed", "Training seed", "number"),
    Column("value", "Value", "number"),
    Column("status", "Status", "text"),
    Column("reason", "Reason", "text", False),
    Column("state", "State of the set", "text", False),
)
FACETS = ("dataset", "ipc", "architecture", "evaluator", "track", "recipe", "status", "state")


def results_data(rows: Sequence[Row], states: Mapping[str, str]) -> dict[str, Any]:
    """Every row by columns: {format, n, page, facets, columns: [{name, kind, values, codes | numbers, …}]}."""
    columns = []
    for column in COLUMNS:
        told = {"name": column.name, "title": column.title, "kind": column.kind, "shown": column.shown}
        cells = [_cell(row, column.name, states) for row in rows]
        columns.append(told | (_coded(cells) if column.kind == "text" else {"numbers": cells}))
    sets = next(column for column in columns if column["name"] == "set")
    digests = list(dict.fromkeys(row.set for row in rows))
    sets["values"] = [_text(digest) for digest in digests]
    sets["codes"] = _codes([row.set for row in rows], digests)
    sets["paths"] = [None if DIGEST.fullmatch(digest) else _path(digest) for digest in digests]
    return {"format": FORMAT, "n": len(rows), "page": PAGE, "facets": list(FACETS), "columns": columns}


def shown_rows(rows: Sequence[Row], states: Mapping[str, str]) -> list[list[str]]:
    """The first page as text, in the columns that are shown at first; what stands there before any script runs."""
    shown = [column for column in COLUMNS if column.shown]
    found = []
    for row in rows[:PAGE]:
        cells = [_cell(row, column.name, states) for column in shown]
        found.append([_told(cell, column) for cell, column in zip(cells, shown, strict=True)])
    return found


def entries_data(
    entries: Sequence[Entry], galleries: Mapping[str, Gallery], states: Mapping[str, str]
) -> dict[str, Any]:
    """Every entry for the comparison: {format, entries: [{set, path, method, …, card: [[label, text]], gallery}]}."""
    found = []
    for entry in entries:
        row, gallery = entry.row, galleries.get(entry.digest)
        found.append(
            {
                "set": _text(entry.digest),
                "path": entry_path(entry.digest),
                "method": _text(", ".join(entry.methods)),
                "dataset": _text(row.dataset),
                "ipc": row.ipc,
                "bytes": row.bytes,
                "track": _text(row.track),
                "seeds": list(entry.seeds),
                "state": states.get(entry.digest, ""),
                "card": [[fact.label, shorten(str(visible(fact.text)), 400)] for fact in entry.facts],
                "preview": preview_path(entry.digest) if entry.preview else None,
                "gallery": gallery.to_json() if gallery else None,
            }
        )
    return {"format": FORMAT, "entries": found}


def as_files(name: str, variable: str, data: Mapping[str, Any]) -> dict[str, bytes]:
    """The JSON file and the script of the same content; ASCII only, so that neither can hold a stranger's character."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return {f"{name}.json": f"{text}\n".encode("ascii"), f"{name}.js": f"window.{variable}={text};\n".encode("ascii")}


def _cell(row: Row, name: str, states: Mapping[str, str]) -> Any:
    if name == "state":
        return states.get(row.set, "")
    value = getattr(row, name)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return shorten(str(visible(value)), LONGEST) if value else ""


def _told(cell: Any, column: Column) -> str:
    if cell is None:
        return ABSENT
    if column.name == "set":
        return str(cell)[:12]
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell) or ABSENT


def _coded(cells: Sequence[str]) -> dict[str, Any]:
    values = sorted(set(cells))
    return {"values": values, "codes": _codes(cells, values)}


def _codes(cells: Iterable[str], values: Sequence[str]) -> list[int]:
    place = {value: code for code, value in enumerate(values)}
    return [place[cell] for cell in cells]


def _path(digest: str) -> str | None:
    return entry_path(digest) if digest else None
