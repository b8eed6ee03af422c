"""Accuracy on corrupted test images: eight families at five severities, after CIFAR-10-C.

Families and constants: Hendrycks and Dietterich (ICLR 2019); those that need no files (benchmark/corruptions.py). Every
network sees the same 2,000 test images with the same corruptions; `none` is its accuracy on them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from benchmark.evaluator import (
    DEFAULT_ARCHITECTURE,
    Evaluator,
    Label,
    Seen,
    Subject,
    accuracy_percent,
    by_seed,
    score_of,
    worst,
)
from benchmark.results import Score
from benchmark.values import Cell, Outcome, Probe

__all__ = ["VERSION", "Corruption"]

VERSION = 1


@dataclass(frozen=True)
class Corruption(Evaluator):
    """One cell with a probe for each family and severity; conditions are their means."""

    architecture: str = DEFAULT_ARCHITECTURE
    families: tuple[str, ...] = (
        "gaussian-noise",
        "shot-noise",
        "impulse-noise",
        "gaussian-blur",
        "brightness",
        "contrast",
        "pixelate",
        "jpeg",
    )
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    subset: int = 2000
    quick: ClassVar[Mapping[str, Any]] = {
        "families": ("gaussian-noise", "gaussian-blur", "contrast"),
        "severities": (1, 3, 5),
    }
    quick_seeds: ClassVar[int | None] = 2

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        clean = Probe("accuracy", subject.test, (("subset", self.subset),))
        return {"all": subject.cell(self.architecture, probes=(clean, *self._probes(subject)))}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        kinds = [dict(probe.options) for probe in self._probes(subject)]
        for clean, *corrupted in by_seed(seen["all"]).values():
            yield self._score("none", [clean])
            yield self._score("all", corrupted)
            for option, values in (("corruption", self.families), ("severity", self.severities)):
                for value in values:
                    members = [one for one, kind in zip(corrupted, kinds, strict=True) if kind[option] == value]
                    yield self._score(f"severity {value}" if option == "severity" else str(value), members)

    def _probes(self, subject: Subject) -> Iterator[Probe]:
        for family in self.families:
            for severity in self.severities:
                options = (("corruption", family), ("severity", severity), ("subset", self.subset))
                yield Probe("accuracy", subject.test, options)

    def _score(self, condition: str, outcomes: list[Outcome]) -> Score:
        """The mean accuracy over some probes of one network."""
        found = [value for value in map(accuracy_percent, outcomes) if value is not None]
        value = fmean(found) if len(found) == len(outcomes) else None
        return score_of(worst(outcomes), self.architecture, "accuracy", value, condition=condition)
