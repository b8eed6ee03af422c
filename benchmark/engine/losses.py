"""The losses that a recipe may name."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmark.recipe import Recipe

__all__ = ["loss_of", "losses_of"]


def loss_of(recipe: Recipe, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch, ()."""
    return losses_of(recipe, outputs, labels).mean()


def losses_of(recipe: Recipe, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Each image's loss, (N,): outputs (N, K) before softmax, labels (N,) class ids or (N, K) probabilities.

    `mean-squared-error` is between the outputs themselves and the (smoothed) labels, summed over the classes, as in Hui
    and Belkin (ICLR 2021), section 2, without their factors for many classes.
    """
    if recipe.loss != "mean-squared-error":  # DER++ is cross-entropy here: what it adds hangs on a memory
        return F.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing, reduction="none")
    n_classes = outputs.shape[1]
    targets = F.one_hot(labels, n_classes).to(outputs.dtype) if labels.ndim == 1 else labels
    targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / n_classes
    return (outputs - targets).square().sum(dim=1)
