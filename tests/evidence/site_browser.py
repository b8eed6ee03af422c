"""Every kind of page in a real Chromium, light and dark, at 320 and 1280 pixels: silent, accessible, not too wide."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import leaderboard
from tests.evidence.bench import Bench, Finding, NotHere
from tests.leaderboard.browser import BROWSER, WAYS, Reader, launched, templates, violations
from tests.leaderboard.hostile import hostile_store
from tests.leaderboard.rich import rich_store

BAR = "third-party requests, console errors, broken policies, axe-core violations and pages wider than the screen: 0"


def measure(bench: Bench) -> Finding:
    """Look at every kind of page of a plain site and of one of hostile text."""
    if BROWSER is None:
        raise NotHere("needs Chromium or Chrome")
    found: Counter[str] = Counter()
    told: list[str] = []
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        reader = Reader(browser)
        for name, make in (("rich", rich_store), ("hostile", hostile_store)):
            site = leaderboard.build([make(Path(folder) / name).write()], Path(folder) / f"{name}-site").index.parent
            kinds = templates(site) if name == "rich" else _spread(site)
            for path, state in kinds:
                for theme, width in WAYS:
                    _look(reader, f"{(site / path).as_uri()}#{state}", theme, width, found, told)
        version = browser.version
    bad = {name: n for name, n in sorted(found.items()) if name != "pages"}
    details = {"browser": f"Chromium {version}", "first problems": told[:20]}
    n = f"{found['pages']} pages, each kind in {len(WAYS)} ways: theme by width"
    return Finding(BAR, not any(bad.values()), bad, n, "none: every page is counted", details)


def _spread(site: Path) -> list[tuple[str, str]]:
    """Some pages of hostile text of every kind; the explorer's rows are looked at in the other site."""
    paths = [path for path in sorted(site.glob("*.html")) if path.name != "explore.html"]
    for folder in ("board", "bytes", "cost", "entry", "method", "recipe"):
        paths += sorted(site.glob(f"{folder}/*.html"))[::12]
    return [(path.relative_to(site).as_posix(), "") for path in paths]


def _look(reader: Reader, address: str, theme: str, width: int, found: Counter[str], told: list[str]) -> None:
    seen = reader.open(address, width, theme)
    axe = violations(seen.page)
    foreign = [url for url in seen.requests if not url.startswith(("file://", "data:image/", "about:"))]
    wide = seen.page.evaluate("document.documentElement.scrollWidth") > width
    found.update(pages=1, axe_violations=len(axe), complaints=len(seen.complaints), third_party_requests=len(foreign))
    found.update(too_wide=int(wide))
    told += [f"{address} {theme} {width}: {text}" for text in (*axe, *seen.complaints, *foreign)]
