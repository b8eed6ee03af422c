"""Figures of two numbers against each other: curves, fronts, rank diagrams, agreement, reliability.

Each takes plain values, so that whoever has the numbers can draw them, and gives a `Drawing` that says them in words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboard.drawing import (
    INKS,
    SERIES,
    Drawing,
    canvas,
    finish,
    label,
    our_style,
    plain_axes,
)

__all__ = ["Curve", "Point", "critical_difference", "curves", "front", "intervals", "reliability", "scatter"]

INK, MUTED, RULE, ACCENT, DOT, PAPER = (INKS[k][0] for k in ("ink", "muted", "rule", "accent", "dot", "paper"))
MARKERS = "osD^vPXh"
MOST = len(SERIES)
"""Curves in one figure; the table beside it holds all."""


@dataclass(frozen=True)
class Point:
    """A mean at a place, with its interval where there is one."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    name: str = ""
    best: bool = False
    """Whether it lies on the front."""

    @property
    def told(self) -> str:
        ends = "" if math.isnan(self.low) else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.y:.2f}{ends} at {self.x:,.6g}"


@dataclass(frozen=True)
class Curve:
    """Points that a line joins."""

    name: str
    points: tuple[Point, ...]


def curves(found: Sequence[Curve], title: str, x_label: str, y_label: str, log_x: bool = False) -> Drawing:
    """Up to eight curves with their 95 % intervals, each with an ink and a marker of its own."""
    shown = found[:MOST]
    with our_style():
        lines = -(-len(shown) // 2)
        figure, axes = plain_axes(2.5, below=0.55 + 0.2 * lines)
        if log_x:
            axes.set_xscale("log")
        for k, one in enumerate(shown):
            x, y = [point.x for point in one.points], [point.y for point in one.points]
            axes.plot(x, y, color=SERIES[k], marker=MARKERS[k], ms=4.5, linewidth=1.6, label=label(one.name))
            for point in one.points:
                if not math.isnan(point.low):
                    axes.plot([point.x] * 2, [point.low, point.high], color=SERIES[k], linewidth=1)
        places = sorted({point.x for one in shown for point in one.points})
        if 0 < len(places) <= 10:
            axes.set_xticks(places, [f"{place:g}" for place in places])
            axes.minorticks_off()
        _labels(axes, x_label, y_label)
        _legend(figure)
        told = [f"{one.name}: {', '.join(point.told for point in one.points)}" for one in found]
        return finish(figure, title, "; ".join(told))


def front(points: Sequence[Point], title: str, x_label: str, y_label: str) -> Drawing:
    """Points over a logarithmic cost; those that nothing cheaper beats are filled, named and joined by steps."""
    with our_style():
        figure, axes = plain_axes(3.0)
        axes.set_xscale("log")
        best = sorted((point for point in points if point.best), key=lambda point: point.x)
        if best:
            axes.step([p.x for p in best], [p.y for p in best], where="post", color=ACCENT, linewidth=1.4)
        for point in points:
            if not math.isnan(point.low):
                axes.plot([point.x] * 2, [point.low, point.high], color=ACCENT if point.best else DOT, linewidth=1)
            ink, edge = (ACCENT, PAPER) if point.best else (PAPER, MUTED)
            axes.plot([point.x], [point.y], "o", ms=6, mew=1, color=ink, mec=edge)
        middle = math.sqrt(points[0].x * points[-1].x) if points else 1.0
        for k, point in enumerate(best[-8:]):
            side = 1 if point.x <= middle else -1
            at, ha = (4 * side, -11 if k % 2 else 5), "left" if side > 0 else "right"
            place, words = (point.x, point.y), label(point.name, 16)
            axes.annotate(words, place, at, textcoords="offset points", ha=ha, color=INK, fontsize=8)
        axes.margins(0.1)
        axes.minorticks_off()
        ticks = _round_ticks([point.x for point in points])
        axes.set_xticks(ticks, [_compact(tick) for tick in ticks])
        _labels(axes, x_label, y_label)
        told = [f"{p.name} {p.told}{', on the front' if p.best else ''}" for p in points]
        return finish(figure, title, "; ".join(told))


def critical_difference(ranks: Sequence[tuple[str, float]], ties: Sequence[tuple[int, int]], title: str) -> Drawing:
    """Mean ranks over tasks, best first, after Demšar (JMLR 7, 2006).

    `ties` are first and last index of each group within which no difference was found; a bar joins it.
    """
    rows = len(ranks)
    with our_style():
        figure, axes = canvas([name for name, _ in ranks], height=0.3, margins=(0.1, 0.5))
        low, high = 1.0, max([2.0, *(math.ceil(rank) for _, rank in ranks)])
        for y, (_, rank) in enumerate(ranks):
            axes.plot([low, rank], [y, y], color=RULE, linewidth=0.8)
            axes.plot([rank], [y], "D", color=ACCENT, ms=6, mec=PAPER, mew=1)
            axes.annotate(f"{rank:.2f}", (rank, y), (7, -3), textcoords="offset points", color=INK, fontsize=8)
        room = 0.16 * (high - low)
        for k, (first, last) in enumerate(ties):
            x = high + room * (1 + k)
            axes.plot([x, x], [first - 0.25, last + 0.25], color=INK, linewidth=3, solid_capstyle="butt")
        axes.set_xlim(low - 0.02 * (high - low), high + room * (len(ties) + 1))
        axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high and tick == int(tick)])
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlabel("mean rank over tasks, 1 is best", color=MUTED, fontsize=8)
        told = "; ".join(f"{name} {rank:.2f}" for name, rank in ranks)
        groups = "; ".join(f"{ranks[a][0]} to {ranks[b][0]}" for a, b in ties)
        return finish(figure, title, f"Mean ranks: {told}. Not told apart: {groups or 'none'}")


