"""The set names real training images by their number in canonical order.

So a selection can be stored and passed on where the images themselves may not be.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from benchmark.datasets import Dataset

__all__ = ["TENSORS", "VERSION", "decode"]

VERSION = 1
TENSORS = ("indices", "labels")


def decode(tensors: Mapping[str, torch.Tensor], dataset: Dataset) -> torch.Tensor:
    """Return the uint8 images (N, C, H, W) that `indices` (N,) names in the train split."""
    return torch.from_numpy(dataset.train.images[tensors["indices"].numpy().astype("int64")])
