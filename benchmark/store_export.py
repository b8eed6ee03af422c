"""Writes the result rows of a store into one file, in the format that its ending names. Torch-free."""

from __future__ import annotations

import json
from pathlib import Path

from benchmark import durable
from benchmark.errors import UsageError
from benchmark.results import in_bytes
from benchmark.store import Store

__all__ = ["export"]

ENDINGS = (".parquet", ".csv", ".json")


def export(store: Store, file: str | Path) -> int:
    """Write all rows, replacing the file whole; returns their number. Raises UsageError, EnvironmentFault.

    JSON is a list of objects with the columns' names; what is absent is null.
    """
    target = Path(file).expanduser().absolute()
    if target.suffix not in ENDINGS:
        raise UsageError(f"cannot write {target.name!r}. Name a file that ends with {', '.join(ENDINGS)}.")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}. Make it first.")
    table = store.results()
    if target.suffix == ".json":
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        content = json.dumps(rows, indent=0, allow_nan=False).encode()
    else:
        content = in_bytes(table)[ENDINGS.index(target.suffix)]
    durable.write_replacing(target, content, target.parent)
    return len(table)
