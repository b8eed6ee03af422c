"""Accuracy under white-box attacks in pixel space: FGSM and PGD-10, bounded in every value.

FGSM: Goodfellow et al. (ICLR 2015); PGD with a random start: Madry et al. (ICLR 2018), ten steps of a quarter of the
bound. Every network is attacked on the same 1,000 test images; `none` is its accuracy on them as they are. White-box
attacks of one kind are an upper bound of robustness: a number that is high may still fall to a stronger attack.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, accuracy_score
from benchmark.results import Score
from benchmark.values import Cell, Probe

__all__ = ["VERSION", "Adversarial"]

VERSION = 1
STEPS = 10


@dataclass(frozen=True)
class Adversarial(Evaluator):
    """One cell with a probe for each attack and bound."""

    architecture: str = DEFAULT_ARCHITECTURE
    epsilons: tuple[int, ...] = (2, 8)
    """Bounds, in 255ths of the range of pixels."""
    subset: int = 1000
    quick: ClassVar[Mapping[str, Any]] = {"epsilons": (8,)}
    quick_seeds: ClassVar[int | None] = 1

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        return {"all": subject.cell(self.architecture, probes=tuple(self._probes(subject).values()))}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        names = {probe: name for name, probe in self._probes(subject).items()}
        for outcome in seen["all"]:
            yield accuracy_score(outcome, self.architecture, names[outcome.probe])

    def _probes(self, subject: Subject) -> dict[str, Probe]:
        shared = (("subset", self.subset),)
        found = {"none": Probe("accuracy", subject.test, shared)}
        for epsilon in self.epsilons:
            fgsm = (("epsilon", float(epsilon)), ("method", "fgsm"), *shared)
            pgd = (("epsilon", float(epsilon)), ("method", "pgd"), ("steps", STEPS), *shared)
            found[f"fgsm {epsilon}/255"] = Probe("attack", subject.test, fgsm)
            found[f"pgd-{STEPS} {epsilon}/255"] = Probe("attack", subject.test, pgd)
        return found
