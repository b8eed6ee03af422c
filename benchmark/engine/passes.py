"""What baselines compute of batches of real images: statistics of features, and gradients of weights by class.

Each has a plain form and a compiled one, whose convolutions may run in bfloat16; a test holds the two equal. Compiling
costs about a minute for each shape, so a preset asks for it where it takes thousands of steps. Where a machine or a
network cannot be compiled, the plain form runs in its place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from benchmark import architectures
from benchmark.architectures import Network
from benchmark.engine.compiled import compiled_function, joined
from benchmark.engine.compiler import why_not
from benchmark.engine.devices import device_kind
from benchmark.engine.lowering import activation_layers, refusal
from benchmark.engine.machine_code import Shape, fitting, shape_of, sliced

__all__ = ["Passes", "Seen", "Tensors", "class_gradients", "matrices", "record", "spans"]

PRECISIONS = {"float32": False, "bfloat16": True}
PLAIN_CHUNK = {"cpu": 64, "cuda": 1024}
"""Real images of one plain forward pass: what a step takes stays in the cache of a CPU."""
COMPILED_CHUNK = 256
TOGETHER = {"cpu": 2**17, "cuda": 2**20}
"""Values of images whose gradients are taken at once, where a class alone has fewer."""

Tensors = tuple[torch.Tensor, ...]
Describe = Callable[["Seen"], Tensors]


@dataclass(frozen=True)
class Seen:
    """What a network makes of a batch."""

    features: torch.Tensor
    """(N, F) float32, before the classifier."""
    maps: Tensors
    """What each activation layer puts out, the first layer first, in the precision of the pass."""


def record(network: nn.Module, images: torch.Tensor) -> Seen:
    """Features of a batch (N, C, H, W), and what the activation layers put out on the way."""
    maps: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda _, __, out: maps.append(out)) for layer in activation_layers(network)]
    try:
        features: torch.Tensor = network.embed(images)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    return Seen(features.float(), tuple(maps))


def matrices(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights with two dimensions or more, by name: what gradient matching compares."""
    return {name: weight for name, weight in network.named_parameters() if weight.ndim > 1}


def class_gradients(network: nn.Module, images: Sequence[torch.Tensor], labels: Sequence[torch.Tensor]) -> Tensors:
    """Of each matrix of weights (...), the gradients (K, ...) of the mean cross-entropy of each of K batches.

    `images` (n, C, H, W) and class ids (n,), of any lengths. Differentiable in the images.
    """
    parts = [_together(network, torch.stack(list(images[s])), torch.stack(list(labels[s]))) for s in spans(images)]
    return tuple(torch.cat(same) for same in zip(*parts, strict=True))


def spans(batches: Sequence[torch.Tensor]) -> list[slice]:
    """Neighbours of one shape that are small enough to be computed together."""
    found, first, most = [], 0, TOGETHER.get(batches[0].device.type, TOGETHER["cpu"])
    for place in range(1, len(batches) + 1):
        one = batches[first]
        whole = (place - first + 1) * one.numel()
        if place == len(batches) or batches[place].shape != one.shape or whole > most:
            found.append(slice(first, place))
            first = place
    return found


