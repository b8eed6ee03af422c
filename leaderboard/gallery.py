"""The gallery of a set: its preview cut into one strip a class, by the geometry that the preview is drawn with.

Nothing is cut here: pages show windows on the one picture. Where the picture does not have the size that the card
makes one expect, there is no gallery, and the page shows the picture whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.preview import COLUMNS, GAP, ROWS, SIDE
from leaderboard.facts import facts
from leaderboard.sources import Card, Preview, Row

__all__ = ["Gallery", "Strip", "gallery"]


@dataclass(frozen=True)
class Strip:
    """The images of one class: a window on the preview, in its pixels."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Gallery:
    """Windows on a picture of a size."""

    width: int
    height: int
    strips: tuple[Strip, ...]

    def to_json(self) -> dict[str, Any]:
        strips = [[one.name, one.x, one.y, one.width, one.height] for one in self.strips]
        return {"width": self.width, "height": self.height, "strips": strips}


def gallery(row: Row, card: Card | None, preview: Preview | None) -> Gallery | None:
    """One strip for each class that the preview shows, or None where its geometry is not known."""
    if preview is None or card is None or not row.ipc or (known := facts(row.dataset)) is None:
        return None
    ids = card.fields.get("classes")
    is_list = isinstance(ids, list) and all(type(one) is int and 0 <= one < len(known.classes) for one in ids)
    shown = sorted(set(ids))[:ROWS] if is_list and ids else list(range(len(known.classes)))[:ROWS]
    _, height, width = known.shape
    zoom = max(1, -(-SIDE // width))
    step_x, step_y = width * zoom + GAP, height * zoom + GAP
    per_row = min(row.ipc, COLUMNS) if row.ipc > 1 else min(len(shown), COLUMNS)
    n_rows = len(shown) if row.ipc > 1 else -(-len(shown) // COLUMNS)
    if (preview.width, preview.height) != (per_row * step_x + GAP, n_rows * step_y + GAP):
        return None
    strips = []
    for k, class_id in enumerate(shown):
        x, y = (0, k) if row.ipc > 1 else (k % COLUMNS, k // COLUMNS)
        wide = per_row * step_x + GAP if row.ipc > 1 else step_x + GAP
        strips.append(Strip(known.classes[class_id], x * step_x, y * step_y, wide, step_y + GAP))
    return Gallery(preview.width, preview.height, tuple(strips))
