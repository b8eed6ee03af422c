"""The directory of a section: links to all its boards and grids, by the evaluator whose rows they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.boards import Board, BoardKey
from leaderboard.cells import group
from leaderboard.grids import Grid
from leaderboard.paths import page_path

__all__ = ["Link", "Shelf", "shelves"]


@dataclass(frozen=True)
class Link:
    """One page under what tells it from the others of its shelf."""

    label: str
    key: BoardKey
    path: str


@dataclass(frozen=True)
class Shelf:
    """The pages of one version of one evaluator."""

    evaluator: str
    version: int | None
    links: tuple[Link, ...]


def shelves(boards: Sequence[Board], grids: Sequence[Grid]) -> tuple[Shelf, ...]:
    """One shelf for each evaluator version, in the order of its first page; boards stand before grids."""
    pages: list[Board | Grid] = [*boards, *grids]
    found = group(pages, lambda page: (page.key.evaluator, page.key.version))
    return tuple(Shelf(*key, _links(members)) for key, members in found.items())


def _links(pages: Sequence[Board | Grid]) -> tuple[Link, ...]:
    metrics, architectures = ({getattr(page.key, name) for page in pages} for name in ("metric", "architecture"))

    def label(page: Board | Grid) -> str:
        words = [page.key.metric.replace("_", " ")] if len(metrics) > 1 else []
        if not page.key.architecture:
            words.append("across architectures")
        elif len(architectures) > 1:
            words.append(page.key.architecture)
        return ", ".join(words) or page.key.metric.replace("_", " ")

    return tuple(Link(label(page), page.key, page_path(page)) for page in pages)
