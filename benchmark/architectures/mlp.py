"""Two hidden layers of 128 with ReLU: no notion of neighbouring pixels.

Source: Zhao, Mopuri and Bilen (ICLR 2021), compared with VICO-UoE/DatasetCondensation `networks.py`.
Differs: there the input must have 28x28x1 or 32x32x3 numbers; here it may have any.
"""

from __future__ import annotations

import math

from torch import nn

from benchmark.architectures import Network, Shape

__all__ = ["build"]

VERSION = 1

_WIDTH = 128


def build(shape: Shape, classes: int) -> Network:
    """Build the MLP; it takes images of any shape."""
    body = nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), _WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, _WIDTH),
        nn.ReLU(),
    )
    return Network(body, _WIDTH, classes)
