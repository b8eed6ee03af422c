"""From the outcomes of a class-incremental learner to its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmark.evaluator import Subject
from benchmark.results import Score
from benchmark.values import Outcome, Probe, Real
from evaluators import _incremental
from evaluators._incremental import Array
from evaluators._memories import Memory, Steps, flat, logits_bytes

__all__ = ["Runs", "bytes_score", "metrics", "probes", "scores", "staged_probes"]

SPREAD = ("average_incremental_accuracy", "final_accuracy")
"""Metrics whose spread over orders and over initialisations is told apart."""
Runs = Mapping[int, Mapping[int, tuple[Mapping[str, float], Outcome]]]
"""By class order and seed: the metrics of one curve, none where an outcome is not ok, and an outcome that tells why."""


def probes(subject: Subject, steps: Steps, t: int) -> tuple[Probe, ...]:
    """After step t from scratch: right predictions by class, over all outputs and over those of the classes seen."""
    if t + 1 == len(steps):  # nothing left to mask
        return (Probe("accuracy", subject.test),)
    seen = flat(steps[: t + 1])
    data = Real(subject.dataset, "test", classes=seen)
    return (Probe("accuracy", data), Probe("accuracy", data, (("among", seen),)))


def staged_probes(subject: Subject, steps: Steps, t: int) -> tuple[Probe, ...]:
    """The same of a network that goes on; a mask fits one of its stages, and the others are not read."""
    plain = Probe("accuracy", subject.test, at=("stages",))
    return (plain, Probe("accuracy", subject.test, (("among", flat(steps[: t + 1])),), ("stages",)))


def metrics(steps: Steps, plain: Sequence[Outcome], masked: Sequence[Outcome]) -> dict[str, float]:
    """Every number of one curve, in percent or points: of one class order and initialisation.

    Both hold one outcome a step, of a network of its own or of one that went on.
    """
    matrix, sizes = _incremental.accuracy_matrix([_counts(one, t) for t, one in enumerate(plain)], steps)
    found = _by_step("accuracy_after_step", matrix, sizes) | {
        "average_incremental_accuracy": _incremental.average_incremental_accuracy(matrix, sizes),
        "final_accuracy": _incremental.final_accuracy(matrix, sizes),
        "forgetting": _incremental.forgetting(matrix),
        "backward_transfer": _incremental.backward_transfer(matrix),
    }
    matrix, sizes = _incremental.accuracy_matrix([_counts(one, t) for t, one in enumerate(masked)], steps)
    found["masked_average_incremental_accuracy"] = _incremental.average_incremental_accuracy(matrix, sizes)
    return found | _by_step("masked_accuracy_after_step", matrix, sizes)


def _counts(outcome: Outcome, t: int) -> tuple[Sequence[int], Sequence[int]]:
    """Right predictions and test images by class after step t."""
    found = outcome.value["end" if outcome.probe.at == ("end",) else f"stage-{t}"]
    return found["correct"], found["total"]


def _by_step(name: str, matrix: Array, sizes: Array) -> dict[str, float]:
    by_step = _incremental.accuracy_by_step(matrix, sizes)
    return {f"{name}_{t + 1}": float(value) for t, value in enumerate(by_step)}


def scores(runs: Runs, template: Score) -> Iterator[Score]:
    """For each seed the mean over class orders of every metric; then the spread over orders and initialisations."""
    whole = []
    for seed in dict.fromkeys(seed for by_seed in runs.values() for seed in by_seed):
        found = [by_seed[seed] for by_seed in runs.values() if seed in by_seed]
        told = next((outcome for numbers, outcome in found if not numbers), found[0][1])
        here = replace(template, seed=seed, status=told.status, numerics=told.numerics, device=told.device)
        if told.status != "ok":
            condition = "; ".join(filter(None, (template.condition, told.reason)))
            yield replace(here, metric="final_accuracy", condition=condition)
            continue
        whole.append(seed)
        for metric in found[0][0]:
            value = float(np.mean([numbers[metric] for numbers, _ in found]))
            yield replace(here, metric=metric, value=value, higher_is_better=metric != "forgetting")
    yield from _spreads([[by_seed[seed][0] for seed in whole] for by_seed in runs.values()], template)


def _spreads(by_order: Sequence[Sequence[Mapping[str, float]]], template: Score) -> Iterator[Score]:
    """Spread over class orders and over initialisations apart, where there are two or more."""
    n_seeds = len(by_order[0]) if by_order else 0
    for metric in SPREAD:
        values = np.array([[numbers[metric] for numbers in by_seed] for by_seed in by_order])
        here = replace(template, higher_is_better=False)
        if n_seeds and len(by_order) > 1:
            yield replace(here, metric=f"{metric}_sd_over_orders", value=_incremental.sd_over_orders(values))
        if n_seeds > 1:
            within = _incremental.sd_over_initialisations(values)
            yield replace(here, metric=f"{metric}_sd_over_initialisations", value=within)


def bytes_score(memory: Memory, keeps_logits: bool, template: Score) -> Score:
    """Bytes of the memory when all is seen; DER++ also keeps a float32 number a class for each image."""
    kept = logits_bytes(memory.n_images, memory.n_classes) if keeps_logits and memory.n_images else 0
    value = float((memory.bytes or 0) + kept)
    return replace(template, metric="memory_bytes", value=value, unit="bytes", higher_is_better=False)
