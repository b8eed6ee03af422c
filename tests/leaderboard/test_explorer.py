"""The explorer and the comparison in a real browser, and the data that they read."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import leaderboard
from benchmark.statistics import paired_difference
from leaderboard.explorer import COLUMNS, PAGE
from leaderboard.sources import read, rows_of
from tests.leaderboard.browser import BROWSER, Reader, launched
from tests.leaderboard.conftest import PLAIN, FakeStore

TABLE = (
    "[...document.querySelectorAll('table')[1].tBodies[0].rows].map(row => [...row.cells].map(one => one.textContent))"
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome was found")
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("x"),"', "plain"]


def cells(data: dict[str, Any], name: str) -> list[Any]:
    [column] = [one for one in data["columns"] if one["name"] == name]
    return column["numbers"] if column["kind"] == "number" else [column["values"][code] for code in column["codes"]]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a store of 350 rows, three of four methods failing now and then."""
    folder = tmp_path_factory.mktemp("many")
    store = FakeStore(folder / "store")
    for k in range(350):
        failed = {"value": None, "status": "failed", "condition": "no number"} if k % 50 == 7 else {}
        method = FORMULAS[k % len(FORMULAS)]
        row = {**PLAIN, "method": method, "set": f"{k % 12:064x}", "seed": k, "value": 50 + (k * 37 % 101) / 4}
        store.add_row(**{**row, **failed, "ipc": (1, 10)[k % 2]})
    return leaderboard.build([store.write()], folder / "site").index.parent


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    pytest.importorskip("playwright", reason="playwright is not installed")
    with launched() as browser:
        yield Reader(browser)


def test_the_data_hold_every_measurement_and_both_files_are_the_same(rich: Path) -> None:
    text = (rich / "site" / "data" / "explorer.json").read_text(encoding="ascii")
    script = (rich / "site" / "data" / "explorer.js").read_text(encoding="ascii")
    assert script == f"window.RESULTS={text.rstrip()};\n"
    data, rows = json.loads(text), rows_of(read([rich / "store"]).results)
    assert data["n"] == len(rows)
    for column in COLUMNS:
        if column.name not in ("state", "reason"):
            assert cells(data, column.name) == [getattr(row, column.name) for row in rows], column.name
    assert set(cells(data, "state")) == {"scored", "verified", "disputed"}


def test_the_first_rows_stand_in_the_page_before_any_script(many: Path) -> None:
    text = (many / "explore.html").read_text(encoding="utf-8")
    assert text.count("<tr>") == PAGE + 1


@needs_browser
def test_facets_search_sort_and_pages_find_the_rows_that_pandas_finds(many: Path, reader: Reader) -> None:
    rows = pd.read_parquet(many / "data" / "results.parquet")
    page = reader.open((many / "explore.html").as_uri()).page
    told = page.locator("#told")
    assert told.inner_text() == "Rows 1 to 100 of 350; 350 in all"
    page.get_by_role("button", name="Next").click()
    assert told.inner_text().startswith("Rows 101 to 200 of 350")

    page.locator("summary", has_text="Status").click()
    page.locator("fieldset label", has_text="failed").locator("input").check()
    assert told.inner_text().startswith(f"Rows 1 to {(rows['status'] == 'failed').sum()} of")
    assert "status=failed" in page.url
    page.get_by_role("button", name="Show all again").click()
    assert "#" not in page.url

    page.locator("#search").fill("sum(a1)")
    found = rows[rows["method"] == "@SUM(A1)"]
    assert told.inner_text().startswith(f"Rows 1 to {len(found)} of {len(found)};")
    page.locator("th button", has_text="Value").click()
    value = "[...document.querySelectorAll('#rows tbody tr')].map(row => row.cells[8].textContent)"
    shown = [float(text) for text in page.evaluate(value) if text != "\N{EN DASH}"]
    assert shown == sorted(found["value"].dropna(), reverse=True)
    assert page.evaluate(value)[len(shown) :] == ["\N{EN DASH}"] * found["value"].isna().sum()


