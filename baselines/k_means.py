"""Cluster centres of each class, as images: k-means on pixels, the best of some random starts.

With one image a class the centre is the class mean.

Differs: the source names k-means++ and no number of starts; here the best of `restarts` starts counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from baselines import _clusters
from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.datasets import DatasetFacts
from benchmark.run import Run
from benchmark.space import PIXEL
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["KMeansCentres"]

VERSION = 1


@dataclass(frozen=True)
class KMeansCentres(Baseline):
    """k-means of each class with as many clusters as it gets images."""

    source = Source(
        title="k-means centres",
        url="https://arxiv.org/abs/1811.10959",
        citation="Wang, T., Zhu, J.-Y., Torralba, A., Efros, A. A. (2018). Dataset Distillation. arXiv:1811.10959, "
        "the baseline `k-means`; computed with scikit-learn (Pedregosa et al. 2011).",
        licence="Apache-2.0",
    )
    class_by_class = True
    restarts: int = 10
    """Starts of each k-means, of which the one with the least inertia is kept."""

    def seconds(self, real: Real, budget: Budget, facts: DatasetFacts) -> float:
        ipc = images_per_class(budget, real, facts, self.bytes_per_value)
        return _clusters.seconds(real, ipc, self.restarts, facts)

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 pixels; raises UsageError where a class has fewer images than clusters."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        classes = list(_clusters.centres_by_class(run, ipc, self.restarts))
        centres = np.concatenate([centres for _, _, _, centres in classes])
        labels = torch.tensor([c for c, *_ in classes]).repeat_interleave(ipc)
        return run.of_images(torch.from_numpy(centres).view(-1, *run.facts.shape), labels, PIXEL, ipc)
