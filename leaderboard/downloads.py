"""The result rows as files to download: CSV, JSON and Parquet, and their checksums.

CSV goes through `benchmark.results.to_csv`, whose text cells no spreadsheet runs as formulas.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.results import COLUMNS, to_csv

__all__ = ["FORMAT", "SUMS", "downloads"]

FORMAT = 1
"""Of results.json; docs/leaderboard.md states the fields."""
SUMS = "SHA256SUMS"


def downloads(results: pd.DataFrame, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """File name -> content, with `more` files. The checksums are in the form that `sha256sum --check` reads."""
    parquet = io.BytesIO()
    results.to_parquet(parquet, index=False)
    files = {
        "results.csv": to_csv(results).encode("utf-8"),
        "results.json": _json(results).encode("ascii"),
        "results.parquet": parquet.getvalue(),
        **(more or {}),
    }
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return {**files, SUMS: sums.encode("ascii")}


def _json(results: pd.DataFrame) -> str:
    """One object a row; what is absent is null. ASCII only, so that no reader stumbles over control characters."""
    columns = [[_plain(value) for value in results[name].astype(object).tolist()] for name in COLUMNS]
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    return f'{{"format": {FORMAT}, "results": [\n{lines}\n]}}\n'


def _plain(value: Any) -> Any:
    if value is pd.NA or value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
