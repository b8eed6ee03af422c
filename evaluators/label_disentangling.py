"""What of a set's score its images teach, and what their labels: a factorial of images and labels.

Images {the set, as many random real images, noise} under labels {hard, those of one fixed teacher}; a set with labels
of its own has them as one more cell. The teacher is the network of full data under the recipe's reference schedule,
seed 0; it labels the images as they are, once. Effects are means of differences within one training seed. Qin et al.
(NeurIPS 2024) show how much of a published score labels can explain.

`hlr` and `ior` among the effects are those of DD-Ranking (Li et al. 2025) as plain differences in percentage points;
their exponential is left out, for it only bends the axis (accuracy of full data minus that of the set's images, both
under hard labels; accuracy of the set as it comes minus that of random real images under hard labels). All conditions
keep the set's own track: they are one experiment, and no condition is ever ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import ClassVar, Literal

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
from benchmark.values import Budget, Cell, Data, Images, Made, Outcome, Real, Stage, Training

__all__ = ["VERSION", "LabelDisentangling", "effects"]

VERSION = 1
FULL = "full data, hard"
OWN = "set, own"


@dataclass(frozen=True)
class LabelDisentangling(Evaluator):
    """Six cells, the reference, and one more where the set carries labels."""

    architecture: str = DEFAULT_ARCHITECTURE
    quick_seeds: ClassVar[int | None] = 2

    def skip_reason(self, subject: Subject) -> str | None:
        return "its size per class is not known" if subject.ipc is None else None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        seed, real = subject.distil_seed or 0, Real(subject.dataset)
        images: dict[str, Images] = {"set": subject.images}
        for name in ("random-real", "noise"):
            images[name] = Made(name, "default", real, Budget(ipc=subject.ipc), seed)
        reference = Data((Made("full-data", "default", real, Budget(), 0),))
        base = subject.cell(self.architecture)
        full = replace(base.training, stages=(Stage(reference),), recipe=subject.recipe.on_full_data())
        labels: dict[str, Literal["hard"] | Training] = {"hard": "hard", "teacher": full}
        data = {f"{i}, {k}": Data((one,), label) for i, one in images.items() for k, label in labels.items()}
        if subject.track == "soft":
            data[OWN] = Data((subject.images,))
        cells: dict[Label, Cell] = {
            name: replace(base, training=replace(base.training, stages=(Stage(one),))) for name, one in data.items()
        }
        return {**cells, FULL: replace(base, training=full)}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for name, outcomes in seen.items():
            for outcome in outcomes:
                yield accuracy_score(outcome, self.architecture, str(name))
        for outcomes in by_seed(*seen.values()).values():
            found = dict(zip(map(str, seen), outcomes, strict=True))
            yield from self._contrasts(found)

    def _contrasts(self, outcomes: Mapping[str, Outcome]) -> Iterable[Score]:
        said = worst(list(outcomes.values()))
        accuracies = {name: accuracy_percent(outcome) or 0.0 for name, outcome in outcomes.items()}
        for condition, value in effects(accuracies).items():
            yield score_of(said, self.architecture, "effect", value, "percentage points", condition=condition)


def effects(accuracy: Mapping[str, float]) -> dict[str, float]:
    """Contrasts of the factorial, from accuracies in percent by `images, labels`; in percentage points.

    A main effect is the mean over the levels of the other factor; an interaction is how much more a teacher's labels
    help on the set's images than on the others.
    """
    images, labels = ("set", "random-real", "noise"), ("hard", "teacher")
    gain = {one: accuracy[f"{one}, teacher"] - accuracy[f"{one}, hard"] for one in images}
    level = {one: fmean(accuracy[f"{one}, {label}"] for label in labels) for one in images}
    found = {"labels: teacher - hard": fmean(gain.values())}
    for other in images[1:]:
        found[f"images: set - {other}"] = level["set"] - level[other]
        found[f"interaction: set - {other}"] = gain["set"] - gain[other]
    found["hlr: full data - set"] = accuracy[FULL] - accuracy["set, hard"]
    found["ior: set - random-real"] = accuracy.get(OWN, accuracy["set, hard"]) - accuracy["random-real, hard"]
    return found