def _together(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Tensors:
    everything = {name: weight.detach() for name, weight in network.named_parameters()}
    learned = {name: everything[name] for name in matrices(network)}

    def loss(weights: dict[str, torch.Tensor], batch: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(functional_call(network, {**everything, **weights}, (batch,)), ids)

    return tuple(vmap(grad(loss), in_dims=(None, 0, 0))(learned, images, labels).values())


@dataclass(frozen=True)
class Passes:
    """The passes of one architecture, in one way of computing."""

    shape: Shape
    compiled: bool

    @classmethod
    def of(
        cls, architecture: str, facts: Any, device: torch.device, precision: str = "float32", compiled: bool = False
    ) -> Passes:
        """`facts`: of the dataset. On a CPU without instructions for bfloat16 everything is float32.

        Raises KeyError for another precision than `float32` and `bfloat16`.
        """
        if PRECISIONS[precision] and device_kind(device) == "cpu":
            precision = "float32"
        shape = shape_of(architecture, facts.shape, len(facts.classes), precision, device)
        possible = compiled and not _refusal(shape) and not why_not(device.type)
        return cls(shape, possible)

    def statistics(
        self, network: Network, batches: Sequence[torch.Tensor], describe: Describe, maps: bool = False
    ) -> Tensors:
        """Each of the statistics (D) that `describe` makes of an image, averaged over each of K batches: (K, D).

        Without gradients. `maps`: whether `describe` looks at maps.
        """
        sizes = [len(batch) for batch in batches]
        with torch.no_grad():
            found = self._compiled if self.compiled else self._plain
            whole = found(network, torch.cat(list(batches)), describe, maps)
        return tuple(torch.stack([part.mean(dim=0) for part in torch.split(one, sizes)]) for one in whole)

    def _plain(self, network: Network, images: torch.Tensor, describe: Describe, maps: bool) -> list[torch.Tensor]:
        size = PLAIN_CHUNK.get(images.device.type, PLAIN_CHUNK["cpu"])
        with self._precision():
            found = [describe(record(network, chunk)) for chunk in torch.split(images, size)]
        return [torch.cat(same).float() for same in zip(*found, strict=True)]

    def _compiled(self, network: Network, images: torch.Tensor, describe: Describe, maps: bool) -> list[torch.Tensor]:
        size = fitting(self.shape, min(COMPILED_CHUNK, len(images)))
        example = (((size, *self.shape.images), torch.float32),)
        function = compiled_function(self.shape, _Described(describe), example, maps)
        flat = _flat(network)
        found = [function(flat, _padded(chunk, size)) for chunk in torch.split(images, size)]
        return [torch.cat(same)[: len(images)] for same in zip(*found, strict=True)]

    def gradients(self, network: Network, batches: Sequence[torch.Tensor], labels: Sequence[torch.Tensor]) -> Tensors:
        """`class_gradients` of real images, which stay as they are."""
        if not self.compiled:
            with self._precision():
                return tuple(part.detach() for part in class_gradients(network, batches, labels))
        size = sliced(self.shape, max(len(batch) for batch in batches))
        tensors = ((size, *self.shape.images), torch.float32), ((size,), torch.float32), ((size,), torch.int64)
        function = compiled_function(self.shape, _weight_gradients, tensors)
        flat, device = _flat(network), batches[0].device
        found = []
        for batch, ids in zip(batches, labels, strict=True):
            weights = torch.full((len(batch),), 1 / len(batch), device=device)
            slices = zip(*(torch.split(tensor, size) for tensor in (batch, weights, ids)), strict=True)
            parts = [function(flat, *(_padded(tensor, size) for tensor in one)) for one in slices]
            found.append([sum(same[1:], start=same[0]) for same in zip(*parts, strict=True)])
        return tuple(torch.stack(same) for same in zip(*found, strict=True))

    def _precision(self) -> AbstractContextManager[Any]:
        kind = self.shape.device.partition(":")[0]
        return torch.autocast(kind, torch.bfloat16, enabled=PRECISIONS[self.shape.precision])


@dataclass(frozen=True)
class _Described:
    """A function of a compiled network: two of the same `describe` are one function."""

    describe: Describe

    def __call__(self, network: nn.Module, images: torch.Tensor) -> Tensors:
        return tuple(part.float() for part in self.describe(record(network, images)))


def _weight_gradients(network: nn.Module, images: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor) -> Tensors:
    losses = F.cross_entropy(network(images), labels, reduction="none")
    return torch.autograd.grad((losses * weights).sum(), list(matrices(network).values()), materialize_grads=True)


@functools.cache
def _refusal(shape: Shape) -> str:
    with torch.device("meta"):
        return refusal(architectures.build(shape.architecture, shape.images, shape.classes))


def _flat(network: nn.Module) -> torch.Tensor:
    return joined(network.parameters()).detach()


def _padded(tensor: torch.Tensor, size: int) -> torch.Tensor:
    missing = size - len(tensor)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])]) if missing else tensor
