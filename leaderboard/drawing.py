"""What all figures share: an SVG file that is the same every time, holds its own words, and suits a light or dark page.

Deterministic (no date, fixed hash salt), text as text, a title and a description inside. Every ink is one of `INKS`,
and a style rule inside the file exchanges them when the page is dark. Strangers' text reaches matplotlib only through
`label`, with formulas switched off.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import escape

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from leaderboard.text import shorten, visible

__all__ = ["INKS", "SERIES", "Drawing", "canvas", "column_inches", "finish", "label", "our_style", "plain_axes"]

INKS = {"ink": ("#1a2332", "#e7ecf3"), "muted": ("#566274", "#a3afbf"), "rule": ("#d8dee6", "#2f3947")}
INKS |= {"accent": ("#1d5fc4", "#7db0ff"), "dot": ("#8894a5", "#77859a"), "paper": ("#ffffff", "#141a22")}
_SERIES = [("#0a6aa8", "#5cb6f2"), ("#b34700", "#ff9e57"), ("#00755a", "#3fd0a5"), ("#9c3f77", "#f09ac8")]
_SERIES += [("#6b5b00", "#d9c341"), ("#5146a8", "#aaa1ff"), ("#7a3b2e", "#e0a08f"), ("#3f5a6b", "#9cb8c9")]
INKS |= {f"series-{k}": pair for k, pair in enumerate(_SERIES)}
"""Light and dark ink of each role. The series can be told apart by readers who do not see red and green apart."""
SERIES = tuple(light for light, _ in _SERIES)
LONGEST_LABEL = 24
WIDTH = 4.4
"""Inches, 422 pixels: small, so that its words can be read on a telephone too."""


@dataclass(frozen=True)
class Drawing:
    """An SVG file and the words that stand for it."""

    svg: str
    title: str
    description: str


def our_style() -> AbstractContextManager[None]:
    """matplotlib's own defaults whatever the user's are, and ours on top."""
    ours: dict[str, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "distillbench",
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": 10,
    }
    return style.context(["default", ours])


def canvas(
    names: Sequence[str], height: float, margins: tuple[float, float], right: float = 0.2
) -> tuple[Figure, Axes]:
    """A figure with one row of `height` for each name, the first on top; margins above, below and right, in inches."""
    tall, wide = max(1, len(names)) * height, column_inches(names, right)
    left = WIDTH - wide - right
    above, below = margins
    total = tall + above + below
    figure = Figure(figsize=(WIDTH, total))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((left / WIDTH, below / total, wide / WIDTH, tall / total))
    axes.set_ylim(max(1, len(names)) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [label(name) for name in names], color=INKS["ink"][0])
    _bare(axes)
    axes.tick_params(axis="y", labelcolor=INKS["ink"][0])
    return figure, axes


def column_inches(names: Sequence[str], right: float = 0.2) -> float:
    """What the names of rows and a margin on the right leave of the width."""
    return WIDTH - 0.3 - right - 0.082 * min(LONGEST_LABEL, max(map(len, names), default=1))


def plain_axes(height: float, below: float = 0.55) -> tuple[Figure, Axes]:
    """A figure with ordinary axes of `height` inches and a margin below that holds labels and a legend."""
    total = height + below + 0.12
    figure = Figure(figsize=(WIDTH, total))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((0.14, below / total, 0.82, height / total))
    _bare(axes)
    axes.grid(color=INKS["rule"][0], linewidth=0.8)
    return figure, axes


def _bare(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.tick_params(length=0, colors=INKS["muted"][0])
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)


def finish(figure: Figure, title: str, description: str) -> Drawing:
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


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Text for matplotlib: short, one line, only characters that its font can draw."""
    known = _characters()
    return "".join(letter if ord(letter) in known else "□" for letter in shorten(str(visible(text)), longest))


@cache
def _characters() -> Mapping[int, int]:
    return get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
