"""What each way to label is worth: random real images of digits under one recipe, with its labels varied.

Smoothed labels, Zipf's label smoothing, a teacher's labels, and those with its features (`crd`), beside cross-entropy
with class ids. The teacher is a ConvNet of all training images under the recipe's reference schedule. Weights and
temperatures are the publications' (docs/recipes.md), and of `crd` an eighth of its weight besides; the bar speaks of
the publications' alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from scipy import stats

from benchmark import engine, phases, recipe
from benchmark.evaluator import Subject
from benchmark.values import Budget, Cell, Made, Real
from tests.evidence.bench import Bench, Finding, spread

RECIPE, ARCHITECTURE = "standard-v1", "convnet"
SETS = tuple(range(5))
IPC = 10
PLAIN = "class ids"
WAYS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "zipf": {"loss": "zipf"},
    "teacher": {"teacher": ARCHITECTURE},
    "teacher, crd": {"teacher": ARCHITECTURE, "loss": "crd"},
    "teacher, crd:weight=0.1": {"teacher": ARCHITECTURE, "loss": "crd:weight=0.1"},
}
LEAST = {"zipf": -0.5, "teacher": 1.0, "teacher, crd": 1.0}
"""Points that the gain over class ids must reach."""


def measure(bench: Bench) -> Finding:
    cells = planned(bench)
    bench.runner.train(engine.join(phases.teachers(cells.values())), "teachers", settled=True)
    bench.run(list(cells.values()))
    found = compared({key: bench.accuracy(cell)[0] for key, cell in cells.items()})
    return Finding(
        bar=f"digits, random-real at {IPC} per class: gain over class ids at least "
        + ", ".join(f"{least:g} by {name!r}" for name, least in LEAST.items()),
        passed=all(found[name]["gain"] >= least for name, least in LEAST.items()),
        value=found,
        n=f"{len(SETS)} sets by 1 training seed",
        spread="SD over sets; low and high: 95 % t-interval of the gain, paired by set",
        details={"recipe": RECIPE, "architecture": ARCHITECTURE, "teacher": f"{ARCHITECTURE} of all of train, seed 0"},
    )


def planned(bench: Bench) -> dict[tuple[str, int], Cell]:
    """The cell of every way to label and set."""
    full = Made("full-data", "default", Real("digits"), Budget(), 0)
    asked = {seed: Made("random-real", "default", Real("digits"), Budget(ipc=IPC), seed) for seed in SETS}
    stored = bench.make([full, *asked.values()])
    cells = {}
    for seed, made in asked.items():
        for name, changes in WAYS.items():
            chosen = recipe.load(RECIPE).vary(n_seeds=1, **changes)
            subject = Subject(stored[made], "digits", 10, chosen, made.baseline, IPC)
            cells[name, seed] = phases.with_sets(subject.cell(ARCHITECTURE), {full: stored[full].digest})
    return cells


def compared(by_set: Mapping[tuple[str, int], float]) -> dict[str, dict[str, Any]]:
    """Accuracy of each way, and its gain over class ids."""
    found: dict[str, dict[str, Any]] = {}
    for name in WAYS:
        values = [by_set[name, seed] for seed in SETS]
        gains = [value - by_set[PLAIN, seed] for value, seed in zip(values, SETS, strict=True)]
        found[name] = {**spread(values), "by set": [round(value, 2) for value in values]}
        if name != PLAIN:
            mean, half = statistics.fmean(gains), stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
            found[name] |= {"gain": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2)}
    return found
