"""A real browser opens the site from the disk: styled, silent, and without running a stranger's text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import leaderboard
from tests.leaderboard.test_hostile import hostile_store

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--dump-dom",
]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome was found")]


def opened(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The document after its scripts would have run, and what the console said."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


def test_a_browser_says_so_when_the_policy_is_broken(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    page.write_text(f"<title>t</title>{policy}<p style='color: red'>x</p><script>document.title = 'owned'</script>")
    document, said = opened(page, tmp_path / "profile")
    assert "<title>t</title>" in document
    assert len(said) >= 2


def test_hostile_pages_open_in_silence(tmp_path: Path) -> None:
    site = leaderboard.build([hostile_store(tmp_path / "store").write()], tmp_path / "site").index.parent
    for page in (site / "index.html", min(site.glob("entry/*.html"))):
        document, said = opened(page, tmp_path / "profile")
        assert said == [], page.name
        assert "· DistillBench</title>" in document
        assert "<script" not in document