def intervals(points: Sequence[Point], title: str, x_label: str, zero: bool = True) -> Drawing:
    """One row a name: a dot with its interval; `y` of each point is the number."""
    with our_style():
        figure, axes = canvas([point.name for point in points], height=0.34, margins=(0.1, 0.5))
        for k, point in enumerate(points):
            if not math.isnan(point.low):
                axes.plot([point.low, point.high], [k, k], color=ACCENT, linewidth=3, solid_capstyle="butt")
            axes.plot([point.y], [k], "D", color=ACCENT, ms=6, mec=PAPER, mew=1)
        if zero:
            axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.set_xlabel(label(x_label, 60), color=MUTED, fontsize=9)
        axes.set_ylim(max(1, len(points)) - 0.5, -0.5)
        told = [f"{point.name} {point.y:.3f} ({point.low:.3f} to {point.high:.3f})" for point in points]
        return finish(figure, title, "; ".join(told))


def reliability(bins: Sequence[tuple[float, float, int]], title: str) -> Drawing:
    """Accuracy over confidence by bin, both 0 to 1, beside the diagonal on which they are equal.

    Each bin is (mean confidence, accuracy, images); the area of a dot goes with its images.
    """
    most = max((n for _, _, n in bins), default=1)
    with our_style():
        figure, axes = plain_axes(3.0)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for confidence, right, n in bins:
            axes.plot([confidence] * 2, [confidence, right], color=DOT, linewidth=1)
            size = 3 + 7 * math.sqrt(n / most)
            axes.plot([confidence], [right], "o", color=ACCENT, ms=size, mec=PAPER, mew=1)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        _labels(axes, "confidence", "accuracy")
        told = [f"{n} images at confidence {confidence:.3f}: accuracy {right:.3f}" for confidence, right, n in bins]
        return finish(figure, title, "; ".join(told))


def scatter(points: Sequence[Point], title: str, x_label: str, y_label: str, told: str) -> Drawing:
    """A dot for each point; `told` stands in the description."""
    with our_style():
        figure, axes = plain_axes(3.0)
        axes.plot(
            [point.x for point in points], [point.y for point in points], "o", color=ACCENT, ms=5, mec=PAPER, mew=1
        )
        _labels(axes, x_label, y_label)
        return finish(figure, title, told + " " + "; ".join(point.told for point in points))


def _round_ticks(values: Sequence[float]) -> list[float]:
    """At most six round numbers over the range of positive values: powers of ten, or 1, 2 and 5 times these."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    fine = [size * 10.0**power for power in range(low, high + 1) for size in (1, 2, 5)]
    inside = [tick for tick in fine if min(values) * 0.8 <= tick <= max(values) * 1.25]
    powers = [10.0**power for power in range(low, high + 1)]
    return inside if 0 < len(inside) <= 6 else powers[:: 1 + len(powers) // 6]


def _compact(value: float) -> str:
    """`500`, `20 k`, `3 M`."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def _labels(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(label(x_label, 60), color=MUTED, fontsize=9)
    axes.set_ylabel(label(y_label, 40), color=MUTED, fontsize=9)


def _legend(figure: Figure) -> None:
    found = figure.legend(
        loc="lower left", bbox_to_anchor=(0.1, 0.0), ncols=2, frameon=False, fontsize=8, handlelength=2.4, borderpad=0
    )
    for text in found.get_texts():
        text.set_color(INK)
