"""A narrow residual network for tiny images: stages of 16, 32 and 64 channels, one block each.

Our own, made so that 8x8 images have a residual network to be tested on; no publication uses it. The blocks and stem
are those of `resnet18`; the stage widths are those of the CIFAR networks of He et al. (CVPR 2016, section 4.2).
"""

from __future__ import annotations

from typing import Literal

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import residual_body
from benchmark.errors import UsageError

__all__ = ["build"]

VERSION = 1


def build(shape: Shape, classes: int, *, width: int = 16, norm: Literal["instance", "batch"] = "instance") -> Network:
    """Build the network with `width` channels in its first stage; with instance norm it needs 5 pixels or more."""
    if width < 1:
        raise UsageError(f"resnet-narrow: width = {width}; it must be 1 or above.")
    return Network(residual_body(shape, (width, 2 * width, 4 * width), blocks=1, norm=norm), 4 * width, classes)
