"""Mean images: one image a class is the mean of the class, k images are the means of k random parts of it.

On handwritten digits hardly beatable at one image a class, so a method that cannot beat it has shown nothing.

Differs: the source has the one mean of a class; for k images the class is dealt out at random into k parts of equal
size (give or take one), so that every real image counts once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.run import Run
from benchmark.space import PIXEL
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["ClassMean"]

VERSION = 1


@dataclass(frozen=True)
class ClassMean(Baseline):
    """Needs no hyper-parameter."""

    source = Source(
        title="Class means",
        url="https://arxiv.org/abs/1811.10959",
        citation="Wang, T., Zhu, J.-Y., Torralba, A., Efros, A. A. (2018). Dataset Distillation. arXiv:1811.10959, "
        "the baseline `average real images`.",
        licence="Apache-2.0",
    )
    class_by_class = True

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 pixels; raises UsageError where a class has fewer images than parts."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        images, labels = [], []
        for c, members in run.class_rows(at_least=ipc).items():
            shuffled = members[torch.randperm(len(members), generator=run.generator("parts", c)).numpy()]
            pixels = run.images(shuffled).double() / 255
            images += [part.mean(dim=0) for part in pixels.tensor_split(ipc)]
            labels += [c] * ipc
        return run.of_images(torch.stack(images), torch.tensor(labels), PIXEL, ipc)
