"""Outcomes of the reference store: one Parquet file for each set, in place of thousands of small files. Free of torch.

    outcomes/<digest of the set, or real>.parquet   columns name, record, sha256, device, cost

`record` is what an outcome's JSON file hashes, `cost` what stands beside it. Outcomes with arrays (logits, weights) are
not packed. Written by `benchmark.packing`; a store reads it behind its own files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmark.errors import InvalidInput
from benchmark.values import Outcome, digest, from_json

__all__ = ["COLUMNS", "FOLDER", "outcomes"]

FOLDER = "outcomes"
COLUMNS = ("name", "record", "sha256", "device", "cost")
"""All text; `record` and `cost` are JSON."""


def outcomes(root: Path, name: str) -> Iterator[tuple[Outcome, Mapping[str, Any]]]:
    """The packed outcomes of this name in a store, each with its cost, by numerics; what is damaged is left out."""
    folder = root / FOLDER
    try:
        stamp = folder.stat().st_mtime_ns
    except OSError:
        return
    for file, rows in _index(folder, stamp).get(name, {}).items():
        table = _table(file, file.stat().st_mtime_ns)
        for row in rows:
            found = _outcome(table, row, name)
            if found is not None:
                yield found


@lru_cache(maxsize=4)
def _index(folder: Path, stamp: int) -> dict[str, dict[Path, list[int]]]:
    """Which rows of which file hold an outcome, by name; `stamp` is there for the cache. A damaged file holds none."""
    found: dict[str, dict[Path, list[int]]] = {}
    for file in sorted(folder.glob("*.parquet")):
        for row, name in enumerate(_read(file, ("name",)).get("name", [])):
            found.setdefault(name, {}).setdefault(file, []).append(row)
    return found


@lru_cache(maxsize=16)
def _table(file: Path, stamp: int) -> dict[str, list[str]]:
    return _read(file, COLUMNS)


def _read(file: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Columns of a file as lists; none where it cannot be read."""
    import pyarrow
    from pyarrow import parquet

    try:
        found: dict[str, list[str]] = parquet.read_table(file, columns=list(columns)).to_pydict()
    except (OSError, pyarrow.ArrowException):
        return {}
    return found if set(found) == set(columns) else {}


def _outcome(table: Mapping[str, list[str]], row: int, name: str) -> tuple[Outcome, Mapping[str, Any]] | None:
    """An outcome with its cost; None where it is damaged or another's."""
    try:
        body = json.loads(table["record"][row])
        if digest(body) != table["sha256"][row] or body["name"] != name:
            return None
        known = {key: body[key] for key in ("seed", "status", "value", "reason", "numerics")}
        outcome = Outcome(**known, probe=from_json(body["probe"]), device=table["device"][row])
        return outcome, json.loads(table["cost"][row])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, InvalidInput):
        return None
