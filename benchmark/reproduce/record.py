"""What was measured of published tables, as a committed JSON file that the page is written from. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmark.durable import write_replacing
from benchmark.errors import InvalidInput
from benchmark.reproduce.tables import Table

__all__ = ["FORMAT", "Measured", "answer", "key_of", "read", "write"]

FORMAT = 1


@dataclass(frozen=True)
class Measured:
    """Our side of one cell."""

    request: str
    """Digest of what was asked for (`TableCell.request`)."""
    values: tuple[tuple[float, ...], ...]
    """Accuracy in percent of every network, by set."""
    n_failed: int
    sets: tuple[str, ...]
    """Digests by distillation seed."""
    numerics: tuple[str, ...]
    distil_seconds: float
    """Of all sets, as their cards say."""
    train_seconds: float
    """Of all networks, each in its own thread or with all cores."""
    torch: str


Record = Mapping[str, Measured]


def key_of(table: Table, cell: str) -> str:
    return f"{table.name}/{cell}"


def answer(found: Record, table: Table, cell: str) -> Measured | None:
    """What was measured of a cell as the table asks for it now; None where it was not run, or asked otherwise."""
    asked, measured = table.cell(cell), found.get(key_of(table, cell))
    return measured if measured is not None and not asked.problem() and measured.request == asked.request else None


def read(file: Path) -> dict[str, Measured]:
    """Every cell of a record; none where there is no file. Raises InvalidInput where it is damaged."""
    if not file.exists():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']}")
        return {name: _measured(cell) for name, cell in stored["cells"].items()}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{file} is no record of reproduced tables ({fault}). Fix: restore or delete it.") from fault


def _measured(stored: Mapping[str, Any]) -> Measured:
    plain = {field.name: stored[field.name] for field in fields(Measured)}
    lists = {name: tuple(plain[name]) for name in ("sets", "numerics")}
    return Measured(**{**plain, **lists, "values": tuple(tuple(of_set) for of_set in plain["values"])})


def write(file: Path, found: Record) -> None:
    """Put a record in place of an older one."""
    cells = {name: asdict(found[name]) for name in sorted(found)}
    text = json.dumps({"format": FORMAT, "cells": cells}, indent=1, sort_keys=True, allow_nan=False)
    write_replacing(file, (text + "\n").encode(), file.parent)
