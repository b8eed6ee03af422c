"""LeNet-5 with ReLU and max pooling: two 5x5 convolutions and three linear layers.

Source: LeCun et al. (1998), in the form of Zhao, Mopuri and Bilen (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `networks.py`. Differs: the first linear layer follows the size of the input (there it
must be 28x28x1 or 32x32x3), and on images below 28 pixels both convolutions keep the size of their map, since
unpadded ones would leave nothing of 8x8.
"""

from __future__ import annotations

from torch import nn

from benchmark.architectures import Network, Shape
from benchmark.architectures._layers import halved

__all__ = ["build"]

VERSION = 1

_SMALL = 28
"""The size that LeNet was made for; images with a shorter side below it are padded at both convolutions."""


def build(shape: Shape, classes: int) -> Network:
    """Build LeNet; raises DoesNotFit below 4 pixels."""
    channels, *sides = shape
    small = min(sides) < _SMALL
    first, second = (2 if small or channels == 1 else 0), (2 if small else 0)  # padding
    height, width = (side - 4 + 2 * first for side in sides)
    height, width = (side - 4 + 2 * second for side in halved((height, width), "the first pooling"))
    height, width = halved((height, width), "the second pooling")
    body = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=first),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=second),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * height * width, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
    )
    return Network(body, 84, classes)
