"""Real images drawn at random, as many of each class: what every method must beat.

A smaller set of a seed is the beginning of its larger ones.

Differs: DC-BENCH draws once, with one fixed seed, for all its figures; here every distillation seed draws anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.run import Run
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["RandomReal"]

VERSION = 1


@dataclass(frozen=True)
class RandomReal(Baseline):
    """Needs no hyper-parameter."""

    source = Source(
        title="Random real images",
        url="https://arxiv.org/abs/1811.10959",
        citation="Wang, T., Zhu, J.-Y., Torralba, A., Efros, A. A. (2018). Dataset Distillation. arXiv:1811.10959, "
        "the baseline `random real images`.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )
    bytes_per_value = 1
    class_by_class = True

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return indices of distinct real images."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        return run.of_indices(run.random_rows(ipc), ipc)
