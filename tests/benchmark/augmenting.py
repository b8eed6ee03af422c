"""Images to augment, their shapes and statistics, and one way to run an augmentation on them."""

from __future__ import annotations

import torch

from benchmark.augmentation import Augmentation, Draws, Shape

__all__ = ["SHAPES", "generator", "images_of", "run", "statistics"]

SHAPES: list[Shape] = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 32)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def statistics(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full(shape[:1], 0.45), torch.full(shape[:1], 0.25)


def images_of(n: int, shape: Shape, seed: int = 1) -> torch.Tensor:
    """Standardized images that overshoot 0..1 here and there, as learned ones do."""
    return torch.randn(n, *shape, generator=generator(seed))


def run(augmentation: Augmentation, images: torch.Tensor, draws: Draws) -> torch.Tensor:
    mean, std = statistics((images.shape[1], images.shape[2], images.shape[3]))
    return augmentation.apply(images, draws, mean, std)
