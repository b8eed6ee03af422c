"""Finds images that equal one of a reference set within one level of every pixel, turned or not; exact, not sampled.

Two images that differ by at most one level a pixel differ by at most n in the sum over any n pixels. The sums over the
whole image, then over 16 blocks, leave few candidates, and these are compared pixel by pixel: nothing is missed and
nothing is found that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TURNS", "Copies", "Copy"]

Bytes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.int64]
GRID = 4
"""Blocks along a side."""
TURNS: dict[str, Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]] = {
    "as it is": lambda images: images,
    "mirrored": lambda images: images[..., ::-1],
    "upside down": lambda images: images[..., ::-1, :],
    "half turn": lambda images: images[..., ::-1, ::-1],
}
"""Of images (…, H, W)."""


@dataclass(frozen=True)
class Copy:
    """An image that is one of the reference images."""

    image: int
    reference: int
    turn: str
    levels: int
    """Largest difference of a pixel: 0 or 1."""


class Copies:
    """An index of reference images (M, C, H, W) uint8."""

    def __init__(self, reference: Bytes) -> None:
        self.reference = reference
        totals, self._blocks, self._sizes = _sums(reference)
        self._order = np.argsort(totals, kind="stable")
        self._sorted = totals[self._order]

    def find(self, images: Bytes) -> Iterator[Copy]:
        """The nearest copy of each image (N, C, H, W) uint8 that has one, in the order of the images."""
        found: dict[int, Copy] = {}
        for turn, turned in TURNS.items():
            view = np.asarray(turned(images))
            totals, blocks, _ = _sums(view)
            n_values = view[0].size if len(view) else 0
            first = np.searchsorted(self._sorted, totals - n_values, side="left")
            last = np.searchsorted(self._sorted, totals + n_values, side="right")
            for row in range(len(view)):
                near = self._order[first[row] : last[row]]
                near = near[(np.abs(self._blocks[near] - blocks[row]) <= self._sizes).all(axis=1)]
                copy = self._compared(row, view[row], near, turn)
                if copy and (row not in found or copy.levels < found[row].levels):
                    found[row] = copy
        return (found[row] for row in sorted(found))

    def _compared(self, row: int, image: npt.NDArray[np.generic], near: Sums, turn: str) -> Copy | None:
        if not len(near):
            return None
        apart = np.abs(self.reference[near].astype(np.int16) - image.astype(np.int16)).max(axis=(1, 2, 3))
        best = int(apart.argmin())
        return Copy(row, int(near[best]), turn, int(apart[best])) if apart[best] <= 1 else None


def _sums(images: npt.NDArray[np.generic]) -> tuple[Sums, Sums, Sums]:
    """Sums of the pixels of each image (N,), of its blocks (N, GRID²), and the number of pixels of each block."""
    height, width = images.shape[2:]
    rows, columns = (np.unique(np.linspace(0, side, GRID + 1).astype(int)[:-1]) for side in (height, width))
    by_pixel = images.sum(axis=1, dtype=np.int64)
    blocks = np.add.reduceat(np.add.reduceat(by_pixel, rows, axis=1), columns, axis=2)
    sizes = np.diff([*rows, height])[:, None] * np.diff([*columns, width])[None] * images.shape[1]
    return by_pixel.sum(axis=(1, 2)), blocks.reshape(len(images), sizes.size), sizes.reshape(-1).astype(np.int64)
