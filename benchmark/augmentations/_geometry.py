"""Moving pixels about, a whole batch at once: shifts, mirror images and affine warps with one parameter per image.

Parameters have a first axis of N, or of 1 to move every image of the batch alike.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmark.augmentation import Shape

__all__ = ["affine", "draw_shifts", "mirror", "shift", "warp"]

_PADDING = 0.125
"""Share of a side by which images may be shifted: 4 pixels of 32, 1 of 8."""


def draw_shifts(n: int, shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Shifts down the rows and along the columns, int64 (n, 2), uniform in -p..p with p = int(size / 8 + 0.5)."""
    limits = [int(_PADDING * size + 0.5) for size in shape[1:]]
    return torch.stack([torch.randint(-p, p + 1, (n,), generator=generator) for p in limits], dim=1)


def shift(images: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Pad with 0 and crop back: pixel (i, j) of the result is pixel (i + shifts[:, 0], j + shifts[:, 1])."""
    moved = images
    for axis in (2, 3):
        size = images.shape[axis]
        along = [1, size, 1] if axis == 2 else [1, 1, size]
        place = torch.arange(size, device=images.device).view(along)
        source = place + shifts[:, axis - 2, None, None, None]  # (N or 1, 1, H, 1), then (N or 1, 1, 1, W)
        inside = (source >= 0) & (source < size)
        moved = moved.gather(axis, source.clamp(0, size - 1).expand_as(moved)).where(inside, 0.0)
    return moved


def mirror(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Turn left into right in the images that are `chosen`, a bool for each."""
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def affine(rows: tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """Stack two rows of three numbers for each image into matrices (N, 2, 3)."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def warp(images: torch.Tensor, matrices: torch.Tensor, mode: str) -> torch.Tensor:
    """Read each pixel where its matrix (2, 3) sends it; 0 outside. `mode`: `nearest` or `bilinear`.

    Coordinates are (x, y) from -1 to 1 along either axis, from edge to edge of the image: align_corners=False.
    """
    n, *shape = images.shape
    grid = F.affine_grid(matrices.to(images.dtype), [len(matrices), *shape], align_corners=False)
    return F.grid_sample(images, grid.expand(n, -1, -1, -1), mode, "zeros", align_corners=False)
