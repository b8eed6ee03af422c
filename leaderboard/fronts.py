"""The front of accuracy and bytes: what no other set beats with as few bytes, and the share of the plane it holds.

The hypervolume is taken in the rectangle from the bytes of one real image per class to those of the whole training
data, on a logarithmic axis, and from chance to 100 %: 0 is chance everywhere, 1 is 100 % at one image per class. A
front is the best of several noisy means, so it lies a little too high; the means' intervals stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.boards import BoardKey, board_key, sort_key
from leaderboard.cells import CONTROLS, LineKey, group, is_reference
from leaderboard.equal_bytes import METRIC, lines_by_size
from leaderboard.facts import budgets, chance, whole
from leaderboard.lines import Stated, is_ranked
from leaderboard.sources import Card, Row

__all__ = ["Front", "FrontPoint", "fronts", "hypervolume"]


@dataclass(frozen=True)
class FrontPoint:
    """One method at one size."""

    key: LineKey
    ipc: int | None
    bytes: int
    mean: float
    low: float
    high: float
    """Ends of the 95 % interval; NaN where there is none."""
    on_front: bool
    """Whether no other reaches its accuracy with as few bytes, or a higher one."""


@dataclass(frozen=True)
class Front:
    """All sizes and methods of one place."""

    key: BoardKey
    """Without images per class."""
    points: tuple[FrontPoint, ...]
    """By bytes, then best first."""
    hypervolume: float | None
    """In 0..1; None where the dataset is not registered."""
    by_method: tuple[tuple[LineKey, float], ...]
    """The hypervolume of each method's own sizes, largest first, keys without bytes; empty where there is none."""


def fronts(rows: Sequence[Row], cards: Mapping[str, Card], states: Mapping[str, Stated] | None = None) -> list[Front]:
    """One front for each place where accuracy was measured plainly at two numbers of bytes or more."""
    plain = [row for row in rows if not row.condition and row.metric == METRIC and row.unit == "percent"]
    allowed = [row for row in plain if not is_reference(row) and is_ranked(row.set, states or {})]
    by_place = group(allowed, lambda row: board_key(row)._replace(ipc=None))
    found = [_front(key, by_place[key], cards) for key in sorted(by_place, key=sort_key)]
    return [front for front in found if len({point.bytes for point in front.points}) > 1]


def hypervolume(points: Sequence[tuple[int, float]], low_bytes: int, high_bytes: int, floor: float) -> float:
    """Share of the rectangle (log bytes by percent, `floor` to 100) that points (bytes, accuracy) hold."""
    inside = sorted((max(size, low_bytes), mean) for size, mean in points if size <= high_bytes)
    ends = [*(size for size, _ in inside[1:]), high_bytes] if inside else []
    held, best = 0.0, floor
    for (size, mean), end in zip(inside, ends, strict=True):
        best = max(best, mean)
        held += (best - floor) * (math.log(end) - math.log(size))
    return held / ((100 - floor) * math.log(high_bytes / low_bytes))


def _front(key: BoardKey, rows: Sequence[Row], cards: Mapping[str, Card]) -> Front:
    cells, ipcs = lines_by_size(rows, cards, {})
    known = [
        (name, name.bytes, found.interval)
        for name, found in cells.items()
        if found.sets and name.bytes and name.method not in CONTROLS
    ]
    order = sorted(known, key=lambda one: (one[1], -one[2].mean, tuple(map(str, one[0]))))
    points, best = [], -math.inf
    for name, size, interval in order:
        on_front = interval.mean > best
        best = max(best, interval.mean)
        points.append(FrontPoint(name, ipcs[name], size, interval.mean, interval.low, interval.high, on_front))
    low, high, floor = next((one.bytes for one in budgets(key.dataset)), None), whole(key.dataset), chance(key.dataset)
    if low is None or high is None or floor is None:
        return Front(key, tuple(points), None, ())
    own = group(points, lambda point: point.key._replace(bytes=None))
    shares = {name: _share(members, low, high, floor) for name, members in own.items()}
    by_method = tuple(sorted(shares.items(), key=lambda item: (-item[1], tuple(map(str, item[0])))))
    return Front(key, tuple(points), _share(points, low, high, floor), by_method)


def _share(points: Sequence[FrontPoint], low: int, high: int, floor: float) -> float:
    return hypervolume([(point.bytes, point.mean) for point in points], low, high, floor)
