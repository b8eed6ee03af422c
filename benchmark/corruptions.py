"""Common corruptions of images, each at five severities, computed without any file.

Families and constants are those of CIFAR-10-C (Hendrycks and Dietterich, ICLR 2019; make_cifar_c.py of
github.com/hendrycks/robustness): the eight that need neither photographs nor another program. All draws come from a
generator of the caller's.

Differs: brightness adds to every channel, where the source adds to the V of HSV (equal on grey images). The source has
pixelation for 32x32; other sizes are shrunk by the same shares, so on tiny images several severities are one.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmark.errors import UsageError, unknown_name

__all__ = ["FAMILIES", "corrupt"]

Images = torch.Tensor
CONSTANTS: dict[str, tuple[float, ...]] = {
    "gaussian-noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot-noise": (500, 250, 100, 75, 50),
    "impulse-noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "gaussian-blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg": (80, 65, 58, 50, 40),
}
FAMILIES = tuple(CONSTANTS)


def corrupt(images: Images, family: str, severity: int, draws: torch.Generator) -> Images:
    """Corrupt pixels (N, C, H, W) in 0..1 by a family at severity 1 to 5; returns the same shape, clipped to 0..1.

    Raises UsageError for an unknown family or severity.
    """
    if family not in CONSTANTS:
        raise unknown_name("corruption", family, FAMILIES)
    if severity not in range(1, 6):
        raise UsageError(f"severity is {severity!r}; it must be 1, 2, 3, 4 or 5.")
    return _FUNCTIONS[family](images, CONSTANTS[family][severity - 1], draws).clamp(0, 1)


def _gaussian_noise(images: Images, c: float, draws: torch.Generator) -> Images:
    return images + c * torch.randn(images.shape, generator=draws).to(images.device)


def _shot_noise(images: Images, c: float, draws: torch.Generator) -> Images:
    return (torch.poisson(images.cpu() * c, generator=draws) / c).to(images.device)


def _impulse_noise(images: Images, c: float, draws: torch.Generator) -> Images:
    """Salt and pepper: a share c of all values becomes 0 or 1, equally often."""
    where, salt = (torch.rand(images.shape, generator=draws).to(images.device) for _ in range(2))
    return torch.where(where < c, (salt < 0.5).to(images.dtype), images)


def _gaussian_blur(images: Images, c: float, draws: torch.Generator) -> Images:
    """A Gaussian of deviation c, cut at four deviations, nearest values beyond the edge, as in scikit-image."""
    radius = int(4 * c + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / c) ** 2)
    weights = weights / weights.sum()
    n, channels, height, width = images.shape
    flat = F.pad(images.reshape(n * channels, 1, height, width), [radius] * 4, mode="replicate")
    rows = F.conv2d(flat, weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1)).view(images.shape)


def _brightness(images: Images, c: float, draws: torch.Generator) -> Images:
    return images + c


def _contrast(images: Images, c: float, draws: torch.Generator) -> Images:
    """Towards each channel's mean over the image."""
    means = images.mean(dim=(2, 3), keepdim=True)
    return (images - means) * c + means


def _pixelate(images: Images, c: float, draws: torch.Generator) -> Images:
    def shrunk(image: Image.Image) -> Image.Image:
        small = image.resize((int(image.width * c), int(image.height * c)), Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BOX)

    return _through_pillow(images, shrunk)


def _jpeg(images: Images, c: float, draws: torch.Generator) -> Images:
    def compressed(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(c))
        return Image.open(buffer)

    return _through_pillow(images, compressed)


def _through_pillow(images: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Change each image of 1 or 3 channels as 8-bit pixels."""
    pixels = (images.cpu().numpy() * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    ready = (Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in pixels)
    seen = np.stack([np.asarray(change(one)) for one in ready]).reshape(pixels.shape)
    return torch.from_numpy(seen.transpose(0, 3, 1, 2).astype(np.float32) / 255).to(images.device)


_FUNCTIONS: dict[str, Callable[[Images, float, torch.Generator], Images]] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "impulse-noise": _impulse_noise,
    "gaussian-blur": _gaussian_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
