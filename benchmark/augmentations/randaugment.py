"""RandAugment drawn for every image: two of fourteen operations, at magnitude 9 of 31.

Source: Cubuk et al. (NeurIPS 2020), in the form of `torchvision.transforms.RandAugment` and with its defaults (two
operations, magnitude 9, nearest neighbour, black where nothing is); DC-BENCH uses one operation. Each operation is
tested against torchvision's. docs/augmentations.md lists them with their ranges.

Differs: torchvision draws one set of operations for a whole batch tensor; here every image has its own, and `shared`
gives torchvision's behaviour. Differs: pixels are not rounded to 8 bits, except by posterize and equalize, which are
defined on bits. Values outside 0..1, which learned images may have, are clamped first, under every operation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.augmentation import Augmentation, Draws, Shape
from benchmark.augmentations import _pixel_operations as pixel
from benchmark.augmentations._geometry import affine, warp
from benchmark.errors import UsageError

__all__ = ["OPERATIONS", "RandAugment"]

VERSION = 1

OPERATIONS = (
    "identity",
    "shear-x",
    "shear-y",
    "translate-x",
    "translate-y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
"""`draws["op"]` counts in this list; the order is torchvision's."""

_PIXEL_OPERATIONS = {
    "brightness": pixel.brightness,
    "color": pixel.color,
    "contrast": pixel.contrast,
    "sharpness": pixel.sharpness,
    "posterize": pixel.posterize,
    "solarize": pixel.solarize,
    "autocontrast": pixel.autocontrast,
    "equalize": pixel.equalize,
}
_SIGNED = range(OPERATIONS.index("shear-x"), OPERATIONS.index("sharpness") + 1)


@dataclass(frozen=True)
class RandAugment(Augmentation):
    """`num_ops` operations one after the other, each drawn uniformly for each image."""

    on_pixels = True
    num_ops: int = 2
    magnitude: int = 9
    """Which of the `bins` strengths: 0 the weakest, bins - 1 the strongest."""
    bins: int = 31

    def __post_init__(self) -> None:
        """Raise UsageError for a magnitude outside the bins."""
        if self.num_ops < 1 or not 0 <= self.magnitude < self.bins or self.bins < 2:
            raise UsageError(
                f"randaugment: num_ops = {self.num_ops}, magnitude = {self.magnitude}, bins = {self.bins}; "
                "wanted: num_ops 1 or above, bins 2 or above, magnitude 0 to bins - 1."
            )

    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        """`op`: int64 (n, num_ops); `strength`: (n, num_ops), the signed magnitude in the operation's own unit.

        Raises UsageError unless images have 1 or 3 channels.
        """
        if shape[0] not in (1, 3):
            raise UsageError(f"randaugment takes images of 1 or 3 channels, not {shape[0]}.")
        size = (1 if shared else n, self.num_ops)
        op = torch.randint(len(OPERATIONS), size, generator=generator)
        signs = torch.randint(2, size, generator=generator) * 2 - 1
        signed = (op >= _SIGNED.start) & (op < _SIGNED.stop)
        return {"op": op, "strength": self.strengths(shape)[op] * torch.where(signed, signs, 1)}

    def strengths(self, shape: Shape) -> torch.Tensor:
        """Strength of each of `OPERATIONS` at this magnitude, (14,): see the table in docs/augmentations.md."""
        share = self.magnitude / (self.bins - 1)
        translate_x, translate_y = (float(int(share * 150 / 331 * size)) for size in (shape[2], shape[1]))
        bits = float(8 - round(4 * share))
        shear, angle, blend = 0.3 * share, 30 * share, 0.9 * share
        geometric = [0.0, shear, shear, translate_x, translate_y, angle]
        return torch.tensor([*geometric, blend, blend, blend, blend, bits, 1 - share, 0.0, 0.0])

    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        """Go to pixels, clamp to 0..1, apply the operations, go back; `mean` and `std` must lead to pixels."""
        mean, std = (statistic.to(images.dtype)[:, None, None] for statistic in (mean, std))
        pixels = (images * std + mean).clamp(0, 1)
        for op, strength in zip(draws["op"].unbind(1), draws["strength"].to(images.dtype).unbind(1), strict=True):
            pixels = warp(pixels, _matrices(op, strength, pixels), "nearest")
            before = pixels
            op, strength = op[:, None, None, None], strength[:, None, None, None]
            for name, operation in _PIXEL_OPERATIONS.items():
                pixels = torch.where(op == OPERATIONS.index(name), operation(before, strength), pixels)
        return (pixels - mean) / std


def _matrices(op: torch.Tensor, strength: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Affine matrices (N, 2, 3) in coordinates of -1..1; the identity for operations that move no pixels.

    Shears keep the upper left corner where it is, as torchvision's do. Where height and width differ, an offset
    across them is rescaled by their ratio.
    """

    def only(name: str, value: torch.Tensor) -> torch.Tensor:
        return torch.where(op == OPERATIONS.index(name), value, 0.0)

    height, width = pixels.shape[2:]
    shear_x, shear_y = only("shear-x", strength), only("shear-y", strength)
    angle = torch.deg2rad(only("rotate", strength))
    move_x, move_y = only("translate-x", strength) * 2 / width, only("translate-y", strength) * 2 / height
    across_x, across_y = height / width * (shear_x - angle.sin()), width / height * (shear_y + angle.sin())
    corner_x, corner_y = shear_x * height / width, shear_y * width / height
    return affine(((angle.cos(), across_x, corner_x - move_x), (across_y, angle.cos(), corner_y - move_y)))
