"""Figures of tables: accuracy by method as dots and intervals, and methods by architectures as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from leaderboard.boards import Board, Line
from leaderboard.drawing import INKS, Drawing, canvas, column_inches, finish, label, our_style
from leaderboard.grids import Grid, GridLine
from leaderboard.marks import scale_of

__all__ = ["accuracy", "drawn_lines", "heat", "heatmap", "transferred"]

INK, MUTED, RULE, ACCENT, DOT, PAPER = (INKS[k][0] for k in ("ink", "muted", "rule", "accent", "dot", "paper"))
LANES = 3
"""Rows of dots below a bar."""
MOST_LINES = 40
"""Lines that one figure holds; the table beside it holds all."""
LONGEST_COLUMN = 14
MOST_DOTS = 30
"""Dots a set; more are one blot."""


def accuracy(board: Board, title: str) -> Drawing:
    """Mean and 95 % interval of each method of a board as diamond and bar, single seeds as dots."""
    lines = drawn_lines(board)
    shown = [*lines, *(line for line in board.references if line.cell.sets)]
    scale = scale_of((line.cell for line in shown), board.unit)
    with our_style():
        figure, axes = canvas([_name(line) for line in shown], height=0.33, margins=(0.1, 0.5))
        for y, line in enumerate(shown):
            _draw_line(axes, y, line)
        if len(shown) > len(lines) > 0:
            axes.axhline(len(lines) - 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlim(scale.low, scale.high)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.set_xlabel(f"{label(board.key.metric)} ({label(board.unit)})", color=MUTED, fontsize=9)
        return finish(figure, title, _told(shown))


def drawn_lines(board: Board) -> list[Line]:
    """The lines that a figure of a board holds: the first that have a value."""
    return [line for line in board.lines if line.cell.sets][:MOST_LINES]


def transferred(grid: Grid) -> list[GridLine]:
    """The lines of a grid that were tried in more than one column."""
    return [line for line in grid.lines if sum(bool(found and found.sets) for found in line.cells) > 1]


def heatmap(grid: Grid, title: str) -> Drawing:
    """Mean of each method in each column of a grid."""
    lines = transferred(grid)[:MOST_LINES]
    means = [[found.interval.mean if found and found.sets else None for found in line.cells] for line in lines]
    return heat([line.key.method for line in lines], grid.columns, means, title)


def heat(names: Sequence[str], columns: Sequence[str], means: Sequence[Sequence[float | None]], title: str) -> Drawing:
    """Each number as a coloured cell with its number in it; hatched where nothing was run."""
    known = [mean for row in means for mean in row if mean is not None]
    low, high = min(known), max(known)
    with our_style():
        room = column_inches(names) / len(columns) / 0.08  # characters over one column
        slanted = max(len(label(name, LONGEST_COLUMN)) for name in columns) > room
        figure, axes = canvas(names, height=0.4, margins=(0.85 if slanted else 0.3, 0.1), right=0.8 if slanted else 0.2)
        for y, row in enumerate(means):
            for x, mean in enumerate(row):
                share = None if mean is None else (mean - low) / (high - low) if high > low else 0.5
                _draw_cell(axes, x, y, share, "not run" if mean is None else f"{mean:.1f}")
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_xticks(range(len(columns)), [label(name, LONGEST_COLUMN) for name in columns], color=INK, fontsize=9)
        axes.xaxis.tick_top()
        if slanted:
            for tick in axes.get_xticklabels():
                tick.set(rotation=35, ha="left", rotation_mode="anchor")
        axes.tick_params(length=0)
        told = [f"{name}: {_pairs(columns, row)}" for name, row in zip(names, means, strict=True)]
        return finish(figure, title, "; ".join(told))


def _pairs(columns: Sequence[str], means: Sequence[float | None]) -> str:
    told = ["not run" if mean is None else f"{mean:.1f}" for mean in means]
    return ", ".join(f"{name} {text}" for name, text in zip(columns, told, strict=True))


def _told(lines: Sequence[Line]) -> str:
    """The figure in words."""
    told = []
    for line in lines:
        found = line.cell.interval
        ends = f" ({found.low:.1f} to {found.high:.1f})" if found.bounded else ""
        told.append(f"{_name(line)} {found.mean:.1f}{ends}")
    return "Mean and 95 % interval, best first: " + "; ".join(told)


def _name(line: Line) -> str:
    return f"{line.key.method} (reference)" if line.reference else line.key.method


def _draw_line(axes: Axes, y: int, line: Line) -> None:
    for k, found in enumerate(line.cell.sets[:MOST_DOTS]):
        lane = y + 0.1 + 0.14 * (k % LANES)
        values = list(found.values.values())[:MOST_DOTS]
        axes.plot(values, [lane] * len(values), "o", color=DOT, ms=2.4, mew=0)
    interval, above = line.cell.interval, y - 0.14
    if interval.bounded:
        axes.plot([interval.low, interval.high], [above, above], color=ACCENT, linewidth=3, solid_capstyle="butt")
    axes.plot([interval.mean], [above], "D", color=ACCENT, ms=6, mec=PAPER, mew=1)


def _draw_cell(axes: Axes, x: int, y: int, share: float | None, text: str) -> None:
    """`share` is 0 for the lowest and 1 for the highest mean. Cells keep their colours on a dark page."""
    red, green, blue, _ = colormaps["cividis"](share) if share is not None else (0.0, 0.0, 0.0, 0.0)
    patch = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, edgecolor=RULE, facecolor=(red, green, blue), linewidth=0.5)
    if share is None:
        patch.set(fill=False, hatch="//")
    axes.add_patch(patch)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45
    color = MUTED if share is None else "#fefefe" if light else "#010203"
    axes.text(x, y, text, ha="center", va="center", color=color, fontsize=8 if share is None else 10.5)
