"""Reliability of networks trained on a set: accuracy over confidence by bin, from the logits that the store holds.

Bins as in expected calibration error (Guo et al., ICML 2017): 15 of equal width over the confidence of the predicted
class. The networks of all training seeds are counted together. Sets that no calibration was measured of have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax

from benchmark import keys, recipe, registry
from benchmark.errors import DistillBenchError
from benchmark.store import Store
from benchmark.values import Data, Probe, Real, Stage, Stored, Training
from leaderboard.cells import group
from leaderboard.sources import Row

__all__ = ["N_BINS", "Reliability", "binned", "reliabilities"]

N_BINS = 15
METRIC = "ece"


class Reliability(NamedTuple):
    """One set under one recipe on one architecture."""

    set: str
    recipe: str
    architecture: str
    n_seeds: int
    bins: tuple[tuple[float, float, int], ...]
    """(mean confidence, accuracy, images) of each bin that holds images, both in 0..1."""


def reliabilities(rows: Sequence[Row], roots: Sequence[Path]) -> dict[str, list[Reliability]]:
    """By set, of every place where calibration was measured and whose logits are stored."""
    known = registry.names("dataset")
    measured = [
        row for row in rows if row.metric == METRIC and row.ok and row.dataset in known and row.seed is not None
    ]
    found: dict[str, list[Reliability]] = {}
    store = Store(roots[0], roots[1:])
    for (digest, name, architecture), members in group(measured, _place).items():
        seeds = sorted({row.seed for row in members if row.seed is not None})
        logits = list(_logits(store, members[0], seeds))
        if logits:
            found.setdefault(digest, []).append(Reliability(digest, name, architecture, len(logits), binned(logits)))
    return found


def binned(parts: Sequence[tuple[Any, Any]]) -> tuple[tuple[float, float, int], ...]:
    """Bins of logits (N, K) and class ids (N,) of several networks: (k/15, (k+1)/15] of the highest probability."""
    told = [np.exp(log_softmax(np.asarray(logits, dtype=np.float64), axis=1)) for logits, _ in parts]
    confidence = np.concatenate([one.max(axis=1) for one in told])
    right = np.concatenate([one.argmax(axis=1) == labels for one, (_, labels) in zip(told, parts, strict=True)])
    bins = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    inside = [(bins == k) for k in range(N_BINS)]
    return tuple((float(confidence[k].mean()), float(right[k].mean()), int(k.sum())) for k in inside if k.any())


def _place(row: Row) -> tuple[str, str, str]:
    return row.set, row.recipe, row.architecture


def _logits(store: Store, row: Row, seeds: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """Logits on the test split, and labels, of each seed whose outcome is stored and whole."""
    try:
        training = Training((Stage(Data((Stored(row.set),))),), row.architecture, recipe.load(row.recipe))
        names = [keys.outcome_name(training, seed, Probe("logits", Real(row.dataset, "test"))) for seed in seeds]
    except DistillBenchError:
        return
    for name in names:
        outcome = store.read_outcome(name)
        end: Mapping[str, Any] = outcome.at_end() if outcome and outcome.status == "ok" else {}
        if {"logits", "labels"} <= set(end):
            yield end["logits"], end["labels"]
