"""Pieces that several architectures share, each minding the size of the map it works on.

Sizes are worked out in Python before a layer is made, so that what does not fit is said in words (DoesNotFit)
and not by a shape error of torch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmark.architectures import Shape
from benchmark.errors import DoesNotFit, UsageError

__all__ = ["Size", "first_convolution", "halved", "norm_layer", "residual_body"]

Size = tuple[int, int]
"""Height and width of a map, in pixels."""

_NORMS: dict[str, Callable[[int, Size], nn.Module]] = {
    "instance": lambda channels, size: nn.GroupNorm(channels, channels),
    "group": lambda channels, size: nn.GroupNorm(4, channels),
    "layer": lambda channels, size: nn.LayerNorm([channels, *size]),
    "batch": lambda channels, size: nn.BatchNorm2d(channels),
    "none": lambda channels, size: nn.Identity(),
}


def norm_layer(kind: str, channels: int, size: Size) -> nn.Module:
    """Make the named norm for maps of `channels` and `size`; raises DoesNotFit where it would erase its input."""
    if kind == "instance" and size == (1, 1):
        raise DoesNotFit("a map has shrunk to one pixel, and instance norm turns every lone pixel into the same value.")
    if kind == "group" and channels % 4:
        raise UsageError(f"norm = 'group' makes 4 groups, and {channels} channels are not a multiple of 4.")
    return _NORMS[kind](channels, size)


def first_convolution(shape: Shape, width: int, kernel: int) -> tuple[nn.Conv2d, Size]:
    """Make a convolution that keeps the size of its map, save that grey 28x28 images grow to 32x32; also its size.

    VICO-UoE/DatasetCondensation pads the first layer by two pixels more for one-channel images, which there are
    28x28 without exception. Differs: by the size too, so that 8x8 and 32x32 grey images keep theirs.
    """
    channels, height, width_px = shape
    extra = 2 if shape == (1, 28, 28) else 0
    convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2 + extra)
    return convolution, (height + 2 * extra, width_px + 2 * extra)


def halved(size: Size, layer: str) -> Size:
    """Size after a 2x2 pooling, odd rows dropped; raises DoesNotFit, naming the layer, when nothing would be left."""
    if min(size) < 2:
        raise DoesNotFit(f"{layer} halves its map, which has shrunk to {size[0]}x{size[1]} by then.")
    return size[0] // 2, size[1] // 2


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with norms and a shortcut (He et al. 2016), without biases, as in kuangliu/pytorch-cifar."""

    def __init__(self, channels: tuple[int, int], stride: int, norm: str, size: Size) -> None:
        """Map `channels[0]` to `channels[1]` channels; `size` is that of the output map."""
        super().__init__()
        before, after = channels
        self.main = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            norm_layer(norm, after, size),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            norm_layer(norm, after, size),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), norm_layer(norm, after, size)
            )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, channels[0], H, W) to (N, channels[1], H / stride, W / stride), rounded up."""
        return torch.relu(self.main(maps) + self.shortcut(maps))


def residual_body(shape: Shape, widths: tuple[int, ...], blocks: int, norm: str) -> nn.Sequential:
    """Stem, stages of `blocks` residual blocks, global average: (N, C, H, W) to (N, widths[-1], 1, 1).

    The stem is a 3x3 convolution of stride 1 without pooling; every stage but the first halves the map.
    """
    channels, *size = shape
    height, width = size
    layers: list[nn.Module] = [
        nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),
        norm_layer(norm, widths[0], (height, width)),
        nn.ReLU(),
    ]
    before = widths[0]
    for stage, after in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            height, width = -(-height // stride), -(-width // stride)  # a strided convolution rounds up
            layers.append(_ResidualBlock((before, after), stride, norm, (height, width)))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
