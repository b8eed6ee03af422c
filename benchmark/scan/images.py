"""The images of a set as a scan sees them: decoded, in pixels of the dataset."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark import registry
from benchmark.datasets import Dataset
from benchmark.errors import InvalidInput
from benchmark.synthetic_set import SyntheticSet

__all__ = ["levels_of", "to_bytes"]


def levels_of(synthetic: SyntheticSet, dataset: Dataset) -> npt.NDArray[np.generic]:
    """The training images (N, C, H, W) in levels of 0..255: uint8, or float32 that may overshoot.

    Raises InvalidInput where the card's space cannot be led back to pixels, or the decoder gives other shapes.
    """
    images = _decoded(synthetic, dataset)
    if images.ndim != 4 or images.shape[1:] != dataset.facts.shape:
        raise InvalidInput(f"the decoder gives images of shape {images.shape}, the dataset has {dataset.facts.shape}.")
    if images.dtype == np.uint8:
        return images
    space = synthetic.card.space.bound(dataset)
    levels: npt.NDArray[np.generic] = space.to_pixel(images.astype(np.float32)) * np.float32(255)
    return levels


def to_bytes(levels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Levels as uint8 images, clipped and rounded."""
    if levels.dtype == np.uint8:
        return levels.astype(np.uint8, copy=False)
    rounded: npt.NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return rounded


def _decoded(synthetic: SyntheticSet, dataset: Dataset) -> npt.NDArray[np.generic]:
    decoder = synthetic.card.decoder
    if decoder.name == "identity":  # without torch, so that `scan` works without it
        return np.asarray(synthetic.tensors["images"])
    import torch

    tensors = {name: torch.from_numpy(np.array(tensor)) for name, tensor in synthetic.tensors.items()}
    images = registry.load("decoder", decoder.name)(tensors, dataset, **dict(decoder.options))
    return np.asarray(images.numpy())
