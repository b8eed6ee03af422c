"""Geometry of the small drawings inside tables: a mean, its interval and single values on one scale.

Numbers only; the templates put them into inline SVG as attributes, for the pages' security policy forbids styles
inside the HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from leaderboard.cells import Cell

__all__ = ["Mark", "Scale", "mark", "scale_of"]

EDGE = 4
"""Pixels on either side, so that a dot at an end is whole."""


@dataclass(frozen=True)
class Scale:
    """An axis with round ends, in the unit of the values."""

    low: float
    high: float

    def x(self, value: float, width: int) -> float:
        """Pixels from the left edge of the drawing, to a tenth; values outside sit at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(EDGE + width * min(1.0, max(0.0, share)), 1)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Mark:
    """Where one cell is drawn; pixels."""

    mean: float
    low: float | None
    high: float | None
    """None where there is no interval."""
    dots: tuple[float, ...]


def scale_of(cells: Iterable[Cell], unit: str) -> Scale:
    """The smallest round axis that holds all values and intervals; percentages end at 0 and 100."""
    values = []
    for found in cells:
        values += found.values
        if found.interval.bounded:
            values += [found.interval.low, found.interval.high]
    if not values:
        return Scale(0.0, 1.0)
    low, high = min(values), max(values)
    step = _round_step((high - low) or abs(high) or 1.0)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    if unit == "percent":
        low, high = max(0.0, low), min(100.0, high)
    return Scale(low, high) if high > low else Scale(low - step, high + step)


def mark(found: Cell, scale: Scale, width: int) -> Mark | None:
    """The drawing of one cell, `width` pixels from one end of the scale to the other; None where there is no value."""
    if not found.sets:
        return None
    interval = found.interval
    low = scale.x(interval.low, width) if interval.bounded else None
    high = scale.x(interval.high, width) if interval.bounded else None
    return Mark(scale.x(interval.mean, width), low, high, tuple(scale.x(value, width) for value in found.values))


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that a span holds four to ten steps."""
    power: float = 10.0 ** math.floor(math.log10(span / 4))
    return max(size * power for size in (1, 2, 5) if size * power <= span / 4)
