"""CIFAR-100 in 5 steps, 20 random real images per class, GDumb protocol: the curve beside the published one.

Published: 43.3, 33.3, 29.9, 27.2, 25.0 % after 20, 40, 60, 80, 100 classes (DataDAM, ICCV 2023 poster, figure 5 left,
digitised to 0.7 points; mean of 5 class orders by 3 networks; the protocol of DM, WACV 2023).

Differs: the images are drawn of 150 training images of each class, which is what ../shared/data holds, not of 500; two
class orders and one network; bfloat16 where the engine's table and the equivalence study have it (`precision`: auto),
since the 3.6e15 operations would take some 15 hours of two cores in float32.

A class order is written down when it is done, each step with the machine that it was trained on, and what stands there
is not trained again, here or elsewhere, as long as outcomes are named alike: by the training, its data and the versions
of all that takes part. Delete docs/evidence/cifar100_gdumb.json to have all of it measured anew.
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
from tests.evidence.bench import EVIDENCE, Bench, Finding, device, write

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
    cells = {
        order: {outcome_name(cell): cell for cell in cells_of(name, stored[asked[order]], order, chosen)}
        for order in ORDERS
    }
    names = {order: list(steps) for order, steps in cells.items()}
    known = written(EVIDENCE / f"{NAME}.json")
    details = {"recipe_digest": chosen.digest, "dataset": name}
    for steps in cells.values():
        missing = {outcome: cell for outcome, cell in steps.items() if outcome not in known}
        if missing:
            bench.run(list(missing.values())[::-1])  # the longest first: of two processes, none waits for long
            known |= {outcome: step_of(bench, cell) for outcome, cell in missing.items()}
            write(NAME, finding_of(names, known, details))
    return finding_of(names, known, details)


def finding_of(names: Mapping[int, list[str]], known: Mapping[str, Any], details: Mapping[str, Any]) -> Finding:
    """Of the class orders that are done. `names`: of the outcomes of each order; `known`: what stands of a step."""
    asked = [step for steps in names.values() for step in steps]
    curves = {
        order: [known[step]["accuracy"] for step in steps]
        for order, steps in names.items()
        if all(step in known for step in steps)
    }
    means = [statistics.fmean(step) for step in zip(*curves.values(), strict=True)]
    differences = [round(mean - wanted, 2) for mean, wanted in zip(means, PUBLISHED, strict=True)]
    return Finding(
        bar=f"CIFAR-100 (150 images a class), gdumb, 5 steps, random-real: within {TOLERANCE} points of the curve",
        passed=None if len(curves) < len(names) else all(abs(gap) <= TOLERANCE for gap in differences),
        value={
            "after each step": [round(mean, 2) for mean in means],
            "published": list(PUBLISHED),
            "difference": differences,
            "by class order": curves,
        },
        n=f"{len(curves)} of {len(names)} class orders, each with its own draw, by 1 training seed",
        spread="none: the orders are listed",
        details={
            **details,
            "steps": {step: known[step] for step in asked if step in known},
        },
    )


def written(file: Path) -> dict[str, Any]:
    """The steps that an earlier run wrote down, by the names of their outcomes."""
    if not file.exists():
        return {}
    steps: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["details"].get("steps", {})
    return steps


def outcome_name(cell: Cell) -> str:
    return keys.outcome_name(cell.training, cell.seeds[0], cell.probes[0])


def step_of(bench: Bench, cell: Cell) -> dict[str, Any]:
    """What stands of one step: its accuracy in percent, and where it was computed."""
    accuracy, numerics = round(bench.accuracy(cell)[0], 2), engine.outcomes(cell, bench.store)[0].numerics
    return {"accuracy": accuracy, "numerics": numerics, "device": device()}


def dataset_name() -> str:
    """The name of the subset; its images must be in the data root."""
    file = Path(os.environ["DISTILLBENCH_DATA"]) / "cifar100_subset.toml"
    if not file.exists() or file.read_text(encoding="utf-8") != DESCRIPTION:
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
