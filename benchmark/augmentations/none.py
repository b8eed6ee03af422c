"""Images as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.augmentation import Augmentation, Draws, Shape

__all__ = ["NoAugmentation"]

VERSION = 1


@dataclass(frozen=True)
class NoAugmentation(Augmentation):
    """Draws nothing and returns the images that it is given."""

    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        """No draws; the generator is not touched."""
        return {}

    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        """The same tensor."""
        return images
