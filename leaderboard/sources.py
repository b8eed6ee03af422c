"""Reads what the site is made of: the result table, and each set's card and preview, from one store or several.

Only this module and `records`, which it calls, open files of a store. What they read comes from strangers, so nothing
they find is trusted: a digest that is not one never becomes a path, and what cannot be read is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmark.errors import InvalidInput
from benchmark.results import COLUMNS, frame
from benchmark.store import Store
from leaderboard.records import Scan, Standing, png_of, read_bounded, read_scans, read_states

__all__ = ["Card", "Preview", "Row", "Source", "read", "rows_of"]

DIGEST = re.compile(r"[0-9a-f]{64}")
CARD_LIMIT = 64 * 2**10
PREVIEW_LIMIT = 4 * 2**20
"""Bytes that are read of a card and of a picture."""
LARGEST = 1e30
"""Of a value: far beyond all that is measured, and what can still be drawn and averaged."""
MEASUREMENT = [name for name in COLUMNS if name not in ("value", "status", "numerics", "device")]
"""Rows that agree in these columns are the same measurement."""


class Row(NamedTuple):
    """One result row; fields as in docs/results.md. Absent numbers are None, absent text is empty."""

    dataset: str
    ipc: int | None
    bytes: int | None
    track: str
    method: str
    set: str
    evaluator: str
    version: int | None
    recipe: str
    architecture: str
    condition: str
    metric: str
    unit: str
    higher_is_better: bool
    seed: int | None
    distil_seed: int | None
    value: float
    """NaN unless the status is `ok`."""
    status: str
    numerics: str
    device: str
    reason: str = ""
    """Why a row is not `ok`; the table holds it behind the condition."""
    distil_seeds: tuple[int, ...] = ()
    """Every distillation seed that gave this very set: a baseline that draws nothing gives one set for all."""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


@dataclass(frozen=True)
class Card:
    """The fields of a card.json as they were read, of whatever type."""

    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A field as text; empty where it is absent, JSON where it is no text."""
        value = self.fields.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)

    def part(self, name: str) -> Mapping[str, Any]:
        """A field that should be an object; empty where it is not."""
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Preview:
    """A PNG and its size in pixels."""

    content: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True)
class Source:
    """All that a site is made of."""

    results: pd.DataFrame
    """The rows of all stores, in the columns and types of `benchmark.results.COLUMNS`."""
    cards: Mapping[str, Card]
    previews: Mapping[str, Preview]
    """By set digest; a set whose card or picture is missing or unreadable is absent."""
    states: Mapping[str, Standing]
    """By set digest, of every set that has rows or of which a record speaks."""
    scans: Mapping[str, Scan]
    roots: tuple[Path, ...]
    """Where it was read."""
    costs: Mapping[str, Sequence[Mapping[str, Any]]]
    """What each request that gave a set has cost, by its digest."""


def read(roots: Sequence[Path]) -> Source:
    """Read the stores at `roots`; where two hold the same thing, the first wins.

    A root without results.parquet is passed over. Raises InvalidInput where no root has one, or one cannot be read.
    """
    tables = [_read_table(root / "results.parquet") for root in roots if (root / "results.parquet").is_file()]
    if not tables:
        places = ", ".join(str(root) for root in roots)
        raise InvalidInput(f"no results.parquet in {places}. Fix: run `distillbench evaluate` first.")
    results = _merged(tables)
    digests = sorted(name for name in results["set"].dropna().unique() if DIGEST.fullmatch(name))
    states = read_states(roots, digests)
    cards = {name: card for name in digests if (card := _first(_read_card, roots, name)) is not None}
    previews = {name: picture for name in digests if (picture := _first(_read_preview, roots, name)) is not None}
    spoken = {name: card for name in sorted(set(states) - set(digests)) if (card := _first(_read_card, roots, name))}
    return Source(
        results, {**cards, **spoken}, previews, states, read_scans(roots, digests), tuple(roots), _costs(roots)
    )


def rows_of(results: pd.DataFrame) -> list[Row]:
    """The rows of a result table, in its order, with condition and reason told apart.

    An `ok` row whose value is not finite, or beyond `LARGEST`, becomes an `error`. Rows that differ in their
    distillation seed alone are one measurement of one set, and become one row.
    """
    columns = [_plain(results[name], kind) for name, kind in COLUMNS.items()]
    rows = [Row(*values) for values in zip(*columns, strict=True)]
    varied = {(row.evaluator, row.version) for row in rows if row.ok and row.condition}
    told = [_told_apart(row, (row.evaluator, row.version) in varied) for row in rows]
    same: dict[tuple[object, ...], list[Row]] = {}
    for row in told:
        seed = None if row.set else row.distil_seed
        same.setdefault(row._replace(value=0.0, distil_seed=seed, numerics="", device=""), []).append(row)
    return [_joined(members) for members in same.values()]


def _joined(rows: list[Row]) -> Row:
    """One row of several that differ in their distillation seeds: the first."""
    seeds = tuple(sorted({row.distil_seed for row in rows if row.distil_seed is not None}))
    return rows[0]._replace(distil_seed=seeds[0] if seeds else None, distil_seeds=seeds)


def _told_apart(row: Row, varied: bool) -> Row:
    """Split a condition such as `dsa; the loss is no number`; of an evaluator that varies nothing all is reason."""
    if row.ok:
        if abs(row.value) <= LARGEST:
            return row
        reason = "the value is no finite number" if not math.isfinite(row.value) else "the value is far too large"
        return row._replace(status="error", reason=reason)
    condition, _, reason = row.condition.partition("; ") if varied else ("", "", row.condition)
    return row._replace(condition=condition, reason=reason)


def _plain(column: pd.Series[Any], kind: str) -> Iterator[Any]:
    """A column as plain Python values."""
    if kind == "float64":
        return iter(column.tolist())
    absent: Any = {"string": "", "boolean": True}.get(kind)
    return (absent if value is None or value is pd.NA else value for value in column.astype(object).tolist())


def _read_table(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(file)
        missing = [name for name in COLUMNS if name not in table.columns]
        if missing:
            raise InvalidInput(
                f"{file} lacks the columns {', '.join(missing)}. Fix: run `distillbench evaluate` again."
            )
        return table[list(COLUMNS)].astype(COLUMNS)
    except (OSError, ValueError, TypeError) as fault:  # pyarrow's errors derive from these
        reason = str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
        raise InvalidInput(f"{file} is no result table ({reason}). Fix: run `distillbench evaluate` again.") from fault


def _merged(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One row for each measurement: the first store's, and within a store the first by numerics and device."""
    ordered = [table.sort_values(["numerics", "device"], kind="stable", na_position="first") for table in tables]
    table = pd.concat(ordered, ignore_index=True).drop_duplicates(MEASUREMENT, keep="first")
    return frame({str(name): value for name, value in record.items()} for record in table.to_dict("records"))


def _costs(roots: Sequence[Path]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in Store(roots[0], roots[1:]).made_records():
        found.setdefault(record.digest, []).append(record.cost)
    return found


def _first(reader: Any, roots: Sequence[Path], digest: str) -> Any:
    found = (reader(root / "sets" / digest) for root in roots)
    return next((item for item in found if item is not None), None)


def _read_card(folder: Path) -> Card | None:
    content = read_bounded(folder / "card.json", CARD_LIMIT)
    if content is None:
        return None
    try:
        fields = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return Card(fields) if isinstance(fields, dict) else None


def _read_preview(folder: Path) -> Preview | None:
    found = png_of(read_bounded(folder / "preview.png", PREVIEW_LIMIT))
    return Preview(found[0], *found[1]) if found else None
