"""CIFAR-100 in 5 steps, 20 random real images per class, GDumb protocol: the curve beside the published one.

Published: 43.3, 33.3, 29.9, 27.2, 25.0 % after 20, 40, 60, 80, 100 classes (DataDAM, ICCV 2023 poster, figure 5 left,
digitised to 0.7 points; mean of 5 class orders by 3 networks; the protocol of DM, WACV 2023).

Differs: the images are drawn of 150 training images of each class, which is what ../shared/data holds, not of 500; two
class orders and one network; bfloat16 where the engine's table and the equivalence study have it (`precision`: auto),
since the 3.6e15 operations would take some 15 hours of two cores in float32.

A class order is written down when it is done, and what stands there is not trained again, here or on another machine,
as long as the outcomes are named alike: by the training, its data and the versions of all that takes part.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import datasets, engine, keys, recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training
from evaluators._memories import class_steps, flat
from tests.evidence.bench import EVIDENCE, Bench, Finding, write

NAME = "cifar100_gdumb"
PUBLISHED = (43.3, 33.3, 29.9, 27.2, 25.0)
TOLERANCE = 3.0
"""Points: 0.7 of the digitisation, and two standard errors of a mean of two class orders, about 1.1 each."""
ORDERS = (0, 1)
ARCHITECTURE = "convnet"
DESCRIPTION = """
format = 1
title = "CIFAR-100, 150 training images of each class"
summary = "The first 150 of 500 training images of each class, and all 10,000 test images."
source = "https://www.cs.toronto.edu/~kriz/cifar.html"
licence = "no formal licence; the authors ask for the citation"
citation = "Krizhevsky, A. (2009). Learning multiple layers of features from tiny images."
redistributable = false
flip = true
loader = "npz"

[options]
path = "cifar100_subset.npz"

[statistics.vico]
mean = [0.5071, 0.4866, 0.4409]
std = [0.2673, 0.2564, 0.2762]
"""


def measure(bench: Bench) -> Finding:
    bench.data("cifar100_subset")
    name = dataset_name()
    chosen = recipe.load("dm-2023").vary(precision="auto")
    asked = {order: Made("random-real", "default", Real(name), Budget(ipc=20), order) for order in ORDERS}
    stored = bench.make(list(asked.values()))
    known, found = written(EVIDENCE / f"{NAME}.json"), {}
    for order in ORDERS:
        cells = {outcome_name(cell): cell for cell in cells_of(name, stored[asked[order]], order, chosen)}
        bench.run([cell for outcome, cell in cells.items() if outcome not in known])
        known |= {outcome: step_of(bench, cell) for outcome, cell in cells.items() if outcome not in known}
        found[order] = {outcome: known[outcome] for outcome in cells}
        finding = finding_of(found, {"recipe_digest": chosen.digest, "dataset": name})
        if len(found) < len(ORDERS):
            write(NAME, finding)
    return finding


def finding_of(found: Mapping[int, Mapping[str, Any]], details: Mapping[str, Any]) -> Finding:
    """Of the class orders that are done: for each, its steps by the names of their outcomes."""
    curves = {order: [step["accuracy"] for step in steps.values()] for order, steps in found.items()}
    means = [statistics.fmean(step) for step in zip(*curves.values(), strict=True)]
    differences = [round(mean - wanted, 2) for mean, wanted in zip(means, PUBLISHED, strict=True)]
    return Finding(
        bar=f"CIFAR-100 (150 images a class), gdumb, 5 steps, random-real: within {TOLERANCE} points of the curve",
        passed=len(found) == len(ORDERS) and all(abs(difference) <= TOLERANCE for difference in differences),
        value={
            "after each step": [round(mean, 2) for mean in means],
            "published": list(PUBLISHED),
            "difference": differences,
            "by class order": curves,
        },
        n=f"{len(found)} of {len(ORDERS)} class orders, each with its own draw, by 1 training seed",
        spread="none: the orders are listed",
        details={**details, "steps": {name: step for steps in found.values() for name, step in steps.items()}},
    )


def written(file: Path) -> dict[str, Any]:
    """The steps that an earlier run wrote down, by the names of their outcomes."""
    steps: dict[str, Any] = json.loads(file.read_text())["details"]["steps"] if file.exists() else {}
    return steps


def outcome_name(cell: Cell) -> str:
    return keys.outcome_name(cell.training, cell.seeds[0], cell.probes[0])


def step_of(bench: Bench, cell: Cell) -> dict[str, Any]:
    """What stands of one step: its accuracy in percent, and where it was computed."""
    outcome = engine.outcomes(cell, bench.store)[0]
    accuracy = round(bench.accuracy(cell)[0], 2)
    return {"accuracy": accuracy, "numerics": outcome.numerics, "device": outcome.device}


def dataset_name() -> str:
    """The name of the subset; its images must be in the data root."""
    file = Path(os.environ["DISTILLBENCH_DATA"]) / "cifar100_subset.toml"
    file.write_text(DESCRIPTION, encoding="utf-8")
    return datasets.facts(str(file)).name


def cells_of(name: str, stored: Stored, order: int, how: recipe.Recipe) -> list[Cell]:
    """One training from scratch for each step, tested on the classes seen."""
    steps = class_steps(100, len(PUBLISHED), order)
    cells = []
    for t in range(len(steps)):
        seen = flat(steps[: t + 1])
        training = Training((Stage(Data((Stored(stored.digest, seen),))),), ARCHITECTURE, how)
        cells.append(Cell(training, (order,), (Probe("accuracy", Real(name, "test", classes=seen)),)))
    return cells
