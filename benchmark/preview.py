"""Draws a set's preview, pixels clipped to 0..1, as a PNG that pages show without torch.

One row for each class; with one image a class, the classes stand side by side.
"""

from __future__ import annotations

import io

import numpy as np

from benchmark import datasets, factorization
from benchmark.datasets import Dataset
from benchmark.synthetic_set import Array, SyntheticSet, labels_array

__all__ = ["draw"]

COLUMNS = 10
ROWS = 20
"""Classes drawn at most; a set of more classes shows the first."""
SIDE = 48
"""Smallest width of one drawn image in pixels; small images are enlarged by whole numbers, without smoothing."""
GAP = 2


def draw(synthetic: SyntheticSet, dataset: Dataset | None = None) -> bytes | None:
    """PNG bytes; None where the card's decoder has no drawing.

    A whitened set has one only beside its dataset, which gives the matrix back to pixels.
    """
    pixels = _pixels(synthetic, dataset)
    if pixels is None:
        return None
    labels = labels_array(synthetic)
    classes = np.unique(labels)[:ROWS]
    rows = [np.flatnonzero(labels == c)[:COLUMNS] for c in classes]
    if all(len(row) == 1 for row in rows):
        rows = [np.concatenate(rows[i : i + COLUMNS]) for i in range(0, len(rows), COLUMNS)]
    return _png(_mosaic(pixels, rows))


def _pixels(synthetic: SyntheticSet, dataset: Dataset | None) -> Array | None:
    """(N, C, H, W) uint8."""
    card, space = synthetic.card, synthetic.card.space
    if card.decoder.name == "indices":
        images: Array = datasets.load(card.dataset).train.images[synthetic.tensors["indices"].astype(np.int64)]
        return images
    if space.kind == "zca" and space.variant == "kornia" and dataset is not None:
        space = space.bound(dataset)
    if space.kind == "zca" and space.whitening is None:
        return None
    if card.decoder.name == "hallucinator":
        images = factorization.of_set(synthetic, datasets.facts(card.dataset))
    elif card.decoder.name == "identity":
        images = synthetic.tensors["images"]
    else:
        return None
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(space.to_pixel(images.astype(np.float32)), 0, 1) * 255).astype(np.uint8)


def _mosaic(pixels: Array, rows: list[Array]) -> Array:
    """(H, W, C) uint8 on a mid-grey ground."""
    channels, height, width = pixels.shape[1:]
    zoom = max(1, -(-SIDE // width))
    step_y, step_x = height * zoom + GAP, width * zoom + GAP
    n_columns = max(len(row) for row in rows)
    canvas = np.full((len(rows) * step_y + GAP, n_columns * step_x + GAP, channels), 128, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, index in enumerate(row):
            tile = pixels[index].transpose(1, 2, 0).repeat(zoom, axis=0).repeat(zoom, axis=1)
            top, left = GAP + y * step_y, GAP + x * step_x
            canvas[top : top + height * zoom, left : left + width * zoom] = tile
    return canvas


def _png(canvas: Array) -> bytes:
    from PIL import Image

    image = Image.fromarray(canvas[..., 0] if canvas.shape[2] < 3 else canvas[..., :3])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()
