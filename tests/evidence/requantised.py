"""Falls under requantisation: honest sets of digits stay far from three standard errors, hidden signals far beyond."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark import datasets
from benchmark.plan import Job
from benchmark.space import PIXEL
from benchmark.synthetic_set import Array, Card, SyntheticSet
from benchmark.values import Budget, Made, Real
from tests.evidence.bench import Bench, Finding, spread

LIMIT = 3.0
SEEDS = range(3)
HONEST = (("architecture", "convnet:width=64"),)
HIDDEN = (("architecture", "convnet:width=32"),)


def measure(bench: Bench) -> Finding:
    made = [
        Made(method, "lite", Real("digits"), Budget(ipc=ipc), seed)
        for method in ("random-real", "dm")
        for ipc in (1, 10)
        for seed in SEEDS
    ]
    sets = bench.make(made)
    planted = {name: bench.store.write_set(one) for name, one in _planted().items()}
    jobs = [Job(one, "requantised", "standard-v1-lite", HONEST) for one in made]
    jobs += [Job(digest, "requantised", "standard-v1-lite", HIDDEN) for digest in planted.values()]
    bench.runner.evaluate(jobs)
    table = bench.store.results()
    table = table[(table["evaluator"] == "requantised") & table["architecture"].isin([HONEST[0][1], HIDDEN[0][1]])]
    errors = table[table["metric"] == "fall_in_standard_errors"].set_index("set")["value"]
    honest = [float(errors[stored.digest]) for stored in sets.values()]
    hidden = {name: _told(table[table["set"] == digest], float(errors[digest])) for name, digest in planted.items()}
    return Finding(
        bar="requantised: no honest set falls by three standard errors, what hides in the lowest bit does",
        passed=max(honest) < LIMIT and all(told["standard errors"] > LIMIT for told in hidden.values()),
        value={"honest, standard errors": {**spread(honest), "largest": round(max(honest), 2)}, "hidden": hidden},
        n=f"{len(honest)} honest sets, {len(hidden)} planted ones, 5 training seeds each",
        spread="SD over sets",
    )


def _planted() -> dict[str, SyntheticSet]:
    """Ten training images a class, as a signal below one level around the mean, and as the lowest bit of grey bytes."""
    dataset = datasets.load("digits")
    labels = dataset.train.labels
    rows = np.concatenate([np.flatnonzero(labels == c)[:10] for c in range(10)])
    pixels, mean = dataset.train.images[rows].astype(np.float32) / 255, dataset.facts.statistics["dataset"].mean[0]
    images: dict[str, Array] = {
        "float32 below one level": np.float32(mean) + (pixels - np.float32(mean)) / 255,
        "lowest bit of uint8": (77 + (pixels > 0.5)).astype(np.uint8),
    }
    card = Card("digits", dataset.facts.digest, PIXEL, "planted", ipc=10, distil_seed=0)
    return {name: SyntheticSet({"images": one, "labels": labels[rows]}, card) for name, one in images.items()}


def _told(rows: pd.DataFrame, errors: float) -> dict[str, float]:
    means = rows[rows["metric"] == "accuracy"].groupby("condition")["value"].mean()
    return {**{str(name): round(float(value), 2) for name, value in means.items()}, "standard errors": round(errors, 1)}
