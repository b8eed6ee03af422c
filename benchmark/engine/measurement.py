"""What a probe sees: a network and the images to measure it on, with shared forward passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch

from benchmark.engine.materials import Examples

__all__ = ["Measurement"]

CHUNK = 500
"""Images of one forward pass."""


class Measurement:
    """A network in evaluation mode, beside real images in its own space. Probes of one moment share its passes."""

    def __init__(
        self,
        network: torch.nn.Module,
        examples: Examples,
        forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        """`forward`: a faster way from images to logits than the network's own."""
        self.network = network.eval()
        self.examples = examples
        self._forward = forward or self.network

    @property
    def images(self) -> torch.Tensor:
        """(N, C, H, W) float32 in the network's space."""
        return self.examples.images

    @property
    def labels(self) -> torch.Tensor:
        """(N,) int64 class ids."""
        return self.examples.labels

    @cached_property
    def logits(self) -> torch.Tensor:
        """(N, K) outputs before softmax."""
        return self._passes(self._forward)

    @cached_property
    def embeddings(self) -> torch.Tensor:
        """(N, F) features before the classifier."""
        embed: Callable[[torch.Tensor], torch.Tensor] = self.network.embed  # type: ignore[assignment]
        return self._passes(embed)

    def _passes(self, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([function(chunk) for chunk in torch.split(self.images, CHUNK)])
