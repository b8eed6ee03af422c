"""What of a set's score hides below its pixels: the same training on the set with fewer levels and in another order.

A set may carry more than its images show: labels of test images in the lowest bits, signals far below one level that
only a normalising network can read, an order that suits our seeds. Each training seed trains once on the set as it is
and once on it requantised (noise of one level, every second level kept, shuffled; a draw for each seed). `fall` is the
difference of the accuracies. `fall_in_standard_errors` is the mean fall over its standard error (Welch: the two
networks of a seed share their draws, but not their images); above 3 the set is held back from ranks (E605).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance

from benchmark.evaluator import (
    DEFAULT_ARCHITECTURE,
    Evaluator,
    Label,
    Seen,
    Subject,
    accuracy_percent,
    accuracy_score,
    by_seed,
    score_of,
    worst,
)
from benchmark.results import Score
from benchmark.values import Cell, Outcome, Requantised, Stage

__all__ = ["VERSION", "Requantisation", "in_standard_errors"]

VERSION = 1
LIMIT = 3.0
"""Standard errors of a fall above which somebody must look at the set."""
AS_IT_IS, CHANGED = "as it is", "requantised"


@dataclass(frozen=True)
class Requantisation(Evaluator):
    """The cell of cross-architecture, and one of a single seed for each of its seeds."""

    architecture: str = DEFAULT_ARCHITECTURE

    def skip_reason(self, subject: Subject) -> str | None:
        return "it is all of the real data" if subject.method == "full-data" else None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        base = subject.cell(self.architecture)
        cells: dict[Label, Cell] = {AS_IT_IS: base}
        for seed in base.seeds:
            stage = Stage(subject.data(Requantised(subject.images, seed)))
            cells[CHANGED, seed] = replace(base, training=replace(base.training, stages=(stage,)), seeds=(seed,))
        return cells

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        changed = [outcome for label in seen if label != AS_IT_IS for outcome in seen[label]]
        pairs = list(by_seed(seen[AS_IT_IS], tuple(changed)).values())
        for before, after in pairs:
            yield accuracy_score(before, self.architecture, AS_IT_IS)
            yield accuracy_score(after, self.architecture, CHANGED)
            yield self._score(worst((before, after)), "fall", "percentage points", _fall(before, after))
        said = worst([outcome for pair in pairs for outcome in pair])
        firsts, seconds = ([accuracy_percent(pair[k]) for pair in pairs] for k in (0, 1))
        told = in_standard_errors(*([x for x in one if x is not None] for one in (firsts, seconds)))
        if said.status != "ok" or told is not None:
            yield replace(self._score(said, "fall_in_standard_errors", "standard errors", told), seed=None)

    def suspicion(self, scores: Sequence[Score]) -> tuple[str, str] | None:
        (told,) = [score.value for score in scores if score.metric == "fall_in_standard_errors"] or [None]
        if told is None or told <= LIMIT:
            return None
        fall = fmean(score.value for score in scores if score.metric == "fall" and score.value is not None)
        return "E605", f"Accuracy falls by {fall:.1f} points, {told:.1f} standard errors, once the set is requantised."

    def _score(self, outcome: Outcome, metric: str, unit: str, value: float | None) -> Score:
        return score_of(outcome, self.architecture, metric, value, unit, higher_is_better=False)


def _fall(before: Outcome, after: Outcome) -> float | None:
    first, second = accuracy_percent(before), accuracy_percent(after)
    return None if first is None or second is None else first - second


def in_standard_errors(before: list[float], after: list[float]) -> float | None:
    """How many standard errors the mean falls by; None for fewer than three values a side, or no spread at all."""
    if min(len(before), len(after)) < 3:
        return None
    error = math.sqrt(variance(before) / len(before) + variance(after) / len(after))
    return (fmean(before) - fmean(after)) / error if error else None
