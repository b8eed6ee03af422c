"""Matching of what random networks make of images: class means of statistics, approached by synthetic images.

A method says which statistics. With the features before the classifier it is DM; with attention maps of the layers on
the way, DataDAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from baselines._matching import Batches, ClassBatches, Matching
from benchmark.architectures import Network
from benchmark.engine.passes import Passes, Seen, record

__all__ = ["FeatureMatching"]


@dataclass(frozen=True)
class FeatureMatching(Matching):
    """Base of methods that match class means of statistics; they define `describe`."""

    looks_at_maps: ClassVar[bool] = False
    """Whether `describe` reads the maps of the layers."""

    def describe(self, seen: Seen) -> tuple[torch.Tensor, ...]:
        """Statistics (N, D) of each image, each times the root of its weight in the loss."""
        raise NotImplementedError

    def gradient(
        self, network: Network, passes: Passes, batches: ClassBatches, images: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        synthetic = images.detach().requires_grad_()
        loss = self.distance(network, passes, *batches.pairs(synthetic, generator))
        return loss, torch.autograd.grad(loss, synthetic)[0]

    def distance(self, network: Network, passes: Passes, real: Batches, synthetic: Batches) -> torch.Tensor:
        """Σ_c Σ_s ‖mean s(real_c) - mean s(synthetic_c)‖²; synthetic batches are of one length."""
        targets = passes.statistics(network, real, self.describe, self.looks_at_maps)
        found = self.describe(record(network, torch.cat(synthetic)))
        means = [part.view(len(synthetic), -1, part.shape[1]).mean(dim=1) for part in found]
        terms = [(target - mean).square().sum() for target, mean in zip(targets, means, strict=True)]
        return torch.stack(terms).sum()
