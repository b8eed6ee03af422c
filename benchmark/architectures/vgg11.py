"""VGG11 for small images: eight 3x3 convolutions with norms, five max poolings, one linear layer.

Source: Simonyan and Zisserman (2015), in the form of Zhao, Mopuri and Bilen (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `networks.py`. Differs: the last map is averaged over all its pixels. On 32x32 it has
one pixel, so this changes nothing there; 64x64 fits too.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import first_convolution, halved, norm_layer

__all__ = ["build"]

VERSION = 1

_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Channels of the convolutions before each pooling."""


def build(shape: Shape, classes: int, *, norm: Literal["instance", "batch"] = "instance") -> Network:
    """Build VGG11; raises DoesNotFit where five halvings leave nothing: below 32 pixels, grey 28x28 excepted."""
    convolution, size = first_convolution(shape, 64, kernel=3)
    layers: list[nn.Module] = []
    before = shape[0]
    for stage, widths in enumerate(_STAGES, start=1):
        for after in widths:
            layers += [nn.Conv2d(before, after, 3, padding=1) if layers else convolution]
            layers += [norm_layer(norm, after, size), nn.ReLU()]
            before = after
        size = halved(size, f"pooling {stage} of {len(_STAGES)}")
        layers += [nn.MaxPool2d(2)]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), before, classes)
