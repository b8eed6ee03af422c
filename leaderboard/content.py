"""Everything that the pages show: the rows of the stores, reduced and in order, and which figures stand where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboard.aggregates import AggregateBoard, aggregate_boards
from leaderboard.agreements import Agreed, agreements
from leaderboard.boards import Board, boards, primary
from leaderboard.calibrations import reliabilities
from leaderboard.changes import Change, changes
from leaderboard.costs import CostBoard, cost_boards
from leaderboard.entries import Entry, entries
from leaderboard.equal_bytes import EqualBytes, equal_bytes
from leaderboard.front_plates import bytes_figure, cost_figure, ranks_figure
from leaderboard.fronts import Front, fronts
from leaderboard.gallery import Gallery, gallery
from leaderboard.grids import Grid, condition_grids, transfer_grids
from leaderboard.methods import Method, methods
from leaderboard.networks import networks
from leaderboard.paths import method_path, page_path
from leaderboard.plates import (
    Figure,
    board_figure,
    curve_figures,
    grid_figure,
    method_figures,
    networks_figure,
    proxy_figures,
    reliability_figure,
)
from leaderboard.recipes import EvaluatorNote, RecipeNote, evaluator_notes, recipe_notes
from leaderboard.records import Scan, Standing
from leaderboard.sources import Row, Source, rows_of
from leaderboard.studies import without_parts
from leaderboard.wording import per_class

__all__ = ["Content", "Download", "reduced"]


@dataclass(frozen=True)
class Download:
    """A file that the data page offers."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Content:
    """Everything that the pages show."""

    rows: Sequence[Row]
    """Measurements: what several distillation seeds gave alike is one."""
    n_results: int
    """Rows of the result table."""
    boards: Sequence[Board]
    transfer: Sequence[Grid]
    conditions: Sequence[Grid]
    entries: Sequence[Entry]
    galleries: Mapping[str, Gallery]
    bytes_boards: Sequence[EqualBytes]
    fronts: Sequence[Front]
    costs: Sequence[CostBoard]
    across: Sequence[AggregateBoard]
    agreements: Sequence[Agreed]
    methods: Sequence[Method]
    figures: Mapping[str, Sequence[Figure]]
    """By the path of the page that shows them, and all of them under `figures.html`."""
    recipes: Sequence[RecipeNote]
    evaluators: Sequence[EvaluatorNote]
    states: Mapping[str, Standing]
    scans: Mapping[str, Scan]
    changes: Sequence[Change]
    downloads: Sequence[Download]


def reduced(source: Source, downloads: Sequence[Download] = ()) -> Content:
    """Everything that follows from what the stores hold; files that are made of it may join it later."""
    rows = rows_of(source.results)
    paged, cards, said = without_parts(rows), source.cards, source.states
    found, known = boards(paged, cards, said), entries(rows, source)
    states = {digest: standing.state for digest, standing in said.items()}
    names = {entry.digest: _name(entry) for entry in known}
    content = Content(
        rows=rows,
        n_results=len(source.results),
        boards=found,
        transfer=transfer_grids(paged, cards, said),
        conditions=condition_grids(paged, cards, said),
        entries=known,
        galleries={one.digest: strips for one in known if (strips := gallery(one.row, one.card, one.preview))},
        bytes_boards=equal_bytes(paged, cards, said),
        fronts=fronts(paged, cards, said),
        costs=cost_boards(found, cards, source.costs),
        across=aggregate_boards(found),
        agreements=agreements(found),
        methods=methods(found, known, states),
        figures={},
        recipes=recipe_notes(rows),
        evaluators=evaluator_notes(rows),
        states=said,
        scans=source.scans,
        changes=changes([event for one in said.values() for event in one.events], names),
        downloads=downloads,
    )
    whole = condition_grids([row for row in rows if row.condition], cards, said)
    return replace(content, figures=_figures(content, whole))


def _name(entry: Entry) -> str:
    return f"{', '.join(entry.methods)} on {entry.row.dataset}, {per_class(entry.row.ipc)}"


def _figures(content: Content, whole: Sequence[Grid]) -> dict[str, list[Figure]]:
    """Figures by the page that shows them; `whole`: grids of all rows, parts of numbers among them."""
    reliable, trained = reliabilities(content.rows), networks(content.rows)
    of_sets = [(entry.digest, _name(entry)) for entry in content.entries]
    placed = [
        *((page_path(board), board_figure(board)) for board in primary(content.boards)),
        *((page_path(grid), grid_figure(grid)) for grid in content.transfer),
    ]
    linked = [
        *map(bytes_figure, content.fronts),
        *map(cost_figure, content.costs),
        *map(ranks_figure, content.across),
        *curve_figures(content.conditions, whole),
        *proxy_figures(content.conditions, whole),
        *(reliability_figure(one, name) for digest, name in of_sets for one in reliable.get(digest, ())),
        *(networks_figure(one, name) for digest, name in of_sets for one in trained.get(digest, ())),
    ]
    by_page: dict[str, list[Figure]] = {}
    for path, figure in [*placed, *((figure.href, figure) for figure in linked if figure)]:
        if figure:
            by_page.setdefault("figures.html", []).append(figure)
            if path:
                by_page.setdefault(path, []).append(figure)
    for method in content.methods:
        by_page[method_path(method.name)] = method_figures(method)
    return by_page
