"""What of a set's score its images teach, and what their labels: a factorial of images and labels.

Images {the set, as many random real images, noise} under labels {hard, those of one fixed teacher}; a set with labels
of its own has them as one more cell. The teacher is the network of full data under the recipe's reference schedule,
seed 0, whatever teacher the recipe names; it labels the images as they are, once. All but the noise, which is
standardised, train and are tested in the set's space, whitened where it is, at the recipe's own rate, whatever the set
carries. Effects are means of differences within one training seed. Qin et al. (NeurIPS 2024) show how much of a
published score labels can explain.

`hlr` and `ior` among the effects are those of DD-Ranking (Li et al. 2025) as plain differences in percentage points;
their exponential is left out, for it only bends the axis. HLR: accuracy of full data minus that of the set's images,
both under hard labels; lower is better. IOR: accuracy of the set as it comes minus that of random real images evaluated
alike, under hard labels where the set has those, under our teacher's where it has labels of its own. All conditions
keep the set's own track: they are one experiment, and no condition is ever ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import ClassVar

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
from benchmark.recipe import Recipe
from benchmark.results import Score
from benchmark.values import Budget, Cell, Data, Images, Made, Outcome, Real, Stage, Training

__all__ = ["VERSION", "LabelDisentangling", "effects"]

VERSION = 3
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
        how = _alike(subject)
        base = subject.cell(self.architecture, how)
        full = replace(base.training, stages=(Stage(reference),), recipe=how.on_full_data())
        data: dict[str, Data] = {}
        for name, one in images.items():
            data |= {f"{name}, hard": Data((one,)), f"{name}, teacher": Data((one,), full)}
        if subject.track == "soft":  # ids, its own or not, are named as other evaluators name them, to be trained once
            data |= {"set, hard": Data((subject.images,), "hard"), OWN: Data((subject.images,))}
        cells: dict[Label, Cell] = {}
        for label, labelled in data.items():
            chosen = how if isinstance(labelled.labels, Training) else how.untaught()
            cells[label] = replace(base, training=replace(base.training, stages=(Stage(labelled),), recipe=chosen))
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
            higher = not condition.startswith("hlr")
            yield score_of(said, self.architecture, "effect", value, "percentage points", higher, condition)


def _alike(subject: Subject) -> Recipe:
    """The subject's recipe, under which the images beside it are whitened where its own are."""
    whitened = {"statistics": "zca"} if subject.space == "zca" else {}
    return subject.recipe.vary(name=subject.recipe.name, carried="ignore", teacher="", **whitened)


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
    beside = "random-real, teacher" if OWN in accuracy else "random-real, hard"
    found["ior: set - random-real"] = accuracy.get(OWN, accuracy["set, hard"]) - accuracy[beside]
    return found
