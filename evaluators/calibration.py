"""Expected calibration error on the test split, before and after temperature scaling fitted on the holdout.

ECE after Guo et al. (ICML 2017), equations 2 and 3: 15 bins of equal width over the confidence of the predicted
class. The adaptive form (Nguyen and O'Connor, EMNLP 2015) has 15 bins of equal numbers of images instead. Temperature
scaling is their section 4.2: one number that divides the logits, at the smallest negative log-likelihood on
`holdout`.

The bins themselves are told too, what a reliability diagram shows (their figure 4): `bin_images_k`, how many of them
are right, `bin_right_k`, and their mean confidence, `bin_confidence_k`, for k of 1 to 15, the networks of all seeds
counted together. An empty bin has the confidence of its middle.

A set that was distilled on all of train has seen the holdout; its card says so (`distilled_on`), and boards keep it
apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject, by_seed, score_of, worst
from benchmark.results import Score
from benchmark.values import Cell, Probe, Real

__all__ = ["VERSION", "Calibration", "adaptive_error", "calibration_error", "fitted_temperature", "log_loss"]

VERSION = 1
COLDEST, HOTTEST = 0.001, 1000.0
"""Temperatures that are searched: a network after few steps may be as unsure as its logits are small."""
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ids = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Calibration(Evaluator):
    """One cell, shared with the evaluators of accuracy; conditions `as trained` and `temperature-scaled`."""

    architecture: str = DEFAULT_ARCHITECTURE
    n_bins: int = 15
    quick_seeds: ClassVar[int | None] = 2

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        holdout = Real(subject.dataset, part="holdout")
        return {
            "all": subject.cell(self.architecture, probes=(Probe("logits", holdout), Probe("logits", subject.test)))
        }

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for holdout, test in by_seed(seen["all"]).values():
            said = worst((holdout, test))
            told: dict[tuple[str, str], float] = {}
            temperature = None
            if said.status == "ok":
                logits, labels = _parts(test.at_end())
                temperature = fitted_temperature(*_parts(holdout.at_end()))
                for condition, divided in (("as trained", logits), ("temperature-scaled", logits / temperature)):
                    told["ece", condition] = 100 * calibration_error(divided, labels, self.n_bins)
                    told["ece_adaptive", condition] = 100 * adaptive_error(divided, labels, self.n_bins)
                    told["log_loss", condition] = log_loss(divided, labels)
            for condition in ("as trained", "temperature-scaled"):
                for metric, unit in (("ece", "percent"), ("ece_adaptive", "percent"), ("log_loss", "nats")):
                    value = told.get((metric, condition))
                    yield score_of(said, self.architecture, metric, value, unit, False, condition)
            yield score_of(said, self.architecture, "temperature", temperature, "1", False, "temperature-scaled")
        yield from self._diagram(seen)

    def _diagram(self, seen: Seen) -> Iterable[Score]:
        """The bins over all seeds that trained."""
        tests = [test for _, test in by_seed(seen["all"]).values() if test.status == "ok"]
        if not tests:
            return
        told = [_confidence(*_parts(test.at_end())) for test in tests]
        confidence, right = (np.concatenate(parts) for parts in zip(*told, strict=True))
        for k, rows in enumerate(_bins(confidence, self.n_bins)):
            middle = (k + 0.5) / self.n_bins
            told_of = {
                ("images", "count"): float(len(rows)),
                ("right", "count"): float(right[rows].sum()),
                ("confidence", "percent"): 100 * float(confidence[rows].mean() if len(rows) else middle),
            }
            for (name, unit), value in told_of.items():
                one = score_of(tests[0], self.architecture, f"bin_{name}_{k + 1}", value, unit, True, "as trained")
                yield replace(one, seed=None)


def calibration_error(logits: Floats, labels: Ids, n_bins: int) -> float:
    """ECE in 0..1 of logits (N, K) under class ids (N,): bins (k/n, (k+1)/n] of the highest probability."""
    confidence, right = _confidence(logits, labels)
    return _weighted_gap(confidence, right, _bins(confidence, n_bins))


def adaptive_error(logits: Floats, labels: Ids, n_bins: int) -> float:
    """ECE in 0..1 over bins of equal size by rising confidence; the first hold one more where it does not divide."""
    confidence, right = _confidence(logits, labels)
    return _weighted_gap(confidence, right, np.array_split(np.argsort(confidence, kind="stable"), n_bins))


def log_loss(logits: Floats, labels: Ids) -> float:
    """Mean negative log-likelihood in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def fitted_temperature(logits: Floats, labels: Ids) -> float:
    """The temperature between 0.001 and 1000 at which the log-likelihood of the labels is highest."""
    found = minimize_scalar(
        lambda log_t: log_loss(logits / np.exp(log_t), labels),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _parts(value: Any) -> tuple[Floats, Ids]:
    return np.asarray(value["logits"], dtype=np.float64), np.asarray(value["labels"])


def _confidence(logits: Floats, labels: Ids) -> tuple[Floats, Floats]:
    """Probability of the predicted class, and whether it is right."""
    probabilities = np.exp(log_softmax(logits, axis=1))
    return probabilities.max(axis=1), (logits.argmax(axis=1) == labels).astype(np.float64)


def _bins(confidence: Floats, n_bins: int) -> list[Ids]:
    """The images of each bin (k/n, (k+1)/n], by number."""
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    return [np.flatnonzero(bins == k) for k in range(n_bins)]


def _weighted_gap(confidence: Floats, right: Floats, bins: Iterable[Any]) -> float:
    gaps = [len(rows) * abs(right[rows].mean() - confidence[rows].mean()) for rows in bins if len(rows)]
    return float(sum(gaps)) / len(right)
