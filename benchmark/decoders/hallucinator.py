"""The set holds bases and styles; every base under every style, a small network, is a training image (HaBa).

Liu et al. (2022). `benchmark/factorization.py` says how they are decoded, and in what that differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark import factorization
from benchmark.factorization import problems

if TYPE_CHECKING:
    import torch

    from benchmark.datasets import Dataset

__all__ = ["TENSORS", "VERSION", "decode", "problems"]

VERSION = 1
TENSORS = factorization.TENSORS


def decode(
    tensors: Mapping[str, torch.Tensor], dataset: Dataset, *, mean: float = 0.0, std: float = 1.0
) -> torch.Tensor:
    """Return the images (S·N, C, H, W) float32 of N bases under S styles, style by style, in the card's space.

    `mean` and `std` are those of all decoded images together: what real images have in that space.
    """
    import torch

    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return torch.from_numpy(factorization.decode(arrays, dataset.facts, mean, std))