@needs_browser
def test_the_address_brings_the_same_view_again(many: Path, reader: Reader) -> None:
    state = "ipc=10&q=plain&sort=-value&columns=method,ipc,value,seed"
    page = reader.open(f"{(many / 'explore.html').as_uri()}#{state}").page
    heads = [text.split(" ↓")[0].strip() for text in page.locator("#rows th").all_text_contents()]
    assert heads == ["Per class", "Method", "Training seed", "Value"]
    assert page.locator("[aria-sort=descending]").text_content() == "Value"
    assert set(page.locator("#rows tbody td:nth-child(1)").all_inner_texts()) == {"10"}
    assert set(page.locator("#rows tbody td:nth-child(2)").all_inner_texts()) == {"plain"}


@needs_browser
def test_the_saved_view_is_csv_that_no_spreadsheet_runs(many: Path, reader: Reader) -> None:
    page = reader.open(f"{(many / 'explore.html').as_uri()}#ipc=1").page
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save these rows").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text(encoding="utf-8"), newline="")))
    assert len(rows) == 175
    assert list(rows[0])[:3] == ["dataset", "ipc", "method"]
    assert {row["method"] for row in rows} == {"'=1+1", "'-1", '\'=HYPERLINK("x"),"'}


@needs_browser
def test_a_page_of_rows_is_a_small_document(many: Path, reader: Reader) -> None:
    page = reader.open((many / "explore.html").as_uri()).page
    assert page.evaluate("document.querySelectorAll('*').length") < 5000


@needs_browser
def test_a_comparison_gives_the_differences_of_the_statistics(rich: Path, reader: Reader) -> None:
    rows = pd.read_parquet(rich / "store" / "results.parquet")
    digits = rows[(rows["dataset"] == "digits") & (rows["ipc"] == 10) & (rows["evaluator"] == "cross-architecture")]
    sets = [digits[digits["method"] == name]["set"].iloc[0] for name in ("dm", "herding", "random-real")]
    state = "&".join(f"{letter}={digest}" for letter, digest in zip("abc", sets, strict=True))
    page = reader.open(f"{(rich / 'site' / 'compare.html').as_uri()}#{state}").page
    lines = {row[0]: row[1:] for row in page.evaluate(TABLE)}
    assert len(lines) == 2
    for architecture in ("convnet", "mlp"):
        [line] = [cells for name, cells in lines.items() if f"on {architecture}," in name]
        own, *others = (
            digits[(digits["set"] == one) & (digits["architecture"] == architecture)].sort_values("seed")["value"]
            for one in sets
        )
        assert line[0] == f"{own.mean():.2f} ± {own.std():.2f} (3)"
        for k, other in enumerate(others):
            expected = paired_difference(list(own), list(other))
            difference, ends, _ = line[3 + 3 * k : 6 + 3 * k]
            assert difference == f"{expected.mean:.2f} (3 pairs)".replace("-", "\N{MINUS SIGN}")
            assert ends == f"{expected.low:.2f} to {expected.high:.2f}".replace("-", "\N{MINUS SIGN}")
    assert page.locator("svg.pixels").count() == 30


@needs_browser
def test_students_t_in_the_page_is_scipys(rich: Path, reader: Reader) -> None:
    stats = pytest.importorskip("scipy.stats")
    page = reader.open((rich / "site" / "compare.html").as_uri()).page
    for degrees in (2, 4, 9, 30):
        assert math.isclose(page.evaluate(f"student.factor({degrees})"), stats.t.ppf(0.975, degrees), rel_tol=1e-7)
        for t in (0.1, 1.0, 2.5, 12.0):
            found = page.evaluate(f"student.twoSided({t}, {degrees})")
            assert math.isclose(found, 2 * stats.t.sf(t, degrees), rel_tol=1e-6)
    assert page.evaluate("student.holm([0.01, 0.04, NaN, 0.03])")[:2] == [0.03, 0.06]
