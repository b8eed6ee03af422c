"""Draws the worst pairs of a scan side by side: the set's image, the test image, the nearest training image.

One row for each pair. The set's image is turned as it lies over the test image; where no training image was looked
for, its place stays grey.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from benchmark.datasets import Dataset
from benchmark.scan.copies import TURNS
from benchmark.scan.images import levels_of, to_bytes
from benchmark.scan.record import Scan
from benchmark.synthetic_set import SyntheticSet

__all__ = ["draw"]

ROWS = 10
SIDE = 64
"""Least width of a drawn image in pixels; small ones are enlarged by whole numbers, without smoothing."""
GAP = 4


def draw(found: Scan, synthetic: SyntheticSet, dataset: Dataset) -> bytes | None:
    """PNG bytes; None where the scan names no pair."""
    if not found.pairs:
        return None
    images = to_bytes(levels_of(synthetic, dataset))
    rows = []
    for pair in found.pairs[:ROWS]:
        turned = np.asarray(TURNS[pair.turn](images[pair.image]))
        train = np.full_like(images[0], 128) if pair.train is None else dataset.train.images[pair.train]
        rows.append([_tile(image) for image in (turned, dataset.test.images[pair.test], train)])
    canvas = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    from PIL import Image

    picture = Image.fromarray(canvas[..., 0] if canvas.shape[2] < 3 else canvas[..., :3])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def _tile(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """(C, H, W) enlarged as (H, W, C), with a white margin to the right and below."""
    zoom = max(1, -(-SIDE // image.shape[2]))
    large = image.transpose(1, 2, 0).repeat(zoom, axis=0).repeat(zoom, axis=1).astype(np.uint8)
    return np.pad(large, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
