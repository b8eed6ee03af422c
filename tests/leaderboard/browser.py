"""A real browser for the tests: Chromium driven by playwright, with everything that a page asks for or complains of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

__all__ = ["BROWSER", "WAYS", "Opened", "Reader", "launched", "templates", "violations"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAYS = (("light", 1280), ("dark", 320), ("light", 320), ("dark", 1280))
"""Theme and width in CSS pixels in which every kind of page is looked at."""
FEW = {"explore.html": "q=full-data"}
"""States in which a page has few rows: axe-core takes seconds for a thousand cells."""


@dataclass
class Opened:
    """A page, and what was noticed since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Console errors and warnings, exceptions, broken policies, dialogs."""
    requests: list[str] = field(default_factory=list)


class Reader:
    """Opens addresses one after another; pages of one theme, width and readiness for scripts share a tab."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._tabs: dict[tuple[str, int, bool], Opened] = {}

    def open(self, address: str, width: int = 1280, theme: str = "light", scripts: bool = True) -> Opened:
        """Load a page; `theme` is that of the reader's system. The tab's earlier page is gone."""
        key = (theme, width, scripts)
        if key not in self._tabs:
            self._tabs[key] = self._tab(*key)
        tab = self._tabs[key]
        tab.page.goto("about:blank")  # else another #fragment alone would load nothing
        tab.complaints.clear()
        tab.requests.clear()
        tab.page.goto(address, wait_until="load")
        return tab

    def _tab(self, theme: str, width: int, scripts: bool) -> Opened:
        context = self._browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        found = Opened(context.new_page())
        said = found.complaints
        found.page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
        found.page.on("pageerror", lambda fault: said.append(str(fault)))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("dialog", lambda dialog: self._dismiss(dialog, said))
        return found

    @staticmethod
    def _dismiss(dialog: Dialog, said: list[str]) -> None:
        said.append(f"dialog {dialog.message}")
        dialog.dismiss()


@contextmanager
def launched() -> Iterator[Browser]:
    """A Chromium that looks nothing up elsewhere."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-background-networking", "--no-first-run", "--disable-gpu"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=flags)
        yield browser
        browser.close()


def templates(site: Path) -> list[tuple[str, str]]:
    """One page of each kind, as (path in the site, state): of the folders the first, and all at the top."""
    kinds = ("board/*-convnet-*", "board/*-architectures-*", "board/*-conditions-*", "entry/*", "method/dm-*")
    more = ("bytes/*", "cost/*", "across/*-convnet-*", "recipe/*", "protocol/*")
    folders = [min(site.glob(f"{kind}.html")) for kind in (*kinds, *more)]
    paths = [path.relative_to(site).as_posix() for path in (*sorted(site.glob("*.html")), *folders)]
    entries = sorted(path.stem for path in site.glob("entry/*.html"))[:2]
    states = FEW | {"compare.html": "&".join(f"{letter}={name}" for letter, name in zip("ab", entries, strict=False))}
    return [(path, states.get(path, "")) for path in paths]


def violations(page: Page) -> list[str]:
    """What axe-core finds in the page as it is: rule, and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, Any] = Axe().run(page, options={"runOnly": RULES, "preload": False}).response
    return [f"{one['id']} x{len(one['nodes'])}: {one['nodes'][0]['html'][:160]}" for one in found["violations"]]
