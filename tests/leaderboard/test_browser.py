"""A real browser opens the site: silent, accessible; the same from disk and server, with scripts and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard.serve import server
from tests.leaderboard.browser import BROWSER, WAYS, Reader, launched, templates, violations

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome was found")]

ROWS = "[...document.querySelectorAll('main tbody tr')].map(row => row.id + row.textContent.replace(/\\s+/g, ' '))"
TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with launched() as browser:
        yield Reader(browser)


@pytest.fixture(scope="module")
def site(rich: Path) -> Path:
    return rich / "site"


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    listening = server(site, 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def address(page: Path, state: str = "") -> str:
    return page.as_uri() + (f"#{state}" if state else "")


def test_a_browser_says_so_when_the_policy_is_broken(reader: Reader, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    page.write_text(f"<title>t</title>{policy}<p style='color: red'>x</p><script>document.title = 'owned'</script>")
    seen = reader.open(page.as_uri())
    assert seen.page.title() == "t"
    assert len(seen.complaints) >= 2
    assert any(found.startswith("html-has-lang") for found in violations(seen.page))


def test_every_kind_of_page_is_silent_accessible_and_fits(reader: Reader, site: Path) -> None:
    """Each in one of the four ways here; in all of them by `python -m tests.evidence site_browser`.

    The page of all figures is left to that: it is the page of a method many times over.
    """
    kinds = [(path, state) for path, state in templates(site) if path != "figures.html"]
    assert len(kinds) > 19
    for k, (path, state) in enumerate(kinds):
        theme, width = WAYS[k % 2]
        seen = reader.open(address(site / path, state), width, theme)
        assert violations(seen.page) == [], path
        assert seen.complaints == [], path
        assert all(url.startswith(("file://", "data:image/", "about:")) for url in seen.requests), path
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_boards_hold_the_same_rows_in_the_same_order_without_scripts(reader: Reader, site: Path) -> None:
    tables = [path for folder in ("board", "bytes", "across") for path in sorted(site.glob(f"{folder}/*.html"))]
    for path in [site / "index.html", *tables[::3]]:
        rows = reader.open(path.as_uri(), scripts=False).page.evaluate(ROWS)
        assert rows and reader.open(path.as_uri()).page.evaluate(ROWS) == rows, path.name


def test_pages_say_the_same_from_disk_and_from_a_server(reader: Reader, site: Path, served: str) -> None:
    for path, state in templates(site)[::2]:
        disk = reader.open(address(site / path, state)).page.evaluate(TEXT)
        web = reader.open(f"{served}/{path}" + (f"#{state}" if state else ""))
        assert web.page.evaluate(TEXT) == disk, path
        assert web.complaints == [], path
        assert all(url.startswith((served, "data:image/", "about:")) for url in web.requests), path


def test_a_header_sorts_its_column_and_says_so(reader: Reader, site: Path) -> None:
    page = reader.open(min(site.glob("board/*-convnet-*")).as_uri()).page
    shown = (
        "[...document.querySelector('main table').querySelectorAll('td.value')].map(one => parseFloat(one.textContent))"
    )
    original = page.evaluate(shown)
    page.locator("main table").first.locator("th", has_text="Mean").locator("button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(shown) == sorted(original, reverse=True) != original
    assert page.locator("[aria-sort=descending]").count() == 1
    assert page.locator("p.unseen[role=status]").inner_text() == "Sorted by Mean, descending"
    page.keyboard.press("Enter")
    assert page.evaluate(shown) == sorted(original)
    page.keyboard.press("Enter")
    assert page.evaluate(shown) == original
    assert page.locator("[aria-sort]").count() == 0


def test_the_chosen_theme_holds_on_the_next_page_and_in_figures(reader: Reader, site: Path, served: str) -> None:
    page = reader.open(f"{served}/figures.html").page
    try:
        light = page.locator("img.figure").first.screenshot()
        for _ in range(2):  # auto, light, dark
            page.get_by_role("button", name="Theme").click()
        page.goto(f"{served}/figures.html")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 26)"
        assert page.locator("img.figure").first.screenshot() != light
    finally:
        page.evaluate("localStorage.clear()")


def test_hostile_pages_open_in_silence(reader: Reader, hostile: Path) -> None:
    site = hostile / "site"
    folders = ("board", "bytes", "entry", "method", "recipe")
    some = [path for folder in folders for path in sorted(site.glob(f"{folder}/*.html"))[::25]]
    entries = sorted(path.stem for path in site.glob("entry/*.html"))
    states = {"compare.html": f"a={entries[0]}&b={entries[1]}", "explore.html": "q=script&sort=-method"}
    for path in [*sorted(site.glob("*.html")), *some]:
        seen = reader.open(address(path, states.get(path.name, "")))
        assert seen.complaints == [], path.name
        assert seen.page.title().endswith("· DistillBench")
        assert all(url.startswith(("file://", "data:image/", "about:")) for url in seen.requests), path.name
        assert seen.page.evaluate("document.querySelectorAll('main :is(script, style, [onerror])').length") == 0
