"""Figures by matplotlib as SVG files: accuracy by method, and methods by architectures.

Deterministic (no date, fixed hash salt), text as text, a title and a description inside, readable on a light and on a
dark page: every ink is one of `INKS`, and a style rule inside the file exchanges them when the reader's system is
dark. Strangers' text reaches matplotlib only through `_label`, with formulas switched off.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import escape

from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle

from leaderboard.boards import Board, Line
from leaderboard.grids import Grid, GridLine
from leaderboard.marks import scale_of
from leaderboard.text import shorten, visible

__all__ = ["Drawing", "accuracy", "heatmap", "transferred"]

INKS = {"ink": ("#1a2332", "#e7ecf3"), "muted": ("#566274", "#a3afbf"), "rule": ("#d8dee6", "#2f3947")}
INKS |= {"accent": ("#1d5fc4", "#7db0ff"), "dot": ("#8894a5", "#77859a"), "paper": ("#ffffff", "#141a22")}
"""Light and dark ink of each role."""
INK, MUTED, RULE, ACCENT, DOT, PAPER = (light for light, _ in INKS.values())
LONGEST_LABEL = 24
WIDTH = 4.4
"""Inches, 422 pixels: small, so that its words can be read on a telephone too."""
LANES = 3
"""Rows of dots below a bar."""


@dataclass(frozen=True)
class Drawing:
    """An SVG file and the words that stand for it."""

    svg: str
    title: str
    description: str


def accuracy(board: Board, title: str) -> Drawing:
    """Mean and 95 % interval of each method of a board as diamond and bar, single seeds as dots."""
    lines = [line for line in board.lines if line.cell.sets]
    shown = [*lines, *(line for line in board.references if line.cell.sets)]
    scale = scale_of((line.cell for line in shown), board.unit)
    with _style():
        figure, axes = _canvas([_name(line) for line in shown], height=0.33, margins=(0.1, 0.5))
        for y, line in enumerate(shown):
            _draw_line(axes, y, line)
        if len(shown) > len(lines) > 0:
            axes.axhline(len(lines) - 0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlim(scale.low, scale.high)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.set_xlabel(f"{_label(board.key.metric)} ({_label(board.unit)})", color=MUTED, fontsize=9)
        return _finish(figure, title, _told(shown))


def transferred(grid: Grid) -> list[GridLine]:
    """The lines of a grid that were tried in more than one column."""
    return [line for line in grid.lines if sum(bool(found and found.sets) for found in line.cells) > 1]


def heatmap(grid: Grid, title: str) -> Drawing:
    """Mean of each method in each column as a coloured cell with its number; hatched where nothing was run."""
    lines = transferred(grid)
    means = [[found.interval.mean if found and found.sets else None for found in line.cells] for line in lines]
    known = [mean for row in means for mean in row if mean is not None]
    low, high = min(known), max(known)
    with _style():
        figure, axes = _canvas([line.key.method for line in lines], height=0.4, margins=(0.3, 0.1))
        for y, row in enumerate(means):
            for x, mean in enumerate(row):
                share = None if mean is None else (mean - low) / (high - low) if high > low else 0.5
                _draw_cell(axes, x, y, share, "not run" if mean is None else f"{mean:.1f}")
        axes.set_xlim(-0.5, len(grid.columns) - 0.5)
        axes.set_xticks(range(len(grid.columns)), [_label(name, 14) for name in grid.columns], color=INK, fontsize=9)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        told = [f"{line.key.method}: {_pairs(grid.columns, row)}" for line, row in zip(lines, means, strict=True)]
        return _finish(figure, title, "; ".join(told))


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


def _style() -> AbstractContextManager[None]:
    """matplotlib's own defaults whatever the user's are, and ours on top."""
    ours: dict[str, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "distillbench",
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 10,
    }
    return style.context(["default", ours])


def _canvas(names: Sequence[str], height: float, margins: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure with one row of `height` for each name, the first on top; margins above and below. All in inches."""
    tall, left = max(1, len(names)) * height, 0.3 + 0.082 * min(LONGEST_LABEL, max(map(len, names), default=1))
    above, below = margins
    total = tall + above + below
    figure = Figure(figsize=(WIDTH, total))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((left / WIDTH, below / total, (WIDTH - left - 0.2) / WIDTH, tall / total))
    axes.patch.set_alpha(0)
    axes.set_ylim(max(1, len(names)) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_label(name) for name in names], color=INK)
    axes.tick_params(length=0, colors=MUTED)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _draw_line(axes: Axes, y: int, line: Line) -> None:
    for k, found in enumerate(line.cell.sets):
        lane = y + 0.1 + 0.14 * (k % LANES)
        axes.plot(list(found.values.values()), [lane] * len(found.values), "o", color=DOT, ms=2.4, mew=0)
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


def _finish(figure: Figure, title: str, description: str) -> Drawing:
    """Write the figure, with its words and the rule for dark pages put in, and without anything from elsewhere."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    words = [shorten(str(visible(text)), 2000) for text in (title, description)]
    body = re.sub(r"^.*?(?=<svg )", "", buffer.getvalue(), flags=re.DOTALL)  # the document type names a foreign host
    head, rest = body.split(">", 1)
    head = re.sub(r'(width|height)="([\d.]+)pt"', lambda size: f'{size[1]}="{float(size[2]) * 4 / 3:.0f}"', head)
    inside = f"<title>{escape(words[0])}</title>\n <desc>{escape(words[1])}</desc>\n <style>{_dark_rule()}</style>"
    rest = rest.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")
    return Drawing(f'<?xml version="1.0" encoding="utf-8"?>\n{head} role="img">\n {inside}{rest}', words[0], words[1])


@cache
def _dark_rule() -> str:
    rules = [
        f'[style*="{part}: {light}"] {{ {part}: {dark} !important }}'
        for light, dark in INKS.values()
        for part in ("fill", "stroke")
    ]
    return "@media (prefers-color-scheme: dark) { " + " ".join(rules) + " }"


def _label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Text for matplotlib: short, one line, only characters that its font can draw."""
    known = _characters()
    return "".join(letter if ord(letter) in known else "□" for letter in shorten(str(visible(text)), longest))


@cache
def _characters() -> Mapping[int, int]:
    return get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
