"""Builds the site: reads stores, reduces, draws, renders, and puts the files in place.

The same stores give the same bytes. A folder that holds something else than a site of ours is never written into, and
only files that an earlier build listed are ever removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.errors import EnvironmentFault, InvalidInput
from leaderboard.boards import Board, boards, primary
from leaderboard.downloads import downloads
from leaderboard.entries import entries
from leaderboard.figures import accuracy, heatmap, transferred
from leaderboard.grids import Grid, condition_grids, transfer_grids
from leaderboard.pages import Content, Download, Figure, figure_path, preview_path, render, static_files
from leaderboard.recipes import evaluator_notes, recipe_notes
from leaderboard.sources import Source, read, rows_of
from leaderboard.studies import without_parts
from leaderboard.wording import per_class, track

__all__ = ["Summary", "build"]

MANIFEST = "site.json"
"""Lists a site's files and their sha256; its presence marks a folder as ours."""
STAGING = ".staging"
FORMAT = 1


@dataclass(frozen=True)
class Summary:
    """What a build made."""

    index: Path
    n_boards: int
    n_entries: int
    n_rows: int
    seconds: float


def build(roots: Sequence[Path], out: Path) -> Summary:
    """Build the site of some stores in the folder `out`; where two stores hold the same thing the first wins.

    Raises InvalidInput where there are no results or `out` holds something else, EnvironmentFault where it cannot be
    written. A build that was cut off is mended by the next.
    """
    began = time.perf_counter()
    source = read(roots)
    previous = _previous(out)
    content, files = _site(source)
    _place(files, previous, out)
    seconds = time.perf_counter() - began
    return Summary(out / "index.html", len(content.boards), len(content.entries), content.n_rows, seconds)


def _site(source: Source) -> tuple[Content, dict[str, bytes]]:
    """The content of the pages, and every file by its path."""
    rows = rows_of(source.results)
    paged = without_parts(rows)
    found = boards(paged, source.cards)
    transfer, conditions = transfer_grids(paged, source.cards), condition_grids(paged, source.cards)
    figures = [
        *(_accuracy(board) for board in primary(found) if any(line.cell.sets for line in board.lines)),
        *(_heatmap(grid) for grid in transfer if transferred(grid)),
    ]
    data = downloads(source.results)
    sums = [Download(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in data.items()]
    content = Content(
        boards=found,
        transfer=transfer,
        conditions=conditions,
        entries=entries(rows, source),
        figures=figures,
        recipes=recipe_notes(rows),
        evaluators=evaluator_notes(rows),
        downloads=sums,
        n_rows=len(source.results),
    )
    files = {
        **render(content),
        **{figure.path: figure.drawing.svg.encode("utf-8") for figure in figures},
        **{preview_path(digest): picture.content for digest, picture in source.previews.items()},
        **{f"data/{name}": body for name, body in data.items()},
        **static_files(),
    }
    return content, files


def _accuracy(board: Board) -> Figure:
    key = board.key
    what = f"{key.metric.capitalize()} by method on {key.dataset}, {per_class(key.ipc)}"
    title = f"{what}, {key.architecture}, {key.recipe}, {track(key.track)}"
    return Figure(figure_path(key, "methods"), accuracy(board, title), board)


def _heatmap(grid: Grid) -> Figure:
    key = grid.key
    what = f"{key.metric.capitalize()} by method and architecture on {key.dataset}, {per_class(key.ipc)}"
    title = f"{what}, {key.recipe}, {track(key.track)}"
    return Figure(figure_path(key, "architectures"), heatmap(grid, title), grid)


def _previous(out: Path) -> dict[str, str]:
    """The files of the site that lies in `out`, by path; raises InvalidInput where something else lies there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return {}
    try:
        stored = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return {str(path): str(sha256) for path, sha256 in stored["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidInput(
            f"{out} holds something else than a site (no readable {MANIFEST}). Fix: name a new or empty folder."
        ) from fault


def _place(files: Mapping[str, bytes], previous: Mapping[str, str], out: Path) -> None:
    """Write what changed and remove what is gone, between two manifests that both list every file of ours."""
    sums = {path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)}
    staging = out / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)  # left by a build that was cut off
        staging.mkdir(parents=True)
        _write(out / MANIFEST, _manifest({**previous, **dict.fromkeys(sums, "")}), staging)
        for path in sums:
            if not (out / path).is_file() or (out / path).read_bytes() != files[path]:
                _write(out / path, files[path], staging)
        for path in sorted(set(previous) - set(sums)):
            if _inside(path):
                (out / path).unlink(missing_ok=True)
        _write(out / MANIFEST, _manifest(sums), staging)
        staging.rmdir()
    except OSError as fault:
        raise EnvironmentFault(
            f"cannot write the site in {out}: {fault.strerror}. Fix: check the folder and try again."
        ) from fault


def _manifest(sums: Mapping[str, str]) -> bytes:
    return (json.dumps({"format": FORMAT, "files": dict(sorted(sums.items()))}, indent=1) + "\n").encode("ascii")


def _inside(path: str) -> bool:
    """Whether a path that a file told us is one that a site may hold."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not PurePosixPath(path).is_absolute() and ".." not in parts


def _write(target: Path, content: bytes, staging: Path) -> None:
    """Put a file in place whole. Not synced: a site can be built again at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = staging / "file"
    staged.write_bytes(content)
    os.replace(staged, target)
