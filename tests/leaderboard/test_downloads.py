"""Files to take away: the same rows in each, no formulas, right checksums."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from benchmark.results import COLUMNS, frame
from leaderboard.downloads import downloads
from leaderboard.sources import read
from tests.leaderboard.conftest import PLAIN


def test_every_file_holds_the_same_rows(demo: Path) -> None:
    results = read([demo]).results
    files = downloads(results)
    parquet = pd.read_parquet(io.BytesIO(files["results.parquet"]))
    stored = json.loads(files["results.json"])
    plain = list(csv.DictReader(io.StringIO(files["results.csv"].decode("utf-8"))))
    assert parquet.equals(results)
    assert list(stored["results"][0]) == list(COLUMNS) == list(plain[0])
    assert [row["value"] for row in stored["results"]] == list(results["value"])
    assert [float(row["value"]) for row in plain] == list(results["value"])


def test_absent_values_are_null() -> None:
    [row] = json.loads(downloads(frame([{**PLAIN, "ipc": None, "value": None}]))["results.json"])["results"]
    assert (row["ipc"], row["value"], row["seed"]) == (None, None, 0)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_spreadsheet_runs_a_text_of_the_csv(text: str) -> None:
    files = downloads(frame([{**PLAIN, "method": text}]))
    [row] = csv.DictReader(io.StringIO(files["results.csv"].decode("utf-8"), newline=""))
    assert row["method"].replace("\r\n", "\r") == "'" + text
    assert json.loads(files["results.json"])["results"][0]["method"] == text


def test_a_negative_number_stays_a_number() -> None:
    files = downloads(frame([{**PLAIN, "value": -1.5}]))
    [row] = csv.DictReader(io.StringIO(files["results.csv"].decode("utf-8")))
    assert row["value"] == "-1.5"


def test_checksums_are_right(demo: Path) -> None:
    files = downloads(read([demo]).results, {"statistics.json": b"{}"})
    lines = files["SHA256SUMS"].decode("ascii").splitlines()
    assert len(lines) == 4
    for line in lines:
        sha256, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == sha256
