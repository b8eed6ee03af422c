"""Accuracy of the class that a set serves worst, and the gap to the class that it serves best.

A mean hides a class that was lost in distillation; the comprehensive study of Chen et al. (arXiv:2305.03355) finds
that distillation amplifies such differences. Nothing is trained or measured beyond the counts that every accuracy
comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, score_of
from benchmark.results import Score
from benchmark.values import Cell

__all__ = ["VERSION", "Fairness"]

VERSION = 1


@dataclass(frozen=True)
class Fairness(Evaluator):
    """One cell, that of cross-architecture."""

    architecture: str = DEFAULT_ARCHITECTURE

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        return {"all": subject.cell(self.architecture)}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for outcome in seen["all"]:
            lowest = gap = None
            if outcome.status == "ok":
                counts = outcome.at_end()
                shares = [100 * right / n for right, n in zip(counts["correct"], counts["total"], strict=True) if n]
                lowest, gap = min(shares), max(shares) - min(shares)
            yield score_of(outcome, self.architecture, "worst_class_accuracy", lowest)
            yield score_of(outcome, self.architecture, "class_gap", gap, "percentage points", False)
