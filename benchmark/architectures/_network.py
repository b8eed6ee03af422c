"""The form that every network has: features, then one linear layer."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Network"]


class Network(nn.Module):
    """A body that turns images into features, and a linear classifier on top.

    Any module with `embed`, `classifier` and `forward = classifier(embed(x))` serves as well.
    """

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        """Take a body whose output has `features` numbers for each image."""
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(features, classes)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Features before the classifier, (N, F), of standardized images (N, C, H, W)."""
        features: torch.Tensor = self.body(images)
        return features.flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, (N, classes)."""
        logits: torch.Tensor = self.classifier(self.embed(images))
        return logits
