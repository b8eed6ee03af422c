"""Whether a network trained on a set betrays which real images the set was made of.

Two attacks. The loss threshold (Yeom et al., CSF 2018) calls an image a member where its loss is low: train images,
those that the set was made of, against test images, for every set. LiRA (Carlini et al., S&P 2022, online, section V)
compares an image's logit-scaled confidence with networks that did and did not learn from it; it needs sets made of
known halves, so it runs only for sets that a baseline of ours makes: sixteen random halves of train, a set and a
network of each, and every one in turn is attacked with the other fifteen. That says something of the method, not of one
of its sets, so only its set of distillation seed 0, made of all of train, has these rows. Differs: one variance for all
images, as they advise below 64 shadow networks.

Of both: area under the ROC curve, and the share of members found at 1 % false alarms, which says more (Carlini et
al., section III). The interval of the loss threshold's share is that of Clopper and Pearson over members, its
threshold taken as given; LiRA's sixteen values are rows of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.special import betaincinv
from scipy.stats import rankdata

from benchmark import datasets
from benchmark.errors import UsageError
from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, by_seed, score_of, worst
from benchmark.results import Score
from benchmark.values import Cell, Data, Outcome, Probe, Stage

__all__ = ["VERSION", "MembershipInference", "area", "clopper_pearson", "likelihood_ratios", "share_found"]

VERSION = 3
FALSE_ALARMS = 0.01
Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class MembershipInference(Evaluator):
    """The set's own cell, and one for each half; a half's row carries its number as training seed."""

    architecture: str = DEFAULT_ARCHITECTURE
    halves: int = 16
    """How many halves LiRA uses, from 3 to 16; 0: the loss threshold only."""
    quick: ClassVar[Mapping[str, Any]] = {"halves": 0}
    quick_seeds: ClassVar[int | None] = 2

    def skip_reason(self, subject: Subject) -> str | None:
        return "the recipe's teacher has seen members and others alike" if subject.recipe.teacher else None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        if self.halves not in (0, *range(3, 17)):
            raise UsageError(f"halves is {self.halves!r}; it must be 0, or a number from 3 to 16.")
        train = Probe("losses", subject.train)
        own = subject.cell(self.architecture, probes=(train, Probe("losses", subject.test)))
        return {"own": own, **{("half", k): cell for k, cell in self._halves(subject, own, train)}}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for train, test in by_seed(seen["own"]).values():
            yield from self._threshold(train, test)
        targets = [label for label in seen if label != "own"]
        if targets:
            outcomes = [seen[label][0] for label in targets]
            yield from self._ratios(outcomes, _members(subject.dataset, len(outcomes)))

    def _halves(self, subject: Subject, own: Cell, probe: Probe) -> Iterable[tuple[int, Cell]]:
        if subject.made is None or subject.made.real.part is not None or subject.made.seed != 0:
            return
        for k in range(self.halves):
            made = replace(subject.made, real=replace(subject.made.real, part=f"half-{k:02}"), seed=k)
            training = replace(own.training, stages=(Stage(Data((made,))),))
            yield k, Cell(training, (k,), (probe,))

    def _threshold(self, train: Outcome, test: Outcome) -> Iterable[Score]:
        said = worst((train, test))
        auc = found = low = high = None
        if said.status == "ok":
            members, others = (-np.asarray(one.at_end()["losses"], dtype=np.float64) for one in (train, test))
            auc, share = area(members, others), share_found(members, others, FALSE_ALARMS)
            low, high = (100 * end for end in clopper_pearson(round(share * len(members)), len(members)))
            found = 100 * share
        yield self._score(said, "auc", auc, "1", "loss threshold")
        yield self._score(said, "tpr_at_1_fpr", found, "percent", "loss threshold")
        yield self._score(said, "tpr_at_1_fpr_low", low, "percent", "loss threshold")
        yield self._score(said, "tpr_at_1_fpr_high", high, "percent", "loss threshold")

    def _ratios(self, outcomes: list[Outcome], members: Flags) -> Iterable[Score]:
        said = worst(outcomes)
        ratios = None
        if said.status == "ok":
            losses = np.stack([np.asarray(one.at_end()["losses"], dtype=np.float64) for one in outcomes])
            ratios = likelihood_ratios(_scaled(losses), members)
        for k, outcome in enumerate(outcomes):
            spoken = outcome if said.status == "ok" else replace(said, seed=outcome.seed)
            auc = found = None
            if ratios is not None:
                inside, outside = ratios[k][members[k]], ratios[k][~members[k]]
                auc, found = area(inside, outside), 100 * share_found(inside, outside, FALSE_ALARMS)
            yield self._score(spoken, "auc", auc, "1", "lira")
            yield self._score(spoken, "tpr_at_1_fpr", found, "percent", "lira")

    def _score(self, outcome: Outcome, metric: str, value: float | None, unit: str, condition: str) -> Score:
        return score_of(outcome, self.architecture, metric, value, unit, False, condition)


def area(members: Floats, others: Floats) -> float:
    """Area under the ROC curve: how often a member's score is above another's, ties counting half."""
    ranks = rankdata(np.concatenate([members, others]))
    pairs = len(members) * len(others)
    return float((ranks[: len(members)].sum() - len(members) * (len(members) + 1) / 2) / pairs)


def share_found(members: Floats, others: Floats, false_alarms: float) -> float:
    """Share of members above the lowest threshold that at most a share `false_alarms` of the others is above."""
    allowed = int(np.floor(false_alarms * len(others) + 1e-9))
    threshold = np.sort(others)[::-1][allowed] if allowed < len(others) else -np.inf
    return float((members > threshold).mean())


def clopper_pearson(found: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share of `found` among n (Biometrika 26, 1934)."""
    tail = (1 - level) / 2
    low = 0.0 if found == 0 else float(betaincinv(found, n - found + 1, tail))
    high = 1.0 if found == n else float(betaincinv(found + 1, n - found, 1 - tail))
    return low, high


def likelihood_ratios(scaled: Floats, members: Flags) -> Floats:
    """Log ratio of each image under each target, from the other models: (models, images) in and out.

    A normal distribution around the mean of the models that learnt from the image, against one around the mean of those
    that did not, each with the variance of its side over all images and models.
    """
    found = np.empty_like(scaled)
    for target in range(len(scaled)):
        others = np.arange(len(scaled)) != target
        parts = []
        for side in (members[others], ~members[others]):
            count = side.sum(axis=0)
            overall = scaled[others][side].mean()
            mean = np.where(count > 0, (scaled[others] * side).sum(axis=0) / np.maximum(count, 1), overall)
            variance = ((scaled[others] - mean) ** 2)[side].mean() + 1e-12
            parts.append(-((scaled[target] - mean) ** 2) / (2 * variance) - np.log(variance) / 2)
        found[target] = parts[0] - parts[1]
    return found


def _scaled(losses: Floats) -> Floats:
    """log(p / (1 - p)) of p = exp(-loss), kept finite."""
    losses = np.clip(losses, 1e-9, 80.0)
    return -losses - np.log(-np.expm1(-losses))


def _members(dataset: str, n_halves: int) -> Flags:
    """Which train images each half holds: (halves, images)."""
    loaded = datasets.load(dataset)
    found = np.zeros((n_halves, len(loaded.train.labels)), dtype=bool)
    for k in range(n_halves):
        found[k, loaded.indices("train", f"half-{k:02}")] = True
    return found
