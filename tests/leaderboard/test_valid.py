"""Every page is HTML as the standard's parser wants it, and no page is heavier than its budget."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import pytest

from leaderboard.content import reduced
from leaderboard.pages import pages
from leaderboard.rendering import static_files
from leaderboard.sources import read
from tests.leaderboard.conftest import FakeStore, card_of

html5lib = pytest.importorskip("html5lib", reason="html5lib is not installed")
KIB = 1024


def mistakes(content: bytes) -> list[str]:
    """Parse errors by name; html5lib keeps them instead of raising."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", html5lib.constants.DataLossWarning)
        parser.parse(content.decode("utf-8"))
    return [name for _, name, _ in parser.errors]


def packed(content: bytes) -> int:
    """Bytes after gzip, as servers send them."""
    return len(gzip.compress(content, 9, mtime=0))


def test_the_check_sees_a_mistake() -> None:
    assert mistakes(b"<!doctype html><title>t</title><p></div>") == ["end-tag-too-early"]


@pytest.mark.parametrize("kind", ["rich", "hostile"])
def test_pages_are_valid(request: pytest.FixtureRequest, kind: str) -> None:
    site: Path = request.getfixturevalue(kind) / "site"
    folders = [path for folder in site.iterdir() if folder.is_dir() for path in sorted(folder.glob("*.html"))[:6]]
    for path in [*sorted(site.glob("*.html")), *folders]:
        assert mistakes(path.read_bytes()) == [], path.name


def test_scripts_and_styles_are_light() -> None:
    whole = b"".join(body for path, body in static_files().items() if path.endswith((".js", ".css")))
    assert packed(whole) <= 40 * KIB


def test_a_board_of_500_rows_and_its_index_are_light(tmp_path: Path) -> None:
    store = FakeStore(tmp_path / "store")
    for k in range(500):
        digest = store.add_set(card_of(f"method-{k}", 1, 0, contributor=f"Group {k % 40}"))
        for seed in range(3):
            value = 40 + (k * 7919 % 5000) / 100 + seed / 10
            store.add_row(method=f"method-{k}", set=digest, seed=seed, value=value, bytes=650 + k)
    made = {item.path: item.make for item in pages(reduced(read([store.write()]), []))}
    [board] = [make() for path, make in made.items() if path.startswith("board/")]
    assert board.count(b'<tr id="line-') == 500
    for page in (board, made["index.html"](), made["explore.html"]()):
        assert packed(page) <= 60 * KIB
