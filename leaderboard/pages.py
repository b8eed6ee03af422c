"""Renders the pages: content in, bytes of HTML by path out. Nothing is read or written here.

The templates run with autoescape always on, whatever their suffix, and every text goes through `visible` before it is
escaped. The pages' policy allows no inline style, no inline script and nothing from another host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboard import wording
from leaderboard.boards import Board, BoardKey, Line, Section, primary, sections, sort_key
from leaderboard.cells import CONTROLS, Cell
from leaderboard.directory import Shelf, shelves
from leaderboard.entries import Entry
from leaderboard.figures import Drawing
from leaderboard.grids import Grid
from leaderboard.marks import Scale, mark, scale_of
from leaderboard.recipes import EvaluatorNote, RecipeNote
from leaderboard.text import page_name, safe_url, shorten, visible

__all__ = [
    "Content",
    "Download",
    "Figure",
    "board_path",
    "entry_path",
    "figure_path",
    "grid_path",
    "page_path",
    "preview_path",
    "render",
    "static_files",
]

HERE = Path(__file__).parent
TOP = 8
"""Lines of a board that the front page shows."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Figure:
    """A drawing, where its file lies, and what it draws."""

    path: str
    drawing: Drawing
    of: Board | Grid


@dataclass(frozen=True)
class Download:
    """A file that the data page offers."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Content:
    """Everything that the pages show."""

    boards: Sequence[Board]
    transfer: Sequence[Grid]
    conditions: Sequence[Grid]
    entries: Sequence[Entry]
    figures: Sequence[Figure]
    recipes: Sequence[RecipeNote]
    evaluators: Sequence[EvaluatorNote]
    downloads: Sequence[Download]
    n_rows: int


def board_path(key: BoardKey) -> str:
    return f"board/{page_name((key.dataset, _ipc(key), key.architecture, key.recipe, key.track), key)}.html"


def grid_path(grid: Grid) -> str:
    """Transfer grids have no architecture in their key; conditions have."""
    what = "conditions" if grid.key.architecture else "architectures"
    return f"board/{page_name((grid.key.dataset, _ipc(grid.key), what, grid.key.recipe), (what, *grid.key))}.html"


def page_path(of: Board | Grid) -> str:
    return board_path(of.key) if isinstance(of, Board) else grid_path(of)


def figure_path(key: BoardKey, what: str) -> str:
    return f"figure/{page_name((what, key.dataset, _ipc(key), key.recipe), (what, *key))}.svg"


def entry_path(digest: str) -> str:
    """A set's page: its digest is its permanent address."""
    return f"entry/{digest if DIGEST.fullmatch(digest) else page_name(('set',), (digest,))}.html"


def preview_path(digest: str) -> str:
    return f"preview/{digest}.png"


def render(content: Content) -> dict[str, bytes]:
    """Every HTML page by its path in the site."""
    grids = [*content.transfer, *content.conditions]
    by_section: dict[Section, list[Board]] = {grid.key.section: [] for grid in grids} | sections(content.boards)
    by_section = {section: by_section[section] for section in sorted(by_section, key=sort_key)}
    by_evaluator = {
        section: shelves(members, [grid for grid in grids if grid.key.section == section])
        for section, members in by_section.items()
    }
    fronts = {section: _front(by_section[section], found) for section, found in by_evaluator.items()}
    figures = {figure.of.key: figure for figure in content.figures}
    pages = {
        "index.html": _page("index", content=content, sections=by_section, directories=fronts, top=TOP),
        "figures.html": _page("figures", content=content),
        "protocol.html": _page("protocol", content=content),
        "data.html": _page("data", content=content),
    }
    seeds = {entry.digest: entry.seeds for entry in content.entries}
    shared = {"root": "../", "content": content, "seeds": seeds}
    for board in content.boards:
        near = by_evaluator[board.key.section]
        others = [found for found in primary(content.boards) if found.key.dataset == board.key.dataset]
        figure = figures.get(board.key)
        pages[board_path(board.key)] = _page("board", **shared, board=board, near=near, others=others, figure=figure)
    for grid in grids:
        near = by_evaluator[grid.key.section]
        pages[grid_path(grid)] = _page("grid", **shared, grid=grid, near=near, figure=figures.get(grid.key))
    on_boards = _boards_by_set(content.boards)
    for entry in content.entries:
        pages[entry_path(entry.digest)] = _page("entry", **shared, entry=entry, on=on_boards.get(entry.digest, []))
    return {path: text.encode("utf-8") for path, text in pages.items()}


def _front(boards: Sequence[Board], found: Sequence[Shelf]) -> tuple[Shelf | None, list[Shelf]]:
    """The shelf of the board that the front page shows, and the others, which it folds."""
    shown = (boards[0].key.evaluator, boards[0].key.version) if boards else None
    own = next((shelf for shelf in found if (shelf.evaluator, shelf.version) == shown), None)
    return own, [shelf for shelf in found if shelf is not own]


def _boards_by_set(boards: Sequence[Board]) -> dict[str, list[tuple[Board, Line]]]:
    found: dict[str, list[tuple[Board, Line]]] = {}
    for board in boards:
        for line in (*board.lines, *board.references):
            for digest in line.cell.digests:
                found.setdefault(digest, []).append((board, line))
    return found


def _ipc(key: BoardKey) -> str:
    return f"ipc{'any' if key.ipc is None else key.ipc}"


def _page(name: str, **values: object) -> str:
    template = _environment().get_template(f"{name}.html")
    return template.render({"root": "", **values})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in wording.__all__:
        environment.filters[name] = getattr(wording, name)
    environment.globals["details"] = wording.details
    environment.filters |= {"shorten": shorten, "safe_url": safe_url}
    environment.globals |= {
        "CONTROLS": CONTROLS,
        "board_path": board_path,
        "entry_path": entry_path,
        "grid_path": grid_path,
        "mark": mark,
        "page_path": page_path,
        "preview_path": preview_path,
        "scale_of": _scale_of,
    }
    return environment


def _scale_of(cells: Sequence[Cell | None], unit: str) -> Scale:
    return scale_of([found for found in cells if found is not None], unit)


def static_files() -> Mapping[str, bytes]:
    """Style sheet and icon, by their paths in the site."""
    return {f"static/{file.name}": file.read_bytes() for file in sorted((HERE / "static").iterdir())}
