"""Builds the site: reads stores, reduces, and makes what changed. The same stores give the same bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from leaderboard import explorer
from leaderboard.changes import feed, listing
from leaderboard.content import Content, Download, reduced
from leaderboard.downloads import downloads
from leaderboard.files import Item, place, previous
from leaderboard.pages import pages
from leaderboard.paths import preview_path, scan_path
from leaderboard.plates import Figure
from leaderboard.rendering import static_files
from leaderboard.sources import Source, read
from leaderboard.standings import as_json, tables
from leaderboard.statistics_file import statistics_json

__all__ = ["Summary", "build"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Summary:
    """What a build made."""

    index: Path
    n_boards: int
    n_entries: int
    n_rows: int
    n_files: int
    n_made: int
    """Files that were made; the others were as they should be."""
    seconds: float


def build(roots: Sequence[Path], out: Path, progress: Progress | None = None) -> Summary:
    """Build the site of some stores in the folder `out`; where two stores hold the same thing the first wins.

    `progress` is told (files done, files in all, path). Raises InvalidInput where there are no results or `out` holds
    something else, EnvironmentFault where it cannot be written. A build that was cut off is mended by the next.
    """
    began = time.perf_counter()
    source = read(roots)
    before = previous(out)
    content = reduced(source)
    data = downloads(source.results, {"statistics.json": _statistics(content)})
    content = replace(content, downloads=[Download(*_told(name, body)) for name, body in data.items()])
    items = [*pages(content), *_figures(content), *_files(source, content, data)]
    done = 0

    def tell(path: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, len(items), path)

    n_made = place(items, before, out, tell)
    seconds = time.perf_counter() - began
    n_boards, n_entries, n_rows = len(content.boards), len(content.entries), len(source.results)
    return Summary(out / "index.html", n_boards, n_entries, n_rows, len(items), n_made, seconds)


def _statistics(content: Content) -> bytes:
    across, agreements = content.across, content.agreements
    return statistics_json(content.boards, content.bytes_boards, content.fronts, content.costs, across, agreements)


def _told(name: str, body: bytes) -> tuple[str, int, str]:
    return name, len(body), hashlib.sha256(body).hexdigest()


def _figures(content: Content) -> Iterator[Item]:
    seen = {figure.path: figure for found in content.figures.values() for figure in found}
    for figure in seen.values():
        yield Item(figure.path, (figure.title, figure.inputs), partial(_drawn, figure))


def _drawn(figure: Figure) -> bytes:
    return figure.draw().svg.encode("utf-8")


def _files(source: Source, content: Content, data: Mapping[str, bytes]) -> Iterator[Item]:
    """What is no page and no figure."""
    states = {digest: standing.state for digest, standing in source.states.items()}
    files = {
        **{preview_path(digest): picture.content for digest, picture in source.previews.items()},
        **{scan_path(digest): scan.picture for digest, scan in source.scans.items() if scan.picture},
        **{f"data/{name}": body for name, body in data.items()},
        **explorer.as_files("data/explorer", "RESULTS", explorer.results_data(content.rows, states)),
        **explorer.as_files(
            "data/entries", "ENTRIES", explorer.entries_data(content.entries, content.galleries, states)
        ),
        **static_files(),
        "data/boards.json": as_json(tables(content.boards)),
        "changes.json": listing(content.changes),
        "feed.xml": feed(content.changes),
    }
    for path, body in files.items():
        yield Item(path, hashlib.sha256(body).hexdigest(), partial(bytes, body))
