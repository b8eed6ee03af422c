"""NAS-Bench-201: one of 15,625 cells of four nodes, stacked five times in each of three stages.

Source: Dong and Yang (ICLR 2020), section 2, compared with D-X-Y/AutoDL-Projects `cell_infers/tiny_network.py`. The
networks are discrete: an edge computes its one operation. (DC-BENCH's code sends one-hot weights through a softmax,
which makes every network nearly the same mixture of all five.) 1,531,546 parameters at most with ten classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmark.architectures import Network, Shape
from benchmark.errors import DoesNotFit, UsageError

__all__ = ["build"]

VERSION = 1

_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From node to node, in the order in which the benchmark's own text for a cell names their operations."""


def build(
    shape: Shape,
    classes: int,
    *,
    cell: str = "nor_conv_3x3.nor_conv_3x3.nor_conv_3x3.nor_conv_3x3.nor_conv_3x3.nor_conv_3x3",
    channels: int = 16,
    cells: int = 5,
) -> Network:
    """Build the network of one cell: six operations joined by dots, in the order 0-1, 0-2, 1-2, 0-3, 1-3, 2-3.

    The table's networks have 16 `channels` in the first stage and 5 `cells` in each. Raises DoesNotFit where a side
    is no multiple of 4.
    """
    operations = cell.split(".")
    unknown = [name for name in operations if name not in _OPERATIONS]
    if unknown or len(operations) != len(_EDGES):
        raise UsageError(
            f"nasbench201: cell = {cell!r}; it must be {len(_EDGES)} operations joined by dots, each one of "
            f"{', '.join(_OPERATIONS)}."
        )
    if channels < 1 or cells < 1:
        raise UsageError(f"nasbench201: channels = {channels}, cells = {cells}; both must be 1 or above.")
    if shape[1] % 4 or shape[2] % 4:
        raise DoesNotFit("its two reductions halve the map exactly, so both sides must be multiples of 4.")
    layers: list[nn.Module] = [nn.Conv2d(shape[0], channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
    for stage in range(3):
        width = channels * 2**stage
        layers += [_Reduction(width // 2, width)] if stage else []
        layers += [_Cell(operations, width) for _ in range(cells)]
    features = 4 * channels
    layers += [nn.BatchNorm2d(features), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return Network(nn.Sequential(*layers), features, classes)


def _convolution(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution without bias, batch norm: the benchmark's order."""
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(after))


_OPERATIONS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "skip_connect": lambda width: nn.Identity(),
    "nor_conv_1x1": lambda width: _convolution(width, width, 1),
    "nor_conv_3x3": lambda width: _convolution(width, width, 3),
    "avg_pool_3x3": lambda width: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


class _Cell(nn.Module):
    """A directed graph of four nodes; a node is the sum of its edges, and node 3 the output."""

    def __init__(self, operations: list[str], width: int) -> None:
        super().__init__()
        self.sources: list[list[tuple[int, int]]] = [[], [], []]
        edges: list[nn.Module] = []
        for (before, after), name in zip(_EDGES, operations, strict=True):
            make = _OPERATIONS[name]
            if make is not None:
                self.sources[after - 1].append((before, len(edges)))
                edges.append(make(width))
        self.edges = nn.ModuleList(edges)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape; a node that nothing reaches is zero."""
        nodes = [maps]
        for sources in self.sources:
            parts = [self.edges[edge](nodes[before]) for before, edge in sources]
            nodes.append(sum(parts[1:], parts[0]) if parts else torch.zeros_like(maps))
        return nodes[3]


class _Reduction(nn.Module):
    """The residual block between two stages: two 3x3 convolutions, and a pooled 1x1 shortcut without a norm."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.main = nn.Sequential(_convolution(before, after, 3, stride=2), _convolution(after, after, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, before, H, W) to (N, after, H / 2, W / 2)."""
        halved: torch.Tensor = self.main(maps) + self.shortcut(maps)
        return halved
