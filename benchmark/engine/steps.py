"""One training step, in each of the ways there are: plain, or as a compiled function."""

from __future__ import annotations

from typing import Protocol

import torch

from benchmark.engine.losses import loss_of
from benchmark.recipe import Recipe

__all__ = ["ALL", "EagerSteps", "Steps", "make_optimizer"]

ALL = slice(None)
"""Every training image."""


class Steps(Protocol):
    """Trains one network, batch by batch."""

    def reset(self) -> None:
        """Forget the momentum."""

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, rate: float, rows: torch.Tensor | slice = ALL
    ) -> torch.Tensor:
        """Learn from a batch, augmented already: (b, C, H, W) float32 with (b,) ids or (b, K) probabilities.

        `rows` says which of the training images these are. Returns the batch's mean loss as a tensor (), so that
        nothing waits for the device.
        """


def make_optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer with empty buffers."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, rate, recipe.momentum, weight_decay=decay, nesterov=recipe.nesterov, fused=True
        )
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, rate, (recipe.momentum, 0.999), weight_decay=decay, fused=True)


class EagerSteps:
    """Plain PyTorch in float32: the form that every other is tested against."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.recipe = recipe
        self.parameters = self.learned()
        self.reset()

    def learned(self) -> list[torch.nn.Parameter]:
        """What is trained."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def loss(self, images: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """The mean loss of a batch, ()."""
        return loss_of(self.recipe, self.network(images), labels)

    def reset(self) -> None:
        self.optimizer = make_optimizer(self.recipe, self.parameters)

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, rate: float, rows: torch.Tensor | slice = ALL
    ) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(images, labels, rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss
