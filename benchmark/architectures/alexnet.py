"""AlexNet for small images: five convolutions, three max poolings, one linear layer.

Source: Krizhevsky et al. (2012), in the form of Zhao, Mopuri and Bilen (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `networks.py`; no dropout, and no norm unless `norm=batch` (the AlexNetBN of that code).
Differs: the linear layer follows the size of the input; there it must be 28x28x1 or 32x32x3.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import first_convolution, halved, norm_layer
from benchmark.errors import DoesNotFit

__all__ = ["build"]

VERSION = 1


def build(shape: Shape, classes: int, *, norm: Literal["none", "batch"] = "none") -> Network:
    """Build AlexNet; raises DoesNotFit below 10 pixels."""
    convolution, size = first_convolution(shape, 128, kernel=5)
    layers: list[nn.Module] = [convolution, norm_layer(norm, 128, size), nn.ReLU(), nn.MaxPool2d(2)]
    size = halved(size, "the first pooling")
    if min(size) < 5:
        raise DoesNotFit(f"its second 5x5 convolution gets a map of {size[0]}x{size[1]}, smaller than its kernel.")
    layers += [nn.Conv2d(128, 192, 5, padding=2), norm_layer(norm, 192, size), nn.ReLU(), nn.MaxPool2d(2)]
    size = halved(size, "the second pooling")
    for before, after in ((192, 256), (256, 192), (192, 192)):
        layers += [nn.Conv2d(before, after, 3, padding=1), norm_layer(norm, after, size), nn.ReLU()]
    layers += [nn.MaxPool2d(2)]
    size = halved(size, "the third pooling")
    return Network(nn.Sequential(*layers), 192 * size[0] * size[1], classes)
