"""All real images: the reference that every synthetic set is measured against.

Scored under a recipe's `reference` schedule, since nobody trains 50,000 images for 300 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.baseline import Baseline, Source
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["FullData"]

VERSION = 1


@dataclass(frozen=True)
class FullData(Baseline):
    """Needs no hyper-parameter, and takes no budget."""

    source = Source(
        title="Full data",
        url="https://arxiv.org/abs/1811.10959",
        citation="Wang, T., Zhu, J.-Y., Torralba, A., Efros, A. A. (2018). Dataset Distillation. arXiv:1811.10959, "
        "which compares with networks trained on the full dataset.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )
    takes_budget = False
    bytes_per_value = 1
    class_by_class = True

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return the indices of all real images; raises UsageError where a budget is set."""
        if budget != Budget():
            raise UsageError(f"full-data stores everything and cannot keep a budget of {budget}. Ask for none.")
        return run.of_indices(run.rows(), None)
