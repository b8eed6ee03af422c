"""Shows a set without what may hide below its pixels: noise, fewer levels, another order.

Noise of up to one level of 0..255 either way, then rounding to every second level, as non-subtractive dither does it
(Lipshitz, Wannamaker and Vanderkooy, J. Audio Eng. Soc. 40, 1992): no threshold is left that a small number could be
placed at, and the lowest bit of uint8 images is drawn anew. What a network learns from pixels survives; what was put
below them does not, nor what the order of the images says. Values are not clipped, since distilled images overshoot.
A change here raises `keys.REQUANTISING`.
"""

from __future__ import annotations

import torch

from benchmark.engine.draws import generator
from benchmark.space import Space

__all__ = ["STEP", "requantised"]

STEP = 2
"""Levels of 0..255 between two values that are left."""


def requantised(
    images: torch.Tensor, labels: torch.Tensor, space: Space, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, C, H, W), uint8 pixels or floats in `space`, as float32 in `space`; labels (N, …) in their order."""
    levels = images.float() if images.dtype == torch.uint8 else 255 * space.to_pixel(images)
    noise = torch.rand(images.shape, generator=generator(seed, "requantised/noise")).to(levels.device)
    coarse = STEP * torch.round((levels + STEP * (noise - 0.5)) / STEP)
    order = torch.randperm(len(images), generator=generator(seed, "requantised/order")).to(levels.device)
    return space.from_pixel(coarse / 255)[order], labels[order]
