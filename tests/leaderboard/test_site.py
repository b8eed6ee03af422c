"""The whole site: same bytes twice, valid pages, no dangling link, nothing foreign read or harmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import leaderboard
from benchmark.errors import EnvironmentFault, InvalidInput
from leaderboard.boards import boards
from leaderboard.files import MANIFEST, STAGING
from leaderboard.paths import recipe_path
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import FakeStore, demo_store
from tests.leaderboard.reading import Page, read_page, read_pages

Make = Callable[[str], FakeStore]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
ELSEWHERE = "https://example.org/"


@pytest.fixture(scope="module")
def site(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leaderboard.build([demo], tmp_path_factory.mktemp("site") / "site").index.parent


@pytest.fixture(scope="module")
def pages(site: Path) -> list[Page]:
    return read_pages(site)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_summary_counts_what_was_built(demo: Path, tmp_path: Path) -> None:
    summary = leaderboard.build([demo], tmp_path / "site")
    assert (summary.n_boards, summary.n_entries, summary.n_rows) == (8, 29, 505)
    assert summary.index == tmp_path / "site" / "index.html"
    assert 0 < summary.seconds < 60


def test_the_same_store_gives_the_same_bytes(site: Path, tmp_path: Path) -> None:
    again = demo_store(tmp_path / "again")
    again.rows.reverse()  # the order of rows in the file is no part of a store
    leaderboard.build([again.write()], tmp_path / "site")
    assert content(tmp_path / "site") == content(site)


def test_another_process_without_torch_gives_the_same_bytes(demo: Path, site: Path, tmp_path: Path) -> None:
    block = "import sys; sys.modules.update(dict.fromkeys(['torch', 'torchvision', 'sklearn']))"  # importing them fails
    build = f"import leaderboard, pathlib; leaderboard.build([pathlib.Path({str(demo)!r})], pathlib.Path('site'))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd(), "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", f"{block}\n{build}"], cwd=tmp_path, env=environment, check=True)
    assert content(tmp_path / "site") == content(site)


def test_every_page_is_well_formed(pages: list[Page]) -> None:
    assert len(pages) > 40
    for page in pages:
        assert page.problems == [], page.path.name
        assert len(page.ids) == len(set(page.ids)), page.path.name


def test_every_link_leads_somewhere(site: Path, pages: list[Page]) -> None:
    ids = {page.path: set(page.ids) for page in pages}
    for page in pages:
        for link in page.links:
            if link.startswith(ELSEWHERE):
                continue
            path, _, fragment = link.partition("#")
            target = (page.path.parent / path).resolve() if path else page.path
            assert target.is_relative_to(site.resolve()), link
            assert target.is_file(), link
            is_state = target.name in ("compare.html", "explore.html") and "=" in fragment  # read by the page's script
            assert not fragment or is_state or fragment in ids[target], link


def test_every_page_can_be_reached_from_the_first(site: Path, pages: list[Page]) -> None:
    by_path = {page.path.resolve(): page for page in pages}
    seen, waiting = set[Path](), [(site / "index.html").resolve()]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in by_path:
            continue
        seen.add(path)
        waiting += [(path.parent / link.partition("#")[0]).resolve() for link in by_path[path].links]
    assert set(by_path) - seen == {(site / "404.html").resolve()}


def test_pages_keep_the_policy_that_they_state(pages: list[Page]) -> None:
    for page in pages:
        policies = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv")]
        assert policies == [POLICY]
        assert page.all("style") == []
        assert all(set(found) <= {"src", "defer"} and found["src"] for found in page.all("script"))
        attributes = {name for _, found in page.elements for name in found}
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)


def test_tables_and_pictures_tell_what_they_are(pages: list[Page]) -> None:
    for page in pages:
        assert len(page.all("table")) == len(page.all("caption"))
        assert all("scope" in attributes for attributes in page.all("th"))
        assert all(attributes.get("alt") for attributes in page.all("img"))
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("h1")) == len(page.all("main")) == 1
        assert any(link.get("href") == "#main" for link in page.all("a"))


def test_a_board_page_holds_every_line_in_order(demo: Path, site: Path, pages: list[Page]) -> None:
    source = read([demo])
    found = boards(rows_of(source.results), source.cards)
    board_pages = [page for page in pages if page.path.name.startswith("digits-ipc10-convnet")]
    [page] = board_pages
    [board] = [board for board in found if (board.key.ipc, board.key.architecture) == (10, "convnet")]
    places = [page.text.index(f"{line.key.method} ") for line in board.lines]
    assert places == sorted(places)
    for line in board.lines:
        assert f"{line.cell.interval.mean:.2f}" in page.text
        assert f"{line.cell.interval.low:.2f} to {line.cell.interval.high:.2f}" in page.text


def test_each_board_shows_the_full_data_reference(pages: list[Page]) -> None:
    for page in pages:
        if page.path.match("board/*-convnet-*"):
            assert "full-data" in page.text


def test_the_permanent_address_of_a_set_is_its_digest(demo: Path, site: Path) -> None:
    digests = {folder.name for folder in (demo / "sets").iterdir()}
    assert {path.stem for path in (site / "entry").iterdir()} == digests


def test_a_set_without_card_or_preview_says_so(fake_store: Make, tmp_path: Path) -> None:
    store = fake_store("store")
    store.add_row()
    leaderboard.build([store.write()], tmp_path / "site")
    [page] = [read_page(path) for path in (tmp_path / "site" / "entry").iterdir()]
    assert "no preview of this set" in page.text
    assert "no readable card" in page.text


def test_statuses_and_reasons_are_on_the_board_and_the_entry(fake_store: Make, tmp_path: Path) -> None:
    store = fake_store("store")
    store.add_row()
    store.add_row(seed=1, value=None, status="failed", condition="the loss is no number")
    leaderboard.build([store.write()], tmp_path / "site")
    for page in read_pages(tmp_path / "site"):
        if page.path.parent.name in ("board", "entry"):
            assert "1 ok, 1 failed" in page.text
            assert "the loss is no number" in page.text


def test_results_under_conditions_alone_can_be_reached(fake_store: Make, tmp_path: Path) -> None:
    store = fake_store("store")
    store.add_row(evaluator="augmentation", condition="dsa")
    index = leaderboard.build([store.write()], tmp_path / "site").index
    assert [link for link in read_page(index).links if link.startswith("board/digits-ipc1-conditions")]


def test_recipes_are_named_with_their_digest(site: Path) -> None:
    from benchmark.recipe import load

    text = read_page(site / "protocol.html").text
    for name in ("standard-v1-lite", "standard-v1-lite/reference"):
        digest = load(name).digest
        assert name in text
        assert digest[:12] in text
        assert digest in read_page(site / recipe_path(name, digest)).text


def test_a_store_without_rows_makes_a_site_that_says_so(fake_store: Make, tmp_path: Path) -> None:
    summary = leaderboard.build([fake_store("store").write()], tmp_path / "site")
    assert (summary.n_boards, summary.n_entries, summary.n_rows) == (0, 0, 0)
    assert "no results yet" in read_page(summary.index).text


def test_what_is_gone_from_the_store_goes_from_the_site(demo: Path, fake_store: Make, tmp_path: Path) -> None:
    out = tmp_path / "site"
    small = fake_store("small")
    small.add_row()
    leaderboard.build([demo], out)
    leaderboard.build([small.write()], out)
    fresh = leaderboard.build([small.root], tmp_path / "fresh").index.parent
    assert content(out) == content(fresh)


def test_a_build_that_was_cut_off_is_mended_by_the_next(demo: Path, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    leaderboard.build([demo], out)
    (out / "index.html").unlink()
    (out / "data.html").write_text("half a pa")
    (out / STAGING).mkdir()
    (out / STAGING / "file").write_text("left over")
    leaderboard.build([demo], out)
    assert content(out) == content(site)


def test_what_has_not_changed_is_not_written(demo: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    leaderboard.build([demo], out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.html")}
    time.sleep(0.01)
    leaderboard.build([demo], out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.html")} == before


def test_a_folder_that_holds_something_else_is_left_alone(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InvalidInput, match="empty folder"):
        leaderboard.build([demo], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_manifest_cannot_have_files_elsewhere_removed(demo: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "site", tmp_path / "mine.txt"
    out.mkdir()
    mine.write_text("mine")
    files = {"../mine.txt": "", str(mine): "", "entry/../../mine.txt": ""}
    (out / MANIFEST).write_text(json.dumps({"format": 1, "files": files}))
    leaderboard.build([demo], out)
    assert mine.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_the_machines_fault(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="check the folder"):
        leaderboard.build([demo], tmp_path / "file" / "site")


def test_no_results_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        leaderboard.build([tmp_path / "none"], tmp_path / "site")
    assert not (tmp_path / "site").exists()
