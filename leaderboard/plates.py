"""Which figures the site has, each with its words and its numbers as a table. Nothing is drawn until it is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from leaderboard.boards import Board, BoardKey
from leaderboard.calibrations import Reliability
from leaderboard.cells import Cell, LineKey, group
from leaderboard.drawing import Drawing
from leaderboard.figures import accuracy, drawn_lines, heat, heatmap, transferred
from leaderboard.grids import Grid
from leaderboard.methods import Method
from leaderboard.networks import Networks
from leaderboard.paths import entry_path, figure_path, page_path
from leaderboard.plots import Curve, Point, curves, intervals, reliability, scatter
from leaderboard.wording import count, digits, ends, number, per_class, size, track

STEP = re.compile(r"accuracy_after_step_[0-9]{1,4}")
PROTOCOL = re.compile(r".+?, [0-9]+ steps")
OWN = (" set", "sets made per step", "as stated")
"""Ends of the names of memories that are the method's own; docs/continual_learning.md lists them."""
BESIDE = ("joint training", "fine-tuning")

__all__ = [
    "Figure",
    "Table",
    "board_figure",
    "curve_figures",
    "grid_figure",
    "method_figures",
    "networks_figure",
    "proxy_figures",
    "reliability_figure",
]


@dataclass(frozen=True)
class Table:
    """The numbers of a figure."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int = 1
    """Leading columns that hold words; the others hold numbers."""


@dataclass(frozen=True)
class Figure:
    """A drawing, where its file lies, and what stands beside it."""

    path: str
    title: str
    caption: str
    """How to read it."""
    table: Table
    href: str
    """The page of the whole table; empty where there is none."""
    inputs: object = field(repr=False)
    draw: Callable[[], Drawing] = field(repr=False)

    @property
    def name(self) -> str:
        """Its place on the page of all figures, fit for an address."""
        return "f-" + self.path.removesuffix(".svg").rpartition("-")[2]


def board_figure(board: Board) -> Figure | None:
    """Every method of a board; None where no method has a value."""
    if not any(line.cell.sets for line in board.lines):
        return None
    key = board.key
    what = f"{_capital(key.metric)} by method on {key.dataset}, {per_class(key.ipc)}"
    title = f"{what}, {key.architecture}, {key.recipe}, {track(key.track)}"
    places = digits(board.unit)
    rows = [
        (line.key.method, found.digest[:8], number(found.mean, places), "  ".join(_listed(found.values, places)))
        for line in (*drawn_lines(board), *board.references)
        for found in line.cell.sets
    ]
    table = Table(("Method", "Set", "Mean", "Values by training seed"), tuple(rows), 2)
    caption = "Diamonds and bars: mean and 95 % interval. Dots: single training seeds."
    path = figure_path(("methods", key.dataset, _size(key), key.recipe), ("methods", *key))
    return Figure(path, title, caption, table, page_path(board), board, lambda: accuracy(board, title))


def grid_figure(grid: Grid) -> Figure | None:
    """Methods by architectures; None where no method was tried on two."""
    if not transferred(grid):
        return None
    key, places = grid.key, digits(grid.unit)
    what = f"{_capital(key.metric)} by method and architecture on {key.dataset}, {per_class(key.ipc)}"
    title = f"{what}, {key.recipe}, {track(key.track)}"
    rows = [(line.key.method, *(_mean(found, places) for found in line.cells)) for line in grid.lines]
    table = Table(("Method", *grid.columns), tuple(rows))
    caption = "Brighter is higher. Methods tried on one architecture only are in the table alone."
    path = figure_path(("architectures", key.dataset, _size(key), key.recipe), ("architectures", *key))
    return Figure(path, title, caption, table, page_path(grid), grid, lambda: heatmap(grid, title))


def method_figures(method: Method) -> list[Figure]:
    """IPC scaling and cross-architecture heatmaps of one method."""
    found = []
    for scaling in method.scalings:
        rows = [
            (curve.name, number(point.x, 0), number(point.y), _ends(point))
            for curve in scaling.curves
            for point in curve.points
        ]
        table = Table(("Method", "Images per class", "Mean", "95 % interval"), tuple(rows))
        path = figure_path(("scaling", method.name, scaling.dataset), ("scaling", method.name, *_identity(scaling)))
        draw = _curves_of(scaling.curves, scaling.title, "images per class", "accuracy (percent)", True)
        caption = "Mean and 95 % interval; random-real is what real images drawn by chance give."
        found.append(Figure(path, scaling.title, caption, table, "", scaling, draw))
    for transfer in method.transfers:
        title = f"Accuracy of {method.name} by architecture, {transfer.recipe}"
        cells = zip(transfer.names, transfer.means, strict=True)
        table = Table(("Set", *transfer.columns), tuple((name, *map(number, means)) for name, means in cells))
        path = figure_path(("transfer", method.name), ("transfer", method.name, transfer.recipe))
        draw = _heat_of(transfer.names[:40], transfer.columns, transfer.means[:40], title)
        caption = "Brighter is higher; every cell holds its mean."
        found.append(Figure(path, title, caption, table, "", (title, transfer), draw))
    return found


def curve_figures(grids: Sequence[Grid], whole: Sequence[Grid]) -> list[Figure]:
    """Accuracy after each step of continual learning: a figure for each protocol and number of steps.

    `grids` are those that have pages, to link to; `whole` those of all rows, single points of curves among them.
    """
    found = []
    places = {grid.key._replace(metric=""): page_path(grid) for grid in grids}
    for key, members in group(whole, lambda grid: grid.key._replace(metric="")).items():
        steps = sorted((grid for grid in members if STEP.fullmatch(grid.key.metric)), key=_step)
        conditions = list(dict.fromkeys(name for grid in steps for name in grid.columns))
        sizes = _sizes(members)
        for protocol, names in group(conditions, _protocol).items():
            beside = [name for name in conditions if _is_beside(name, protocol)]
            made = {} if _is_beside(protocol, protocol) else _steps(steps, [*names, *beside], sizes)
            if made and len(steps) > 1:
                curves = [Curve(name, tuple(points)) for name, points in made.items() if len(points) > 1]
                found.append(_curve_figure(key, protocol, curves, places.get(key, "")))
    return found


def _step(grid: Grid) -> int:
    return int(grid.key.metric.rpartition("_")[2])


def _protocol(condition: str) -> str:
    """`gdumb, 5 steps` of `gdumb, 5 steps, joint set`."""
    found = PROTOCOL.match(condition)
    return found[0] if found else condition


def _is_beside(condition: str, protocol: str) -> bool:
    """Whether a condition is what no memory should beat, or every memory must, in as many steps as the protocol's."""
    return condition.startswith(BESIDE) and condition.rpartition(", ")[2] == protocol.rpartition(", ")[2]


