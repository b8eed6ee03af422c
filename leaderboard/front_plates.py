"""Figures of what is weighed against something else: accuracy against bytes and cost, ranks across tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from leaderboard.aggregates import AggregateBoard
from leaderboard.cells import LineKey
from leaderboard.costs import CostBoard, CostLine
from leaderboard.drawing import Drawing
from leaderboard.fronts import Front
from leaderboard.paths import across_path, bytes_path, cost_path, figure_path
from leaderboard.plates import Figure, Table
from leaderboard.plots import Point, critical_difference, front
from leaderboard.wording import absent, details, digits, ends, number, per_class, size, track

__all__ = ["bytes_figure", "cost_figure", "ranks_figure"]


def bytes_figure(found: Front) -> Figure:
    """Accuracy over bytes, with the front."""
    key = found.key
    title = f"Accuracy over bytes on {key.dataset}, {key.architecture}, {key.recipe}, {track(key.track)}"
    rows = [
        (
            _name(one.key),
            _yes(one.on_front),
            str(absent(one.ipc)),
            size(one.bytes),
            number(one.mean),
            ends(one.low, one.high),
        )
        for one in found.points
    ]
    headings = ("Method", "On the front", "Per class", "Bytes", "Mean", "95 % interval")
    points = [Point(one.bytes, one.mean, one.low, one.high, one.key.method, one.on_front) for one in found.points]
    path = figure_path(("bytes", key.dataset, key.recipe), ("bytes", *key))
    caption = "Filled and joined: no other reaches as much with as few bytes. Lines: 95 % intervals."
    draw = _front_of(points, title, "bytes", "accuracy (percent)")
    return Figure(path, title, caption, Table(headings, tuple(rows), 2), bytes_path(key), found, draw)


def cost_figure(found: CostBoard) -> Figure | None:
    """Accuracy over the image passes that making the set took; None below two methods that took any."""
    lines = [one for one in found.lines if one.image_passes.n and one.image_passes.mean > 0 and one.line.cell.sets]
    if len(lines) < 2:
        return None
    key, best, points = found.section, -1e300, []
    for one in sorted(lines, key=lambda one: (one.image_passes.mean, -_sign(found, one))):
        is_best, mean = _sign(found, one) > best, one.line.cell.interval
        best = max(best, _sign(found, one))
        name = one.line.key.method
        points.append(Point(one.image_passes.mean, mean.mean, mean.low, mean.high, name, is_best))
    title = f"Accuracy over the cost of making the set: {key.dataset}, {per_class(key.ipc)}, {key.recipe}"
    places = digits(found.board.unit)
    rows = [(p.name, _yes(p.best), number(p.x, 0), number(p.y, places), ends(p.low, p.high, places)) for p in points]
    table = Table(("Method", "On the front", "Image passes", "Mean", "95 % interval"), tuple(rows), 2)
    path = figure_path(("cost", key.dataset, key.recipe), ("cost", *key))
    caption = "Filled and joined: no other reaches as much with as few passes. What takes none is in the table alone."
    draw = _front_of(points, title, "image passes to make the set", f"{found.board.key.metric} ({found.board.unit})")
    return Figure(path, title, caption, table, cost_path(key), (title, points), draw)


def ranks_figure(found: AggregateBoard) -> Figure | None:
    """The critical-difference diagram; None where there are too few tasks for tests."""
    if found.tests is None:
        return None
    lines = [found.ranked[k] for k in found.tests.order]
    ranks = [(line.method.method, found.tests.mean_ranks[k]) for line, k in zip(lines, found.tests.order, strict=True)]
    ties = [pair for pair in found.tests.ties if pair[0] < pair[1]]
    title = f"Mean ranks over {found.tests.n_tasks} tasks, {found.key.architecture}, {found.key.recipe}"
    rows = [
        (name, ", ".join(other for k, (other, _) in enumerate(ranks) if k != at and _tied(ties, at, k)) or "none",
         number(rank))
        for at, (name, rank) in enumerate(ranks)
    ]  # fmt: skip
    table = Table(("Method", "Not told apart from", "Mean rank"), tuple(rows), 2)
    path = figure_path(("ranks", found.key.recipe, found.key.architecture), ("ranks", *found.key))
    caption = "1 is best in every task. A bar joins methods that Wilcoxon's tests after Holm do not tell apart."
    draw = _ranks_of(ranks, ties, title)
    return Figure(path, title, caption, table, across_path(found.key), (title, ranks, ties), draw)


def _sign(found: CostBoard, one: CostLine) -> float:
    mean = one.line.cell.interval.mean
    return mean if found.board.higher_is_better else -mean


def _front_of(points: Sequence[Point], title: str, x: str, y: str) -> Callable[[], Drawing]:
    return lambda: front(points, title, x, y)


def _ranks_of(ranks: Sequence[tuple[str, float]], ties: Sequence[tuple[int, int]], title: str) -> Callable[[], Drawing]:
    return lambda: critical_difference(ranks, ties, title)


def _tied(ties: Sequence[tuple[int, int]], first: int, second: int) -> bool:
    return any(low <= min(first, second) and max(first, second) <= high for low, high in ties)


def _name(key: LineKey) -> str:
    return ", ".join([key.method, *details(key)])


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
