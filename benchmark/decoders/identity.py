"""The stored images are the training images."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from benchmark.datasets import Dataset

__all__ = ["TENSORS", "VERSION", "decode"]

VERSION = 1
TENSORS = ("images", "labels")


def decode(tensors: Mapping[str, torch.Tensor], dataset: Dataset) -> torch.Tensor:
    """Return `images` (N, C, H, W) as stored: uint8 pixels, or floats in the card's space."""
    return tensors["images"]
