"""Noise images under hard labels: a control that shows what labels alone teach, never a competitor.

Every value is drawn from a normal distribution with the dataset's own mean and deviation. Under hard labels a network
trained on it is at chance; what it learns under a teacher's labels comes from the labels (Qin et al. 2024, "A Label is
Worth a Thousand Images in Dataset Distillation", asks the same of random real images).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.run import Run
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["Noise"]

VERSION = 1


@dataclass(frozen=True)
class Noise(Baseline):
    """Needs no hyper-parameter."""

    source = Source(
        title="Noise images",
        url="https://arxiv.org/abs/2406.10485",
        citation="Qin, T., Deng, Z., Alvarez-Melis, D. (2024). A Label is Worth a Thousand Images in Dataset "
        "Distillation. NeurIPS 2024, which separates what images teach from what labels teach.",
        licence="Apache-2.0",
    )

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 images in standardized space, class by class; the real images only say which classes.

        Raises UsageError for more images than a class has, as a set of real ones beside it would.
        """
        ipc = images_per_class(budget, real, run.facts, bytes_per_value=4)
        classes = torch.tensor(sorted(run.class_rows(ipc)))
        images = torch.randn(ipc * len(classes), *run.facts.shape, generator=run.generator("noise"))
        return run.of_images(images, classes.repeat_interleave(ipc), run.space(), ipc)
