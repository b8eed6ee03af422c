"""One training step, in each of the ways there are: plain, or the whole step as one compiled function."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F

from benchmark.recipe import Recipe

__all__ = ["EagerSteps", "Steps", "losses_of"]


class Steps(Protocol):
    """Trains one network, batch by batch."""

    def reset(self) -> None:
        """Forget the momentum."""

    def step(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
        """Learn from a batch, augmented already: (b, C, H, W) float32 with (b,) ids or (b, K) probabilities.

        Returns the batch's mean loss as a tensor (), so that nothing waits for the device.
        """


def losses_of(logits: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The recipe's loss of each image, (b,)."""
    return F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing, reduction="none")


class EagerSteps:
    """Plain PyTorch in float32: the form that every other is tested against."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.recipe = recipe
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.reset()

    def reset(self) -> None:
        recipe = self.recipe
        rate, decay = recipe.learning_rate, recipe.weight_decay
        self.optimizer: torch.optim.Optimizer
        if recipe.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(
                self.parameters, rate, recipe.momentum, weight_decay=decay, nesterov=recipe.nesterov, fused=True
            )
            return
        kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
        self.optimizer = kind(self.parameters, rate, (recipe.momentum, 0.999), weight_decay=decay, fused=True)

    def step(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = losses_of(self.network(images), labels, self.recipe).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss
