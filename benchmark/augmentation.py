"""Augmentations: what they are, and building one from its spec.

Randomness and pixels are kept apart. `draw` makes every random choice on the CPU from a generator that is handed in;
`apply` is a pure function of images and draws. So the same draws can serve a real and a synthetic batch, any device,
and any way of running the network. docs/augmentations.md gives the formulas of the built-in ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from benchmark import _spec, registry

__all__ = ["Augmentation", "Draws", "Shape", "build", "move"]

Draws = dict[str, torch.Tensor]
"""Random choices by name: small tensors whose first axis counts images, unless the augmentation says otherwise."""

Shape = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True)
class Augmentation(ABC):
    """Base class: a frozen dataclass whose fields, with literal defaults, are the options.

    A field named `flip` says whether mirroring leaves the class of an image as it is; `build` sets it by the dataset.
    """

    on_pixels: ClassVar[bool] = False
    """Whether `apply` goes to pixels and back by `mean` and `std`, and so is none for images in a whitened space."""

    @abstractmethod
    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        """Make all random choices for one batch of `n` images of `shape`, on the CPU, from `generator` alone.

        `shared` draws one set of parameters for the whole batch (first axis 1, whatever `n` is), which fits a batch of
        any length: the siamese form. Names, shapes and dtypes of the draws depend on the arguments only, never on what
        was drawn, so that the draws of many batches can be stacked.
        """

    @abstractmethod
    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        """Return augmented images; the input is left as it was.

        `images` are (N, C, H, W), floating, standardized: pixels in 0..1 less `mean` over `std`, both (C,). All
        tensors are on one device. Works on the whole batch at once and never waits for the device.
        """

    def resolve(self, draws: Draws) -> Augmentation:
        """Settle what is chosen for the whole batch: `apply` of the result runs the same operations for any draws.

        Call it before the draws leave the CPU. The result is hashable.
        """
        return self


def build(spec: str, flip: bool = True) -> Augmentation:
    """Build an augmentation from `name` or `name:option=value,...`.

    `flip` is the dataset's word on mirroring, used where the augmentation has such an option and the spec is silent.
    Raises UsageError for an unknown name or option, or a value that is not allowed.
    """
    name, given = _spec.split(spec)
    plugin = registry.load("augmentation", name)
    known = _spec.fields_of(plugin)
    options: dict[str, Any] = _spec.read(f"augmentation {name!r}", given, known)
    if "flip" in known and "flip" not in given:
        options["flip"] = flip
    augmentation: Augmentation = plugin(**options)
    return augmentation


def move(draws: Draws, device: torch.device | str) -> Draws:
    """The same draws on `device`."""
    return {name: drawn.to(device, non_blocking=True) for name, drawn in draws.items()}
