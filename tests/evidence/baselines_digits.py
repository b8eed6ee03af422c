"""Digits at 1 image per class: every method that learns against class means and random real images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy import stats

from benchmark import recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread

METHODS = ("dc", "dsa", "dm", "datadam", "mtt")
BELOW_MEAN, ABOVE_RANDOM = 2.0, 10.0
DISTIL_SEEDS = range(5)
RECIPE, ARCHITECTURE = "standard-v1-lite", "convnet"


def measure(bench: Bench) -> Finding:
    chosen = recipe.load(RECIPE)
    found: dict[str, Any] = {}
    values: dict[str, list[float]] = {}
    for name in (*METHODS, "class-mean", "random-real"):
        asked = [Made(name, "lite", Real("digits"), Budget(ipc=1), seed) for seed in DISTIL_SEEDS]
        stored = bench.make(asked)
        trainings = [Training((Stage(Data((stored[made],))),), ARCHITECTURE, chosen) for made in asked]
        cells = [Cell(t, chosen.seeds(), (Probe("accuracy", Real("digits", "test")),)) for t in trainings]
        bench.run(cells)
        by_set = [bench.accuracy(cell) for cell in cells]
        values[name] = [sum(one) / len(one) for one in by_set]
        found[name] = spread(values[name])
    for name in METHODS:
        of_mean, of_random = (paired(values[name], values[other]) for other in ("class-mean", "random-real"))
        found[name] |= {"minus class-mean": of_mean, "minus random-real": of_random}
    held = {
        # not worse by 2: the lower end of the interval above -2; better by 10: the mean above 10, the interval above 0
        name: found[name]["minus class-mean"]["low"] > -BELOW_MEAN
        and found[name]["minus random-real"]["mean"] >= ABOVE_RANDOM
        and found[name]["minus random-real"]["low"] > 0
        for name in METHODS
    }
    best = max(METHODS, key=lambda name: found[name]["mean"])
    enough = found[best]["mean"] >= found["class-mean"]["mean"]
    return Finding(
        bar="digits, 1 per class: dc, dsa, dm, datadam, mtt each >= class-mean - 2 and >= random-real + 10; the best "
        "of them >= class-mean",
        passed=all(held.values()) and enough,
        value={**found, "holds": held, "best": best, "best >= class-mean": enough},
        n=f"{len(DISTIL_SEEDS)} distillation seeds by {len(chosen.seeds())} training seeds, {RECIPE}, {ARCHITECTURE}",
        spread="SD over distillation seeds of the mean over training seeds; 95 % paired t-intervals over those seeds",
        details={"recipe_digest": chosen.digest},
    )


def paired(ours: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Mean difference over seeds, and its 95 % t-interval."""
    gaps = [a - b for a, b in zip(ours, others, strict=True)]
    seen = spread(gaps)
    half = float(stats.t.ppf(0.975, len(gaps) - 1)) * seen["sd"] / math.sqrt(len(gaps))
    return {"mean": seen["mean"], "low": round(seen["mean"] - half, 3), "high": round(seen["mean"] + half, 3)}
