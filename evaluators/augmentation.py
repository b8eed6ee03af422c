"""Accuracy on the test split under several training augmentations.

DC-BENCH (Cui et al. 2022) showed that a method's rank depends on the augmentation of the network trained on its set.
Each augmentation replaces the recipe's own; everything else stays. Differs: parameters are drawn per sample, where
DC-BENCH's transforms draw one set for each batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, accuracy_score
from benchmark.results import Score
from benchmark.values import Cell

__all__ = ["VERSION", "AugmentationStudy"]

VERSION = 1


@dataclass(frozen=True)
class AugmentationStudy(Evaluator):
    """One cell for each augmentation, all on one architecture; the condition names the augmentation."""

    augmentations: tuple[str, ...] = ("none", "dsa", "crop-flip", "randaugment")
    architecture: str = DEFAULT_ARCHITECTURE

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        return {
            name: subject.cell(self.architecture, subject.recipe.vary(name=subject.recipe.name, augmentation=name))
            for name in self.augmentations
        }

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for name in self.augmentations:
            for outcome in seen[name]:
                yield accuracy_score(outcome, self.architecture, condition=name)
