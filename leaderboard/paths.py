"""Where each page and file of the site lies. A name holds readable words and a hash, never a stranger's characters."""

from __future__ import annotations

import re

from leaderboard.aggregates import AggregateKey
from leaderboard.boards import Board, BoardKey, Section
from leaderboard.grids import Grid
from leaderboard.text import page_name

__all__ = [
    "across_path",
    "board_path",
    "bytes_path",
    "cost_path",
    "entry_path",
    "figure_path",
    "grid_path",
    "method_path",
    "page_path",
    "preview_path",
    "recipe_path",
    "scan_path",
]

DIGEST = re.compile(r"[0-9a-f]{64}")


def board_path(key: BoardKey) -> str:
    return f"board/{page_name((key.dataset, _ipc(key), key.architecture, key.recipe, key.track), key)}.html"


def grid_path(grid: Grid) -> str:
    """Transfer grids have no architecture in their key; conditions have."""
    what = "conditions" if grid.key.architecture else "architectures"
    return f"board/{page_name((grid.key.dataset, _ipc(grid.key), what, grid.key.recipe), (what, *grid.key))}.html"


def page_path(of: Board | Grid) -> str:
    return board_path(of.key) if isinstance(of, Board) else grid_path(of)


def figure_path(words: tuple[object, ...], key: tuple[object, ...]) -> str:
    return f"figure/{page_name(words, key)}.svg"


def entry_path(digest: str) -> str:
    """A set's page: its digest is its permanent address."""
    return f"entry/{digest if DIGEST.fullmatch(digest) else page_name(('set',), (digest,))}.html"


def bytes_path(key: BoardKey) -> str:
    """Boards at equal bytes: of a key without images per class."""
    return f"bytes/{page_name((key.dataset, key.architecture, key.recipe, key.track), key)}.html"


def cost_path(section: Section) -> str:
    return f"cost/{page_name((section.dataset, f'ipc{section.ipc}', section.recipe, section.track), section)}.html"


def across_path(key: AggregateKey) -> str:
    return f"across/{page_name((key.recipe, key.track, key.architecture), key)}.html"


def method_path(method: str) -> str:
    return f"method/{page_name((method,), (method,))}.html"


def recipe_path(name: str, digest: str) -> str:
    """A recipe's page is frozen by its digest; without one, by the hash of its name."""
    words = page_name((name,), (name, digest))
    return f"recipe/{words[:-10]}{digest[:12]}.html" if DIGEST.fullmatch(digest) else f"recipe/{words}.html"


def preview_path(digest: str) -> str:
    return f"preview/{digest}.png"


def scan_path(digest: str) -> str:
    """The picture of a contamination scan."""
    return f"scan/{digest}.png"


def _ipc(key: BoardKey) -> str:
    return f"ipc{'any' if key.ipc is None else key.ipc}"
