"""Changing the values of pixels, a whole batch at once: what RandAugment needs beside warps.

Every function takes pixels (N, C, H, W) in 0..1 with 1 or 3 channels and a strength (N, 1, 1, 1), and returns pixels
in 0..1. Each gives what `torchvision.transforms.functional` gives for one image at a time; tests hold it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = [
    "autocontrast",
    "brightness",
    "color",
    "contrast",
    "equalize",
    "posterize",
    "sharpness",
    "solarize",
]

_LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in grey: ITU-R BT.601 as torchvision rounds it."""


def _blend(pixels: torch.Tensor, other: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Move from `other` towards and, for a strength above 0, past `pixels`; strength 0 changes nothing."""
    factor = 1 + strength
    return (factor * pixels + (1 - factor) * other).clamp(0, 1)


def _grey(pixels: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W)."""
    if pixels.shape[1] == 1:
        return pixels
    return _LUMA[0] * pixels[:, :1] + _LUMA[1] * pixels[:, 1:2] + _LUMA[2] * pixels[:, 2:]


def brightness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with black."""
    return _blend(pixels, torch.zeros_like(pixels), strength)


def color(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with the grey image; changes nothing in one channel."""
    return _blend(pixels, _grey(pixels), strength)


def contrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with the mean of the grey image."""
    return _blend(pixels, _grey(pixels).mean(dim=(1, 2, 3), keepdim=True), strength)


def sharpness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blend with a 3x3 mean in which the centre counts five times; the border is kept."""
    if min(pixels.shape[2:]) < 3:
        return pixels
    # Sums and not a convolution, which a GPU may compute in reduced precision.
    rows = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]
    inner = pixels[:, :, 1:-1, 1:-1]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner) / 13
    return _blend(pixels, pixels + F.pad(smooth - inner, (1, 1, 1, 1)), strength)


def posterize(pixels: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Keep the upper `bits` of 8-bit values; its gradient is 0."""
    step = torch.exp2(8 - bits)
    return (pixels * 255).round().div(step).floor() * step / 255


def solarize(pixels: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Invert values from the threshold (in 0..1) upwards."""
    return torch.where(pixels >= threshold, 1 - pixels, pixels)


def autocontrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Stretch every channel to 0..1, unless it has one value only; the strength is not used."""
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    flat = high == low
    return torch.where(flat, pixels, (pixels - low) / torch.where(flat, 1.0, high - low))


def equalize(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Even out the histogram of every channel's 8-bit values; the strength is not used and the gradient is 0.

    The rule of PIL: with `below` the number of darker pixels, a value becomes (below + step // 2) // step, where step
    is the count of pixels below the brightest value // 255; step 0 changes nothing. So images of fewer than 256
    pixels, digits among them, stay as they are.
    """
    levels = (pixels.detach() * 255).round().long().flatten(2)
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.long, device=pixels.device)
    counts = counts.scatter_add(2, levels, torch.ones_like(levels))
    below = counts.cumsum(2) - counts
    step = below.gather(2, levels.amax(dim=2, keepdim=True)) // 255
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=255).to(pixels.dtype) / 255
    even = table.gather(2, levels).reshape(pixels.shape)
    return torch.where((step == 0).unsqueeze(3), pixels, even)
