"""What choosing the best epoch and learning rate on the test split would have added.

Published tables often take both from the test accuracy; here nothing is. The set is trained at some multiples of the
recipe's rate and measured at some epochs, on test and on holdout. `optimism` is the best test accuracy minus that of
the recipe's own rate at its last epoch; `optimism_over_holdout` is the best minus the test accuracy of what the
holdout chooses (its first best, smaller rates and earlier epochs first). Both are 0 or more, and 0 where there is no
choice.

A set that was distilled on all of train has seen the holdout; its card says so (`distilled_on`), and boards keep it
apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.errors import UsageError
from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, by_seed, score_of, worst
from benchmark.results import Score
from benchmark.values import Cell, Outcome, Probe, Real

__all__ = ["VERSION", "Optimism", "added_by_choice"]

VERSION = 2
Moment = tuple[str, str]
"""A multiple of the rate, and a moment of training."""


@dataclass(frozen=True)
class Optimism(Evaluator):
    """One cell for each rate, measured at several epochs."""

    architecture: str = DEFAULT_ARCHITECTURE
    rates: tuple[float, ...] = (0.3, 1.0, 3.0)
    """Multiples of the recipe's rate; 1 is among them."""
    n_moments: int = 10
    """Evenly spaced epochs at which is measured, the last among them."""
    quick: ClassVar[Mapping[str, Any]] = {"n_moments": 4}
    quick_seeds: ClassVar[int | None] = 1

    def skip_reason(self, subject: Subject) -> str | None:
        carried = subject.recipe.carried == "use"
        return "under this recipe a set carries its own learning rate, so there is none to choose" if carried else None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        if 1.0 not in self.rates:
            raise UsageError(f"rates are {self.rates}; 1.0, the recipe's own, must be among them.")
        at = self._moments(subject)
        probes = (
            Probe("accuracy", subject.test, at=at),
            Probe("accuracy", Real(subject.dataset, part="holdout"), at=at),
        )
        recipe = subject.recipe
        return {
            rate: subject.cell(
                self.architecture,
                recipe.vary(name=recipe.name, learning_rate=recipe.learning_rate * rate),
                probes,
            )
            for rate in self.rates
        }

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for outcomes in by_seed(*(seen[rate] for rate in self.rates)).values():
            said = worst(outcomes)
            added: tuple[float | None, float | None] = (None, None)
            if said.status == "ok":
                test, holdout = (self._accuracies(outcomes[first::2]) for first in (0, 1))
                added = added_by_choice(test, holdout, ("1.0", "end"))
            for metric, value in zip(("optimism", "optimism_over_holdout"), added, strict=True):
                yield score_of(said, self.architecture, metric, value, "percentage points", False)

    def _moments(self, subject: Subject) -> tuple[str | int, ...]:
        """Epochs that divide the training evenly; of a set of unknown size only the end."""
        if subject.n_images is None:
            return ("end",)
        last = subject.recipe.n_epochs(subject.n_images)
        epochs = {round(last * k / self.n_moments) for k in range(1, self.n_moments)} - {0, last}
        return (*sorted(epochs), "end")

    def _accuracies(self, outcomes: Sequence[Outcome]) -> dict[Moment, float]:
        """In percent, smaller rates and earlier moments first, in whichever order they are stored."""
        of_rate = sorted(zip(self.rates, outcomes, strict=True), key=lambda pair: pair[0])
        return {
            (str(float(rate)), moment): 100 * sum(counts["correct"]) / sum(counts["total"])
            for rate, outcome in of_rate
            for moment, counts in sorted(outcome.value.items(), key=lambda item: _epoch(item[0]))
        }


def _epoch(moment: str) -> float:
    """Of `epoch-12` or `end`, which is after all others."""
    return math.inf if moment == "end" else int(moment.removeprefix("epoch-"))


def added_by_choice(
    test: Mapping[Moment, float], holdout: Mapping[Moment, float], fixed: Moment
) -> tuple[float, float]:
    """The best on test minus the fixed choice, and minus what the holdout chooses; percentage points."""
    best = max(test.values())
    chosen = max(holdout, key=lambda moment: holdout[moment])
    return best - test[fixed], best - test[chosen]