def _sizes(grids: Sequence[Grid]) -> dict[tuple[LineKey, str], float]:
    """Bytes of a memory, by the line that it stands beside and the condition."""
    return {
        (line.key, name): cell.interval.mean
        for grid in grids
        if grid.key.metric == "memory_bytes"
        for line in grid.lines
        for name, cell in zip(grid.columns, line.cells, strict=True)
        if cell and cell.sets
    }


def _steps(
    grids: Sequence[Grid], conditions: Sequence[str], sizes: Mapping[tuple[LineKey, str], float]
) -> dict[str, list[Point]]:
    """Points by curve. A method's memory is named with its kind, for a joint set has seen classes to come; what stands
    beside it with its bytes, for those follow the set's."""
    found: dict[str, dict[int, Point]] = {}
    for grid in grids:
        for condition in (name for name in conditions if name in grid.columns):
            memory = condition.removeprefix(_protocol(condition)).lstrip(", ")
            for line in grid.lines:
                cell = line.cells[grid.columns.index(condition)]
                if cell and cell.sets:
                    name = _curve_name(line.key.method, condition, memory, sizes.get((line.key, condition)))
                    seen = cell.interval
                    point = Point(_step(grid), seen.mean, seen.low, seen.high)
                    found.setdefault(name, {}).setdefault(_step(grid), point)  # a method's first line is its best
    return {name: list(points.values()) for name, points in found.items()}


def _curve_name(method: str, condition: str, memory: str, n_bytes: float | None) -> str:
    if not PROTOCOL.match(condition):
        return method
    if memory.endswith(OWN):
        return f"{method}, {memory}"
    name = memory or condition.partition(",")[0].partition(" by ")[0]
    return name if n_bytes is None else f"{name}, {n_bytes / 1000:.1f} kB"


def _curve_figure(key: BoardKey, protocol: str, made: list[Curve], href: str) -> Figure:
    title = f"Continual learning on {key.dataset}, {per_class(key.ipc)}, {key.architecture}: {protocol}"
    rows = [(curve.name, number(point.x, 0), number(point.y), _ends(point)) for curve in made for point in curve.points]
    table = Table(("Method", "Step", "Accuracy", "95 % interval"), tuple(rows))
    path = figure_path(("steps", key.dataset, _size(key), protocol), ("steps", *key, protocol))
    draw = _curves_of(made, title, "step", "accuracy on all classes seen (percent)", False)
    return Figure(path, title, "Mean and 95 % interval after each step.", table, href, (title, made), draw)


def reliability_figure(found: Reliability, name: str) -> Figure:
    """Accuracy over confidence of the networks trained on one set."""
    title = f"Reliability of networks trained on {name}: {found.architecture}, {found.recipe}, {found.evaluator}"
    rows = [(str(k), size(n), number(at, 3), number(right, 3)) for k, (at, right, n) in enumerate(found.bins, 1)]
    table = Table(("Bin", "Images", "Mean confidence", "Accuracy"), tuple(rows))
    path = figure_path(("reliability", found.architecture), ("reliability", *found[:4]))
    caption = "On the dashed line confidence is right; larger dots hold more images."
    return Figure(path, title, caption, table, entry_path(found.set), found, lambda: reliability(found.bins, title))


