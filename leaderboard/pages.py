"""Which pages the site has, and what each of them is given. Nothing is read, drawn or written here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmark.problems import TABLE, Explanation
from leaderboard import explorer, protocols
from leaderboard.aggregates import AggregateKey
from leaderboard.boards import Board, BoardKey, Section, sections, sort_key
from leaderboard.content import Content
from leaderboard.directory import Shelf, shelves
from leaderboard.files import Item
from leaderboard.paths import across_path, bytes_path, cost_path, entry_path, method_path, recipe_path
from leaderboard.records import Standing
from leaderboard.rendering import page
from leaderboard.table_pages import table_pages
from leaderboard.wording import per_class, track

__all__ = ["OnBoard", "StateRow", "pages"]

TOP = 8
"""Lines of a board that the front page shows."""


class OnBoard(NamedTuple):
    """Where a set stands on one board."""

    key: BoardKey
    method: str
    rank: int | None
    n_lines: int
    reference: bool
    above_reference: bool


class StateRow(NamedTuple):
    """A set on the page of states."""

    digest: str
    name: str
    path: str
    standing: Standing


def pages(content: Content) -> Iterator[Item]:
    """Every HTML page."""
    yield from _front(content)
    yield from table_pages(content)
    yield from _entries(content)
    yield from _methods(content)
    yield from _about(content)


def _front(content: Content) -> Iterator[Item]:
    grids = [*content.transfer, *content.conditions]
    by_section: dict[Section, list[Board]] = {grid.key.section: [] for grid in grids} | sections(content.boards)
    shown = {}
    for section in sorted(by_section, key=sort_key):
        members = by_section[section]
        found = shelves(members, [grid for grid in grids if grid.key.section == section])
        own, others = _folded(members, found)
        shown[section] = (members[0] if members else None, own, others)
    counts = (len(content.boards), len(content.entries), len(content.methods), content.n_results)
    latest = tuple(content.changes[:3])
    bytes_keys = dict.fromkeys([*(one.key for one in content.bytes_boards), *(one.key for one in content.fronts)])
    beside = {
        "At equal bytes": [(_place(key), bytes_path(key)) for key in bytes_keys],
        "Across tasks": [(_place(one.key), across_path(one.key)) for one in content.across],
        "What it cost": [(_section(one.section), cost_path(one.section)) for one in content.costs],
    }
    has_figures = bool(content.figures.get("figures.html"))
    yield page(
        "index.html",
        "index",
        sections=shown,
        counts=counts,
        top=TOP,
        beside=beside,
        latest=latest,
        has_figures=has_figures,
    )


def _place(key: BoardKey | AggregateKey) -> str:
    words = [getattr(key, "dataset", ""), key.architecture, key.recipe, track(key.track), key.evaluator]
    return ", ".join(filter(None, words))


def _section(section: Section) -> str:
    return f"{section.dataset}, {per_class(section.ipc)}, {section.recipe}, {track(section.track)}"


def _folded(boards: Sequence[Board], found: Sequence[Shelf]) -> tuple[Shelf | None, list[Shelf]]:
    """The shelf of the board that the front page shows, and the others, which it folds."""
    shown = (boards[0].key.evaluator, boards[0].key.version) if boards else None
    own = next((shelf for shelf in found if (shelf.evaluator, shelf.version) == shown), None)
    return own, [shelf for shelf in found if shelf is not own]


def _entries(content: Content) -> Iterator[Item]:
    on: dict[str, list[OnBoard]] = {}
    for board in content.boards:
        for line in (*board.lines, *board.references):
            place = OnBoard(
                board.key, line.key.method, line.rank, len(board.lines), line.reference, line.above_reference
            )
            for digest in line.cell.digests:
                on.setdefault(digest, []).append(place)
    has_page = {entry.digest for entry in content.entries}
    for entry in content.entries:
        path = entry_path(entry.digest)
        standing = content.states.get(entry.digest)
        yield page(
            path,
            "entry",
            entry=entry,
            on=on.get(entry.digest, []),
            gallery=content.galleries.get(entry.digest),
            standing=standing,
            successor_path=entry_path(standing.successor) if standing and standing.successor in has_page else "",
            scan=content.scans.get(entry.digest),
            figures=content.figures.get(path, ()),
        )


def _methods(content: Content) -> Iterator[Item]:
    for method in content.methods:
        path = method_path(method.name)
        yield page(path, "method", method=method, figures=content.figures.get(path, ()))
    listed = [(method.name, len(method.entries), len(method.standings)) for method in content.methods]
    yield page("methods.html", "methods", methods=listed)


def _about(content: Content) -> Iterator[Item]:
    states = {digest: standing.state for digest, standing in content.states.items()}
    columns = [column for column in explorer.COLUMNS if column.shown]
    shown = explorer.shown_rows(content.rows, states)
    first = [(entry_path(row.set) if row.set else "", cells) for row, cells in zip(content.rows, shown, strict=False)]
    yield page("explore.html", "explore", columns=columns, first=first, n_rows=len(content.rows))
    yield page("compare.html", "compare")
    yield page("figures.html", "figures", figures=content.figures.get("figures.html", ()))
    versions = protocols.versions()
    notes = [(note.name, note.digest, note.n_rows, note.summary) for note in content.recipes]
    shared = {"recipes": notes, "evaluators": content.evaluators, "agreements": content.agreements}
    yield page("protocol.html", "protocol", version=versions[-1], versions=versions, **shared)
    for version in versions:
        yield page(f"protocol/v{version}.html", "protocol_version", version=version, newest=versions[-1])
    for recipe in content.recipes:
        yield page(recipe_path(recipe.name, recipe.digest), "recipe", recipe=recipe)
    yield page("status.html", "status", groups=_by_state(content))
    yield page("changes.html", "changes", changes=content.changes)
    yield page("data.html", "data", downloads=content.downloads, n_rows=content.n_results)
    yield page("errors.html", "errors", problems=_problems())
    yield page("404.html", "404")


def _by_state(content: Content) -> list[tuple[str, list[StateRow]]]:
    """Every set by its state, what asks for attention first."""
    order = ("refused", "needs-review", "disputed", "retracted", "superseded", "received", "verified", "scored")
    entries = {entry.digest: entry for entry in content.entries}
    found: dict[str, list[StateRow]] = {}
    for digest, standing in content.states.items():
        entry = entries.get(digest)
        name = f"{', '.join(entry.methods)} on {entry.row.dataset}" if entry else "no result"
        path = entry_path(digest) if entry else ""
        found.setdefault(standing.state, []).append(StateRow(digest, name, path, standing))
    rank = {state: place for place, state in enumerate(order)}
    return [(state, found[state]) for state in sorted(found, key=lambda name: (rank.get(name, len(order)), name))]


def _problems() -> list[tuple[str, Explanation]]:
    """(code, explanation) of everything that a submission can be refused for."""
    return sorted(TABLE.items())
