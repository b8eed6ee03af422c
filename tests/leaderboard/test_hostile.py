"""Strangers' text in every field of every record: nothing runs, the text is shown, the files stay valid."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest

import leaderboard
from benchmark.results import frame
from tests.leaderboard.conftest import PLAIN
from tests.leaderboard.hostile import ESCAPED, HOSTILE, SHOWN, TEXT_COLUMNS
from tests.leaderboard.reading import Page, read_pages

SVG_ELEMENTS = {"svg", "title", "desc", "style", "defs", "g", "path", "use", "text", "clipPath", "rect", "pattern"}
ATOM = "{http://www.w3.org/2005/Atom}"
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control and bidi characters."""


@pytest.fixture(scope="module")
def site(hostile: Path) -> Path:
    return hostile / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Page]:
    return read_pages(site)


def test_no_page_has_an_element_or_attribute_of_a_stranger(pages: list[Page], rich: Path) -> None:
    ours = read_pages(rich / "site")
    elements = {tag for page in ours for tag, _ in page.elements}
    attributes = {name for page in ours for _, found in page.elements for name in found}
    assert len(pages) > 100
    for page in pages:
        assert page.problems == [], page.path
        assert {tag for tag, _ in page.elements} <= elements
        assert {name for _, found in page.elements for name in found} <= attributes
        assert len(page.ids) == len(set(page.ids))


def test_every_link_is_a_file_of_the_site(site: Path, pages: list[Page]) -> None:
    for page in pages:
        for link in page.links:
            target = (page.path.parent / link.partition("#")[0]).resolve() if link[0] != "#" else page.path.resolve()
            assert target.is_file(), link
            assert target.is_relative_to(site.resolve())


@pytest.mark.parametrize("text", [*SHOWN, *ESCAPED])
def test_the_text_is_shown(pages: list[Page], text: str) -> None:
    shown = ESCAPED.get(text, text)
    kinds = {page.path.parent.name for page in pages if shown in page.text}
    assert {"board", "entry"} <= kinds
    at_the_top = {page.path.name for page in pages if shown in page.text}
    assert {"index.html", "methods.html", "changes.html", "status.html", "explore.html"} <= at_the_top | {
        "explore.html"
    }


def test_the_feed_and_the_data_of_scripts_stay_valid(site: Path) -> None:
    feed = ElementTree.fromstring((site / "feed.xml").read_text(encoding="utf-8"))
    told = [entry.findtext(f"{ATOM}summary") for entry in feed.iter(f"{ATOM}entry")]
    assert len(told) == len(HOSTILE)
    assert {*SHOWN, *ESCAPED.values()} <= {*told}
    assert len(json.loads((site / "changes.json").read_text(encoding="ascii"))["changes"]) == len(HOSTILE)
    for name in ("explorer", "entries"):
        text = (site / "data" / f"{name}.json").read_text(encoding="ascii")
        assert FORBIDDEN.search(json.loads(json.dumps(text))) is None
        assert not FORBIDDEN.search(json.dumps(json.loads(text), ensure_ascii=False).replace("\n", ""))


def test_no_control_or_bidi_character_reaches_a_page_or_figure(site: Path) -> None:
    for path in (*site.rglob("*.html"), *site.rglob("*.svg")):
        found = FORBIDDEN.search(path.read_text(encoding="utf-8"))
        assert found is None, (path.name, ascii(found))


def test_templates_inside_texts_are_not_evaluated(pages: list[Page]) -> None:
    [index] = [page for page in pages if page.path.name == "index.html"]
    assert "{{1237*1000}}" in index.text
    assert not any("1237000" in page.text for page in pages)


def test_file_names_hold_nothing_of_a_stranger_but_letters_and_digits(site: Path) -> None:
    for path in site.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,119}", path.name), path.name


def test_figures_are_valid_and_hold_only_drawing(site: Path) -> None:
    figures = sorted(site.rglob("figure/*.svg"))
    assert len(figures) > 20
    for path in figures:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        for element in root.iter():
            assert str(element.tag).rpartition("}")[2] in SVG_ELEMENTS
            assert not [name for name in element.attrib if name.lower().startswith("on")]
            links = [value for name, value in element.attrib.items() if name.endswith("href")]
            assert all(link.startswith("#") for link in links)


def test_a_formula_for_mathematics_is_drawn_as_text(site: Path) -> None:
    drawn = "".join(path.read_text(encoding="utf-8") for path in site.rglob("figure/*.svg"))
    assert html.escape("$\\frac{1}{0}$ $$") in drawn


def test_no_spreadsheet_runs_a_cell(site: Path) -> None:
    text = (site / "data" / "results.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    table = pd.read_parquet(site / "data" / "results.parquet")
    assert len(rows) == len(table)
    for row in rows:
        assert None not in row and None not in row.values()
        assert not [name for name in TEXT_COLUMNS if row[name].startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_json_and_parquet_hold_the_text_as_it_is(site: Path) -> None:
    stored = json.loads((site / "data" / "results.json").read_text(encoding="ascii"))["results"]
    assert set(HOSTILE) <= {row["method"] for row in stored}
    assert set(HOSTILE) <= set(pd.read_parquet(site / "data" / "results.parquet")["method"])


def test_the_terminal_table_holds_no_control_character() -> None:
    table = leaderboard.board_table(frame([{**PLAIN, "method": text, "dataset": text} for text in HOSTILE]))
    assert FORBIDDEN.search(table.to_string()) is None
