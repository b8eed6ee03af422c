"""A student's training on the synthetic images, step by step and back again: plain SGD with a rate that is learned too.

θ_{t+1} = θ_t - η g_t with g_t = ∇_θ loss(θ_t, batch_t). Backwards, λ_t = λ_{t+1} - η H_t λ_{t+1}, and a step gives the
images -η ∂(g_t·λ_{t+1}) and the rate -g_t·λ_{t+1}. Only the weights θ_0 … θ_N are kept; each step's graph is built
again on the way back, so that memory holds one of them: a quarter more work than with all graphs kept at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

__all__ = ["Loss", "Unroll", "loss_of"]

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From flat weights (P,), images (n, C, H, W) and class ids (n,) to a mean loss ()."""


def loss_of(network: nn.Module) -> Loss:
    """The cross-entropy of a network as a function of its flat weights, in the order of its parameters."""
    named = dict(network.named_parameters())
    sizes = [weight.numel() for weight in named.values()]

    def loss(flat: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        parts = zip(named.items(), torch.split(flat, sizes), strict=True)
        weights = {name: part.view_as(like) for (name, like), part in parts}
        return F.cross_entropy(functional_call(network, weights, (images,)), labels)

    return loss


@dataclass(frozen=True)
class Unroll:
    """N steps of SGD whose end can be differentiated by the images and the rate."""

    loss: Loss
    batch: Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
    """From all images and the number of a step to what that step learns from, differentiable in the images."""
    steps: int

    def forward(self, begin: torch.Tensor, images: torch.Tensor, rate: torch.Tensor) -> list[torch.Tensor]:
        """The weights θ_0 … θ_N, each (P,)."""
        path = [begin.detach()]
        for step in range(self.steps):
            weights = path[-1].detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(weights, *self.batch(images.detach(), step)), weights)
            path.append(path[-1] - rate * gradient)
        return path

    def backward(
        self, path: list[torch.Tensor], images: torch.Tensor, rate: torch.Tensor, by_end: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients on the images (N, C, H, W) and the rate (), from that on θ_N."""
        by_images, by_rate, by_weights = torch.zeros_like(images), torch.zeros_like(rate), by_end
        for step in reversed(range(self.steps)):
            weights, leaf = path[step].detach().requires_grad_(), images.detach().requires_grad_()
            loss = self.loss(weights, *self.batch(leaf, step))
            (gradient,) = torch.autograd.grad(loss, weights, create_graph=True)
            product = gradient @ by_weights
            second, by_leaf = torch.autograd.grad(product, (weights, leaf))
            by_rate -= product.detach()
            by_images -= rate * by_leaf
            by_weights = by_weights - rate * second
        return by_images, by_rate
