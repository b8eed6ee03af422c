"""What the pages beyond the boards hold: methods, states, changes, protocol, recipes, galleries, scans, citations."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmark.recipe import load
from benchmark.results import frame
from leaderboard.citing import bibtex
from leaderboard.gallery import gallery
from leaderboard.paths import method_path, recipe_path
from leaderboard.protocols import SHA256, TEMPLATES
from leaderboard.sources import Card, Preview, Row, read, rows_of
from tests.leaderboard.conftest import PLAIN, card_of
from tests.leaderboard.reading import Page, read_page
from tests.leaderboard.rich import LEVELS

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def site(rich: Path) -> Path:
    return rich / "site"


def spoken_of(rich: Path, state: str) -> Page:
    """The entry page of the set that is in a state."""
    source = read([rich / "store"])
    [digest] = [name for name, standing in source.states.items() if standing.state == state]
    return read_page(rich / "site" / "entry" / f"{digest}.html")


def test_a_method_has_a_page_with_its_curves_its_places_and_its_entries(site: Path) -> None:
    for method in LEVELS:
        page = read_page(site / method_path(method))
        assert sum("entry/" in link for link in page.links) == 6
        assert sum("board/" in link for link in page.links) == 9
        figures = [image["src"] for image in page.all("img")]
        assert [sum(kind in path for path in figures) for kind in ("scaling-", "transfer-")] == [2, 1]


def test_the_rank_diagram_stands_with_its_table_from_six_tasks_up(site: Path) -> None:
    pages = [read_page(path) for path in site.glob("across/*.html")]
    drawn = [page for page in pages if any("ranks-" in image["src"] for image in page.all("img"))]
    assert len(drawn) == 1
    for method in LEVELS:
        assert method in drawn[0].text


def test_a_set_shows_its_images_by_class(site: Path, rich: Path) -> None:
    page = spoken_of(rich, "verified")
    images = page.all("image")
    assert len(images) == 10
    assert {image["href"] for image in images} == {f"../preview/{page.path.stem}.png"}
    assert [found["aria-label"] for found in page.all("svg") if "aria-label" in found][3].endswith("class 3")


def test_windows_on_a_preview_cover_each_class_once() -> None:
    [row, *_] = rows_of_one()
    found = gallery(row, Card(card_of("dm", 10, 0)), Preview(b"", 502, 502))
    assert found is not None
    assert [(one.name, one.y, one.height) for one in found.strips] == [(str(k), 50 * k, 52) for k in range(10)]
    assert gallery(row, Card(card_of("dm", 10, 0)), Preview(b"", 500, 502)) is None
    assert gallery(row._replace(dataset="../../etc"), Card({}), Preview(b"", 502, 502)) is None
    some = gallery(row._replace(ipc=1), Card({"classes": [2, 7]}), Preview(b"", 102, 52))
    assert some is not None and [(one.name, one.x) for one in some.strips] == [("2", 0), ("7", 50)]


def rows_of_one() -> list[Row]:
    return rows_of(frame([{**PLAIN, "ipc": 10}]))


def test_states_scans_and_claims_stand_on_the_page_of_the_set(rich: Path) -> None:
    verified = spoken_of(rich, "verified").text
    for told in ("verified", "scored again elsewhere", "a maintainer", "no image stands out", "2026-11-01T10:00:00Z"):
        assert told in verified
    assert "the source says otherwise" in spoken_of(rich, "disputed").text
    claimed = [
        path for path in (rich / "site" / "entry").iterdir() if "91.25 ± 0.50 percent (n = 5)" in path.read_text()
    ]
    assert len(claimed) == 2


def test_what_was_refused_stays_on_the_page_of_states(site: Path) -> None:
    page = read_page(site / "status.html")
    for told in ("Refused", "the archive holds a pickle", "f" * 12, "Disputed", "Verified", "Scored"):
        assert told in page.text


def test_changes_are_told_newest_first_by_their_own_dates(site: Path) -> None:
    stored = json.loads((site / "changes.json").read_text(encoding="ascii"))["changes"]
    assert [change["at"][:10] for change in stored] == ["2026-11-03", "2026-11-02", "2026-11-01"]
    feed = ElementTree.fromstring((site / "feed.xml").read_text(encoding="utf-8"))
    assert feed.findtext(f"{ATOM}updated") == "2026-11-03T10:00:00Z"
    entries = list(feed.iter(f"{ATOM}entry"))
    assert [entry.findtext(f"{ATOM}id") for entry in entries] == [f"urn:sha256:{change['id']}" for change in stored]
    for entry in entries:
        link = entry.find(f"{ATOM}link")
        assert link is not None and (site / link.attrib["href"]).is_file()
    text = read_page(site / "changes.html").text
    places = [text.index(change["at"]) for change in stored]
    assert places == sorted(places)


@pytest.mark.parametrize("version", SHA256)
def test_the_text_of_a_protocol_version_never_changes(site: Path, version: int) -> None:
    content = (TEMPLATES / f"protocol_v{version}.html").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[version], "a rule that changes needs a version of its own"
    assert (site / "protocol" / f"v{version}.html").is_file()


def test_every_protocol_text_has_a_version() -> None:
    assert {path.name for path in TEMPLATES.glob("protocol_v[0-9]*.html")} == {f"protocol_v{n}.html" for n in SHA256}


def test_a_recipes_address_holds_its_digest(site: Path) -> None:
    recipe = load("standard-v1-lite")
    path = recipe_path("standard-v1-lite", recipe.digest)
    assert recipe.digest[:12] in path
    assert str(recipe.learning_rate) in read_page(site / path).text
    assert recipe_path("standard-v1-lite", "0" * 64) != path


def test_every_board_stands_in_numbers_too(site: Path) -> None:
    stored = json.loads((site / "data" / "boards.json").read_text(encoding="ascii"))["boards"]
    assert len(stored) == len(list(site.glob("board/*-convnet-*"))) + len(list(site.glob("board/*-mlp-*")))
    [board] = [one for one in stored if (one["dataset"], one["ipc"], one["architecture"]) == ("digits", 10, "convnet")]
    assert [line["method"] for line in board["lines"]] == ["dm", "herding", "random-real", "full-data"]
    assert [line["rank"] for line in board["lines"]] == [1, 2, 3, None]


def test_a_citation_holds_nothing_that_latex_would_run() -> None:
    [row, *_] = rows_of_one()
    card = Card({"title": r"50% \input{x} $a_b^c$ {", "contributor": "A & B", "source": "https://example.org/a#b"})
    text = bibtex("ab" * 32, row, ("dm",), card)
    assert r"50\% \textbackslash{}input\{x\} \$a\_b\textasciicircum{}c\$ \{" in text
    assert r"A \& B" in text
    assert "howpublished" not in text  # a hash sign would end the address
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_every_test_behind_the_ranks_can_be_taken_away(site: Path) -> None:
    content = (site / "data" / "statistics.json").read_bytes()
    stored, boards = json.loads(content), json.loads((site / "data" / "boards.json").read_text(encoding="ascii"))
    assert len(stored["boards"]) == len(boards["boards"])
    assert sum(len(board["pairs"]["p_holm"]) for board in stored["boards"]) > 0
    assert f"{hashlib.sha256(content).hexdigest()}  statistics.json" in (site / "data" / "SHA256SUMS").read_text()
    assert "statistics.json" in read_page(site / "data.html").text


def test_the_agreement_of_architectures_stands_on_the_protocol_page(site: Path) -> None:
    found = json.loads((site / "data" / "statistics.json").read_text(encoding="ascii"))["agreements"]
    text = read_page(site / "protocol.html").text
    assert found and "Do recipes and architectures agree?" in text
    assert all(name in text for name in found[0]["least"])
