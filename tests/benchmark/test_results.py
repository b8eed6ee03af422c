"""Result tables: fixed columns and types, one row a measurement, and a CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.results import COLUMNS, Score, frame, merged, row, to_csv, write_tables

SUBJECT: dict[str, Any] = {
    "dataset": "digits",
    "ipc": None,
    "bytes": 650,
    "track": "hard",
    "method": "by-hand",
    "set": "a" * 64,
    "evaluator": "cross-architecture",
    "version": 1,
    "recipe": "standard-v1",
    "distil_seed": None,
}
SCORE = Score("accuracy", 98.25, "percent", True, "mlp", 3, numerics="cpu", device="cpu")
Listing = Callable[[Path], dict[str, str]]


def test_the_columns_are_the_documented_ones_in_order() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1].strip() for line in documented.splitlines() if line.startswith("| `")]
    assert [cell.strip("`") for cell in cells][: len(COLUMNS)] == list(COLUMNS)
    assert list(COLUMNS) == [
        "dataset",
        "ipc",
        "bytes",
        "track",
        "method",
        "set",
        "evaluator",
        "version",
        "recipe",
        "architecture",
        "condition",
        "metric",
        "unit",
        "higher_is_better",
        "seed",
        "distil_seed",
        "value",
        "status",
        "numerics",
        "device",
    ]


def test_a_row_joins_subject_and_score() -> None:
    found = row(SUBJECT, SCORE)
    assert list(found) == list(COLUMNS)
    assert (found["method"], found["seed"], found["value"], found["recipe"]) == ("by-hand", 3, 98.25, "standard-v1")
    other = Score("accuracy", None, "percent", True, "mlp", 3, status="failed", condition="nan", recipe="varied")
    assert (row(SUBJECT, other)["recipe"], row(SUBJECT, other)["value"]) == ("varied", None)


def test_absent_numbers_stay_absent_and_whole_ones_whole() -> None:
    table = frame(
        [row(SUBJECT, SCORE), row({**SUBJECT, "ipc": 10}, Score("accuracy", None, "percent", True, "mlp", 1))]
    )
    assert table.dtypes.astype(str).to_dict() == {
        **COLUMNS,
        **{n: "string" for n, k in COLUMNS.items() if k == "string"},
    }
    assert table["ipc"].isna().tolist() == [True, False] and table["ipc"][1] == 10
    assert table["value"].isna().tolist() == [False, True]


def test_rows_are_sorted_whatever_order_they_come_in() -> None:
    rows = [row({**SUBJECT, "ipc": ipc}, SCORE) for ipc in (10, None, 1)]
    one, two = frame(rows), frame(reversed(rows))
    assert one.equals(two)
    assert one["ipc"].astype("float").fillna(0).tolist() == [0, 1, 10]


def test_an_empty_table_has_the_columns() -> None:
    for table in (frame([]), merged(frame([]))):
        assert list(table) == list(COLUMNS) and len(table) == 0
        assert to_csv(table) == ",".join(COLUMNS) + "\n"


def test_merging_keeps_different_measurements_and_their_order() -> None:
    rows = [row(SUBJECT, SCORE), row({**SUBJECT, "distil_seed": 1}, SCORE), row({**SUBJECT, "method": "other"}, SCORE)]
    table = frame(rows)
    assert merged(table).equals(table)
    assert merged(frame(rows * 3)).equals(table)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx"])
def test_no_text_cell_of_the_csv_is_a_formula(text: str) -> None:
    table = frame([row({**SUBJECT, "method": text}, SCORE)])
    again = pd.read_csv(io.StringIO(to_csv(table)))
    assert again["method"].tolist() == ["'" + text]
    assert table["method"].tolist() == [text], "the table itself is not changed"


@pytest.mark.parametrize("text", ["two\nlines", "two\r\nlines", "two\rlines"])
def test_lines_within_a_text_do_not_end_its_row(text: str) -> None:
    table = frame([row(SUBJECT, replace(SCORE, condition=text))])
    (found,) = csv.DictReader(io.StringIO(to_csv(table), newline=""))
    assert found["condition"].split() == ["two", "lines"] and found["device"] == "cpu"
    (found,) = csv.DictReader(io.StringIO(to_csv(frame([row({**SUBJECT, "method": "\r=1+1"}, SCORE)])), newline=""))
    assert found["method"].startswith("'")


def test_negative_numbers_stay_numbers_in_the_csv() -> None:
    table = frame([row(SUBJECT, Score("delta", -2.5, "points", True, "mlp", 0))])
    assert pd.read_csv(io.StringIO(to_csv(table)))["value"].tolist() == [-2.5]


def test_both_files_are_read_in_one_line(tmp_path: Path, listing: Listing) -> None:
    table = frame([row({**SUBJECT, "ipc": 1}, SCORE), row(SUBJECT, Score("accuracy", None, "percent", True, "mlp", 1))])
    parquet, plain = write_tables(table, tmp_path, tmp_path / "tmp")
    assert pd.read_parquet(parquet).astype(COLUMNS).equals(table)
    again = pd.read_csv(
        plain, dtype=COLUMNS, keep_default_na=False, na_values={"value": "", "ipc": "", "distil_seed": ""}
    )
    assert again.equals(table)
    documented = pd.read_csv(plain, dtype=COLUMNS)
    assert documented.dtypes.equals(table.dtypes) and documented["value"].equals(table["value"])
    before = listing(tmp_path)
    write_tables(table, tmp_path, tmp_path / "tmp")
    assert listing(tmp_path) == before, "the same rows give the same bytes"
