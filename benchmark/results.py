"""Result rows: one score of one evaluator for one seed, and the tables that hold them.

Results are derived from outcomes at any time; nothing here is the only copy of anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark._seal import unsealed
from benchmark.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "MEASUREMENT",
    "ORDER",
    "Score",
    "frame",
    "in_bytes",
    "merged",
    "row",
    "rows_of",
    "to_csv",
    "write_tables",
]

COLUMNS: dict[str, str] = {
    "dataset": "string",
    "ipc": "Int64",
    "bytes": "Int64",
    "track": "string",
    "method": "string",
    "set": "string",
    "evaluator": "string",
    "version": "Int64",
    "recipe": "string",
    "architecture": "string",
    "condition": "string",
    "metric": "string",
    "unit": "string",
    "higher_is_better": "boolean",
    "seed": "Int64",
    "distil_seed": "Int64",
    "value": "float64",
    "status": "string",
    "numerics": "string",
    "device": "string",
}
"""Columns of every result table, in order, with their pandas types."""

_PLAIN: dict[str, tuple[type, ...]] = {
    "string": (str, type(None)),
    "Int64": (int, type(None)),
    "boolean": (bool,),
    "float64": (int, float, type(None)),
}
"""What JSON may hold in a column of each pandas type."""
MEASUREMENT = [name for name in COLUMNS if name not in ("value", "status", "numerics", "device")]
"""Rows that agree in these columns are the same measurement."""
ORDER = [name for name in COLUMNS if name not in ("value", "numerics", "device")]
"""Columns by which a table is sorted; the first sorts first, and what is absent before all."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that begins so would run as a formula in a spreadsheet."""


@dataclass(frozen=True)
class Score:
    """What an evaluator returns: one number of one seed. The runner adds what it knows of the subject."""

    metric: str
    value: float | None
    """None unless the status is `ok`."""
    unit: str
    higher_is_better: bool
    architecture: str
    seed: int | None
    condition: str = ""
    """What was varied, e.g. an augmentation's name; for a status other than `ok`, the reason stands here too."""
    status: str = "ok"
    recipe: str = ""
    """Empty: the subject's."""
    numerics: str = ""
    device: str = ""


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of result rows in the columns' order and types, sorted by every column but the value."""
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(COLUMNS)
    return table.sort_values(ORDER, kind="stable", na_position="first").reset_index(drop=True)


def merged(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one row for each measurement, since two requests may ask for the same one.

    Of several the first that is `ok` stays, by numerics and device. Takes and returns the order of `frame`.
    """
    ranked = table.assign(not_ok=table["status"].ne("ok"), position=range(len(table)))
    ranked = ranked.sort_values(["not_ok", "numerics", "device"], kind="stable", na_position="first")
    kept = ranked.drop_duplicates(MEASUREMENT).sort_values("position")
    return kept[list(COLUMNS)].reset_index(drop=True)


def row(subject: Mapping[str, Any], score: Score) -> dict[str, Any]:
    """Join what the runner knows with what the evaluator found."""
    found = asdict(score)
    found["recipe"] = score.recipe or subject["recipe"]
    return {name: found[name] if name in found else subject[name] for name in COLUMNS}


def to_csv(table: pd.DataFrame) -> str:
    """The table as CSV; a text cell that a spreadsheet would run gets a leading apostrophe.

    A lone carriage return, which the writer does not quote, would end its row: it becomes a line end, which it quotes.
    """
    guarded = table.copy()
    for name, kind in COLUMNS.items():
        if kind == "string":
            text = guarded[name].fillna("")
            text = text.where(~text.str.startswith(FORMULA), "'" + text)
            guarded[name] = text.str.replace("\r(?!\n)", "\r\n", regex=True)
    return guarded.to_csv(index=False, lineterminator="\n")


def in_bytes(table: pd.DataFrame) -> tuple[bytes, bytes]:
    """The content of results.parquet and of results.csv; the same rows give the same bytes."""
    import io

    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue(), to_csv(table).encode()


def write_tables(table: pd.DataFrame, root: Path, staging: Path) -> tuple[Path, Path]:
    """Write results.parquet and results.csv under `root`, replacing older ones whole."""
    from benchmark.durable import write_replacing

    places = root / "results.parquet", root / "results.csv"
    for place, content in zip(places, in_bytes(table), strict=True):
        write_replacing(place, content, staging)
    return places


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The rows of one stored results file; raises InvalidInput where it holds something else."""
    try:
        stored = unsealed(json.loads(file.read_text(encoding="utf-8")))
        rows: list[dict[str, Any]] = stored["rows"]
        wrong = [name for row in rows for name, kind in COLUMNS.items() if type(row[name]) not in _PLAIN[kind]]
        if wrong or any(len(row) != len(COLUMNS) for row in rows):
            raise ValueError(f"column {wrong[0]!r} has another type" if wrong else "it has columns of another version")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidInput) as fault:
        raise InvalidInput(
            f"{file} holds no result rows ({str(fault)[:100]}). Fix: delete it, and evaluate its set again."
        ) from fault
    return rows
