"""Accuracy on the test split over several architectures.

A set distilled with one network should train others too (DC, Zhao et al. 2021, Table 2). Each architecture trains from
scratch on the set under one recipe, with the recipe's seeds. An architecture that does not fit the input is a row with
status `skipped` and the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.evaluator import Evaluator, Label, Seen, Subject, accuracy_score
from benchmark.results import Score
from benchmark.values import Cell

__all__ = ["VERSION", "CrossArchitecture"]

VERSION = 1


@dataclass(frozen=True)
class CrossArchitecture(Evaluator):
    """One cell for each architecture."""

    architectures: tuple[str, ...] = ("convnet", "mlp", "lenet", "alexnet", "vgg11", "resnet18")

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        return {architecture: subject.cell(architecture) for architecture in self.architectures}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for architecture in self.architectures:
            for outcome in seen[architecture]:
                yield accuracy_score(outcome, architecture)
