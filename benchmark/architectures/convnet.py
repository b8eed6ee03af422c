"""Blocks of 3x3 convolution, norm, activation and pooling, then a linear layer: the field's usual network.

Source: Gidaris and Komodakis (CVPR 2018), in the form of Zhao, Mopuri and Bilen (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `networks.py`. Width 128 and depth 3 on 32x32 images (320,010 parameters for CIFAR-10);
depth 4 on 64x64 and 5 on 128x128, which end in the same 4x4 map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import first_convolution, halved, norm_layer
from benchmark.errors import UsageError

__all__ = ["build", "default_depth"]

VERSION = 1

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": lambda: nn.LeakyReLU(0.01),
    "sigmoid": nn.Sigmoid,
    "swish": nn.SiLU,
}
_POOLINGS: dict[str, Callable[[], nn.Module]] = {"avg": lambda: nn.AvgPool2d(2), "max": lambda: nn.MaxPool2d(2)}


def build(
    shape: Shape,
    classes: int,
    *,
    width: int = 128,
    depth: int | None = None,
    norm: Literal["instance", "batch", "layer", "group", "none"] = "instance",
    activation: Literal["relu", "leakyrelu", "sigmoid", "swish"] = "relu",
    pooling: Literal["avg", "max", "none"] = "avg",
) -> Network:
    """Build a ConvNet of `depth` blocks with `width` channels each; depth None goes by the size of the images."""
    depth = default_depth(shape) if depth is None else depth
    if width < 1 or depth < 1:
        raise UsageError(f"convnet: width = {width}, depth = {depth}; both must be 1 or above.")
    convolution, size = first_convolution(shape, width, kernel=3)
    layers: list[nn.Module] = []
    for block in range(depth):
        layers += [convolution if block == 0 else nn.Conv2d(width, width, 3, padding=1)]
        layers += [norm_layer(norm, width, size), _ACTIVATIONS[activation]()]
        if pooling != "none":
            size = halved(size, f"the pooling of block {block + 1}")
            layers += [_POOLINGS[pooling]()]
    return Network(nn.Sequential(*layers), width * size[0] * size[1], classes)


def default_depth(shape: Shape) -> int:
    """3 below 64 pixels, 4 from 64, 5 from 128: one more for each doubling of the shorter side."""
    return max(3, min(shape[1:]).bit_length() - 3)
