"""ResNet-18 with the stem for small images: stages of 64, 128, 256 and 512 channels, two residual blocks each.

Source: He et al. (CVPR 2016), in the form of Zhao, Mopuri and Bilen (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `networks.py`: 3x3 stem of stride 1 without pooling, instance norm unless `norm=batch`.
Differs: the average before the classifier goes over the whole last map, not over 4x4 pixels of it. On 28x28 and 32x32
that is the same; 64x64 fits too.
"""

from __future__ import annotations

from typing import Literal

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import residual_body

__all__ = ["build"]

VERSION = 1


def build(shape: Shape, classes: int, *, norm: Literal["instance", "batch"] = "instance") -> Network:
    """Build ResNet-18; with instance norm raises DoesNotFit up to 8 pixels, where its last maps have one pixel."""
    return Network(residual_body(shape, (64, 128, 256, 512), blocks=2, norm=norm), 512, classes)