def networks_figure(found: Networks, name: str) -> Figure:
    """Every network of a space: what it reaches on one set over what it reaches when fully trained."""
    title = f"Networks of {found.space}, fully trained and trained on {name}: {found.recipe}, {found.evaluator}"
    points = [Point(full, short, name=str(k)) for k, full, short in found.networks]
    told = "Spearman's rho {:.2f}, 95 % interval {:.2f} to {:.2f}.".format(*found.rho) if found.rho else ""
    table = Table(
        ("Network", "Fully trained", "Trained on the set"),
        tuple((point.name, number(point.x), number(point.y)) for point in points),
    )
    path = figure_path(("networks", found.space), ("networks", *found[:4]))
    labels = "accuracy on test, fully trained (percent)", "on holdout, trained on the set (percent)"
    caption = f"A dot is a network, its accuracy in percent. {told}".strip()
    return Figure(
        path, title, caption, table, entry_path(found.set), found, lambda: scatter(points, title, *labels, told)
    )


def proxy_figures(grids: Sequence[Grid], whole: Sequence[Grid]) -> list[Figure]:
    """Rank correlation with the truth of each way to rank networks, with the evaluator's own interval.

    `grids` are those that have pages, to link to; `whole` those of all rows, ends of intervals among them.
    """
    found = []
    places = {grid.key: page_path(grid) for grid in grids}
    ends = {grid.key: grid for grid in whole}
    for grid in (grid for grid in whole if grid.key.metric == "spearman"):
        names = ("low", "high", "of_chance")
        low, high, chance = (ends.get(grid.key._replace(metric=f"spearman_{name}")) for name in names)
        for line in grid.lines:
            points = [
                Point(0, cell.interval.mean, _end(low, line.key, name), _end(high, line.key, name), name)
                for name, cell in zip(grid.columns, line.cells, strict=True)
                if cell and cell.sets
            ]
            if points:
                bound = _end(chance, line.key, points[0].name)
                found.append(_proxy_figure(grid.key, line.key, points, bound, places.get(grid.key, "")))
    return found


def _end(grid: Grid | None, key: LineKey, condition: str) -> float:
    """An end of the interval that the evaluator states for a line under a condition; NaN where it states none."""
    if grid is None or condition not in grid.columns:
        return math.nan
    cells = [line.cells[grid.columns.index(condition)] for line in grid.lines if line.key == key]
    return cells[0].interval.mean if cells and cells[0] and cells[0].sets else math.nan


def _proxy_figure(key: BoardKey, line: LineKey, points: list[Point], bound: float, href: str) -> Figure:
    title = f"Rank correlation with fully trained networks: {line.method} on {key.dataset}, {per_class(key.ipc)}"
    told = tuple((point.name, number(point.y, 3), _ends(point, 3)) for point in points)
    table = Table(("Networks ranked by", "Spearman's rho", "95 % interval"), told)
    path = figure_path(("proxy", line.method, key.dataset, _size(key)), ("proxy", *line, *key))
    draw = _intervals_of(points, title, "Spearman's rho")
    caption = "The dashed line is no correlation."
    if not math.isnan(bound):
        caption += f" A ranking by chance lies within {bound:.2f} of it in 95 % of cases."
    return Figure(path, title, caption, table, href, points, draw)


def _curves_of(made: Sequence[Curve], title: str, x: str, y: str, log_x: bool) -> Callable[[], Drawing]:
    return lambda: curves(made, title, x, y, log_x)


def _heat_of(
    names: Sequence[str], columns: Sequence[str], means: Sequence[Sequence[float | None]], title: str
) -> Callable[[], Drawing]:
    return lambda: heat(names, columns, means, title)


def _intervals_of(points: Sequence[Point], title: str, x: str) -> Callable[[], Drawing]:
    return lambda: intervals(points, title, x)


def _identity(scaling: object) -> tuple[object, ...]:
    return tuple(getattr(scaling, name) for name in ("dataset", "recipe", "track", "architecture"))


def _mean(cell: Cell | None, places: int) -> str:
    return "not run" if cell is None else f"{number(cell.interval.mean, places)} ({count(cell.interval.n, cell.over)})"


def _listed(values: Mapping[int | None, float], places: int) -> list[str]:
    return [number(value, places) for value in values.values()]


def _ends(point: Point, places: int = 2) -> str:
    return ends(point.low, point.high, places)


def _size(key: BoardKey) -> str:
    return f"ipc{'any' if key.ipc is None else key.ipc}"


def _capital(metric: str) -> str:
    return metric.replace("_", " ").capitalize()
