"""The figure of docs/performance.md: where the time goes, reference and ours, as an SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.bench.record import Measured

__all__ = ["draw"]

INKS = {"train": "#1d5fc4", "test": "#d98a1f", "rest": "#8894a5"}
"""Blue, orange and grey of about one lightness each, told apart without colour vision too."""
WORDS = {"train": "training", "test": "testing", "rest": "everything else"}
INK, PAPER = "#161d27", "#ffffff"
WIDTH, ROW = 7.2, 0.62


def draw(cells: Sequence[Measured]) -> str:
    """Two stacked bars a cell, as shares of the reference's time: the reference's above, ours (warm) below."""
    ours: dict[str, object] = {"svg.fonttype": "none", "svg.hashsalt": "distillbench", "text.parse_math": False}
    with style.context(["default", {**ours, "font.family": "DejaVu Sans", "font.size": 9}]):
        figure = Figure(figsize=(WIDTH, ROW * max(1, len(cells)) + 0.9), facecolor=PAPER, layout="constrained")
        axes = figure.add_subplot()
        for row, cell in enumerate(cells):
            whole = cell.seconds("reference").mean
            for who, at in (("reference", row - 0.19), ("ours", row + 0.19)):
                end = _bar(axes, cell, who, at, whole)
                text = _seconds(cell.seconds(who).mean) + (f", {cell.ratio:.1f} x" if who == "ours" else "")
                axes.text(end + 0.01, at, text, va="center", color=INK, fontsize=8)
        _finish(axes, [cell.cell.title + (" (GPU)" if cell.cell.device == "cuda" else "") for cell in cells])
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = re.sub(r"^.*?(?=<svg )", "", buffer.getvalue(), flags=re.DOTALL)  # the document type names a foreign host
    return text.replace("<svg ", '<svg role="img" ', 1)


def _seconds(n: float) -> str:
    return f"{n:,.0f} s" if n >= 100 else f"{n:.3g} s"


def _bar(axes: Axes, cell: Measured, who: str, at: float, whole: float) -> float:
    """Draw one bar; returns where it ends."""
    train, test = (cell.seconds(who, f"{part}_seconds").mean for part in ("train", "test"))
    rest = max(0.0, cell.seconds(who).mean - train - test)
    start = 0.0
    for part, seconds in (("train", train), ("test", test), ("rest", rest)):
        axes.barh(at, seconds / whole, left=start, height=0.32, color=INKS[part], edgecolor=PAPER, linewidth=0.5)
        start += seconds / whole
    return start


def _finish(axes: Axes, titles: Sequence[str]) -> None:
    axes.set_yticks(range(len(titles)), [title.replace(", ", ",\n", 1) for title in titles], color=INK)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(0, 1.2)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"], color=INK)
    axes.set_xlabel("time of all seeds, as a share of the reference's (upper bar: reference, lower: ours)", color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    for part, color in INKS.items():
        axes.barh([-9], [0], color=color, label=WORDS[part])  # outside: for the legend alone
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, labelcolor=INK)
