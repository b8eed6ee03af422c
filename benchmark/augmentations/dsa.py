"""Differentiable siamese augmentation: one of colour, crop, cutout, flip, scale and rotate for each batch.

Source: Zhao and Bilen (ICML 2021), compared with VICO-UoE/DatasetCondensation `utils.py` (`DiffAugment`); formulas in
docs/augmentations.md. Images stay in standardized space throughout, and 0 fills what an operation uncovers.

Differs: draws come from the generator that is handed in (there from the global one, seeded by the clock); a shared
draw is one draw (there n draws of which the first counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch

from benchmark.augmentation import Augmentation, Draws, Shape
from benchmark.augmentations._geometry import affine, draw_shifts, mirror, shift, warp
from benchmark.errors import UsageError, unknown_name

__all__ = ["DSA"]

VERSION = 1

_SCALE = 1.2  # scales lie in 1/1.2 .. 1.2
_ANGLE = math.radians(15)
_CUTOUT = 0.5  # share of a side


@dataclass(frozen=True)
class DSA(Augmentation):
    """One operation drawn for each batch (mode S), its parameters for each image, or for all alike when shared."""

    strategy: str = "color_crop_cutout_flip_scale_rotate"
    """The operations to draw from, joined by `_`; one named twice is drawn twice as often."""
    mode: Literal["S", "M"] = "S"
    """`S`: a single operation for each batch, drawn uniformly; `M`: all of them, in the order of `strategy`."""
    flip: bool = True
    """Whether `flip` counts; off where mirror images change their class, as digits do."""

    def __post_init__(self) -> None:
        """Raise UsageError for an unknown operation, or when none is left."""
        for name in self.strategy.split("_"):
            if name not in _OPERATIONS:
                raise unknown_name("DSA operation", name, _OPERATIONS)
        if not self.operations:
            raise UsageError(f"dsa: strategy {self.strategy!r} with flip = {self.flip} leaves no operation.")

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations that may be drawn; `draws["op"]` counts in this list."""
        return tuple(name for name in self.strategy.split("_") if self.flip or name != "flip")

    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        """`op`: int64 (), and the parameters of every operation, used or not, with first axis n (1 when shared).

        `color`: (n, 3) in 0..1; `crop`, `cutout`: int64 (n, 2), rows and columns; `flip`: bool (n,);
        `scale`: (n, 2), along columns and rows; `rotate`: (n,), radians.
        """
        n = 1 if shared else n
        op = torch.randint(len(self.operations), (), generator=generator)
        color = torch.rand(n, 3, generator=generator)
        crop = draw_shifts(n, shape, generator)
        sides = [(size, int(_CUTOUT * size + 0.5)) for size in shape[1:]]
        # An even square can be centred between pixels, the image's far edge included; an odd one on pixels only.
        centres = [torch.randint(0, size + 1 - side % 2, (n,), generator=generator) for size, side in sides]
        flip = torch.rand(n, generator=generator) < 0.5
        scale = torch.rand(n, 2, generator=generator) * (_SCALE - 1 / _SCALE) + 1 / _SCALE
        rotate = (torch.rand(n, generator=generator) * 2 - 1) * _ANGLE
        cutout = torch.stack(centres, dim=1)
        return {
            "op": op,
            "color": color,
            "crop": crop,
            "cutout": cutout,
            "flip": flip,
            "scale": scale,
            "rotate": rotate,
        }

    def resolve(self, draws: Draws) -> DSA:
        """Mode S with its operation chosen is mode M with that operation alone."""
        if self.mode == "M":
            return self
        return replace(self, strategy=self.operations[int(draws["op"])], mode="M")

    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        """Apply the drawn operation; in mode S `op` is read, so resolve first where the draws are on a device."""
        for name in self.resolve(draws).operations:
            images = _OPERATIONS[name](images, draws[name])
        return images


def _color(images: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Brightness, then saturation, then contrast."""
    brightness, saturation, contrast = uniform.to(images.dtype)[:, :, None, None, None].unbind(1)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    level = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - level) * (contrast + 0.5) + level


def _cutout(images: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Set a rectangle of half the height and width to 0, as far as it lies inside."""
    covered = []
    for axis in (2, 3):
        side = int(_CUTOUT * images.shape[axis] + 0.5)
        first = centres[:, axis - 2, None] - side // 2
        place = torch.arange(images.shape[axis], device=images.device)
        covered.append((place >= first) & (place < first + side))
    rows, columns = covered
    return images.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)


def _scale(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Factors above 1 shrink what is seen, below 1 enlarge it."""
    x, y = factors.unbind(1)
    zero = torch.zeros_like(x)
    return warp(images, affine(((x, zero, zero), (zero, y, zero))), "bilinear")


def _rotate(images: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    return warp(images, affine(((cosine, -sine, zero), (sine, cosine, zero))), "bilinear")


_OPERATIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "color": _color,
    "crop": shift,
    "cutout": _cutout,
    "flip": mirror,
    "scale": _scale,
    "rotate": _rotate,
}
