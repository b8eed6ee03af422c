"""Random crops from the zero-padded image, and mirror images: the usual augmentation of CIFAR.

Source: He et al. (CVPR 2016, section 4.2: 4 pixels on each side of 32x32). Differs: padded by an eighth of the side,
so that 8x8 digits move by one pixel and not by half their width; by 0 in standardized space, which is the mean colour
of the dataset and not black.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.augmentation import Augmentation, Draws, Shape
from benchmark.augmentations._geometry import draw_shifts, mirror, shift

__all__ = ["CropFlip"]

VERSION = 1


@dataclass(frozen=True)
class CropFlip(Augmentation):
    """Every image is shifted, and mirrored with probability one half."""

    flip: bool = True
    """Whether to mirror at all; off where mirror images change their class, as digits do."""

    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        """`crop`: int64 (n, 2), rows and columns; `flip`: bool (n,), drawn even where it is not used."""
        n = 1 if shared else n
        return {"crop": draw_shifts(n, shape, generator), "flip": torch.rand(n, generator=generator) < 0.5}

    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        """Shift with zeros coming in, then mirror."""
        moved = shift(images, draws["crop"])
        return mirror(moved, draws["flip"]) if self.flip else moved
