"""The pages of ranked tables: boards, grids, equal bytes, costs, and aggregates across tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from leaderboard.aggregates import AggregateKey
from leaderboard.boards import Board, BoardKey, primary, sections
from leaderboard.cells import group
from leaderboard.content import Content
from leaderboard.directory import shelves
from leaderboard.equal_bytes import EqualBytes
from leaderboard.files import Item
from leaderboard.lines import Line
from leaderboard.paths import across_path, board_path, bytes_path, cost_path, grid_path
from leaderboard.rendering import page
from leaderboard.wording import per_class

__all__ = ["table_pages"]


def table_pages(content: Content) -> Iterator[Item]:
    """Every page whose first matter is a ranked table."""
    yield from _boards(content)
    yield from _bytes(content)
    yield from _costs(content)
    for found in content.across:
        path = across_path(found.key)
        yield page(path, "across", board=found, figures=content.figures.get(path, ()))


def _boards(content: Content) -> Iterator[Item]:
    grids = [*content.transfer, *content.conditions]
    boards_of, near = sections(content.boards), {}
    for section in {**dict.fromkeys(boards_of), **dict.fromkeys(grid.key.section for grid in grids)}:
        near[section] = shelves(boards_of.get(section, []), [grid for grid in grids if grid.key.section == section])
    seeds = {entry.digest: entry.seeds for entry in content.entries}
    paged = set(seeds)
    first = [board.key for board in primary(content.boards)]
    for board in content.boards:
        path = board_path(board.key)
        yield page(
            path,
            "board",
            board=board,
            near=near[board.key.section],
            others=[key for key in first if key.dataset == board.key.dataset and key.section != board.key.section],
            figures=content.figures.get(path, ()),
            seeds={digest: seeds[digest] for digest in _digests((*board.lines, *board.references)) if digest in seeds},
            paged=sorted(paged & {claim.set for claim in board.claims}),
            also=_also(content, board.key),
        )
    for grid in grids:
        path = grid_path(grid)
        yield page(path, "grid", grid=grid, near=near[grid.key.section], figures=content.figures.get(path, ()))


def _bytes(content: Content) -> Iterator[Item]:
    by_key: dict[BoardKey, list[EqualBytes]] = group(content.bytes_boards, lambda board: board.key)
    fronts = {front.key: front for front in content.fronts}
    for key in dict.fromkeys([*by_key, *fronts]):
        path, boards = bytes_path(key), by_key.get(key, [])
        lines = [line for board in boards for line in (*board.lines, *board.references)]
        front, seeds = fronts.get(key), _seeds(content, lines)
        also = [
            (f"{per_class(board.key.ipc)}", board_path(board.key)) for board in content.boards if _is_of(board, key)
        ]
        figures = content.figures.get(path, ())
        yield page(path, "bytes", key=key, boards=boards, front=front, figures=figures, seeds=seeds, also=also)


def _is_of(board: Board, key: BoardKey) -> bool:
    return board.key._replace(ipc=None) == key


def _costs(content: Content) -> Iterator[Item]:
    for found in content.costs:
        path = cost_path(found.section)
        also = [("the board", board_path(found.board.key))]
        yield page(path, "cost", board=found, figures=content.figures.get(path, ()), also=also)


def _also(content: Content, key: BoardKey) -> list[tuple[str, str]]:
    """Other tables of the sets of a board, (label, path)."""
    plain = key._replace(ipc=None)
    across = AggregateKey(key.recipe, key.track, key.evaluator, key.version, key.metric, key.architecture)
    at_bytes = {one.key for one in content.bytes_boards} | {one.key for one in content.fronts}
    return [
        *([("at equal bytes", bytes_path(plain))] if plain in at_bytes else []),
        *([("what it cost", cost_path(key.section))] if any(one.board.key == key for one in content.costs) else []),
        *([("across tasks", across_path(across))] if any(one.key == across for one in content.across) else []),
    ]


def _digests(lines: Sequence[Line]) -> list[str]:
    return [digest for line in lines for digest in line.cell.digests]


def _seeds(content: Content, lines: Sequence[Line]) -> Mapping[str, Sequence[int]]:
    """Distillation seeds of the sets of some lines, by digest."""
    wanted = set(_digests(lines))
    return {entry.digest: entry.seeds for entry in content.entries if entry.digest in wanted}
