"""The truth of `nas-proxy`'s ConvNets: each trained twice on all of train, accuracy on test. Resumable.

`python -m tests.evidence.nas_truth SPACE FILE` writes the file that the evaluator reads: `convnet-digits` (shipped as
evaluators/_nas_lists/convnet_digits.json, minutes) or `convnet-grid` (720 networks on CIFAR-10: days of a GPU). As a
bar it trains the digits slice again and compares.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import datasets, engine, recipe
from benchmark.errors import UsageError
from benchmark.rank_statistics import spearman
from benchmark.recipe import Recipe
from benchmark.values import Cell, Data, Probe, Real, Stage, Training
from evaluators._nas_spaces import DATASETS, LISTS, convnet_digits, convnet_grid
from tests.evidence.bench import Bench, Finding

SPECS = {"convnet-digits": convnet_digits, "convnet-grid": convnet_grid}
SEEDS = (0, 1)
"""Two, so that the noise of the truth is known. Never used to choose one."""


def truth_recipe(space: str) -> Recipe:
    """Full training: on digits the lite recipe's reference schedule, four times as long."""
    if space == "convnet-digits":
        return recipe.load("standard-v1-lite/reference").vary(name="standard-v1-lite/reference x 4", epochs=40)
    return recipe.load("standard-v1/reference")


def cells(space: str, specs: tuple[str, ...]) -> list[Cell]:
    data, probe = Data((Real(DATASETS[space]),)), Probe("accuracy", Real(DATASETS[space], "test"))
    return [Cell(Training((Stage(data),), spec, truth_recipe(space)), SEEDS, (probe,)) for spec in specs]


def train(bench: Bench, space: str, n: int | None = None) -> dict[str, Any]:
    """Train what is missing of the first `n` networks, or all; the content of the truth's file."""
    chosen, facts, specs = truth_recipe(space), datasets.facts(DATASETS[space]), SPECS[space]()[:n]
    if facts.name != "digits":
        bench.data(facts.name)
    asked = cells(space, specs)
    bench.run(asked)
    n_images = facts.n_train
    return {
        "format": 1,
        "space": space,
        "dataset": facts.name,
        "dataset_digest": facts.digest,
        "trained_on": "train",
        "measured_on": "test",
        "unit": "percent",
        "recipe": {"name": chosen.name, "digest": chosen.digest, "fields": chosen.canonical()},
        "image_passes": chosen.n_epochs(n_images) * n_images,
        "seeds": list(SEEDS),
        "numerics": sorted({one.numerics for cell in asked for one in engine.outcomes(cell, bench.store)}),
        "versions": {"python": platform.python_version(), "torch": torch.__version__.partition("+")[0]},
        "command": f"python -m tests.evidence.nas_truth {space} FILE",
        "networks": {cell.training.architecture: [round(value, 4) for value in bench.accuracy(cell)] for cell in asked},
    }


def measure(bench: Bench) -> Finding:
    shipped = json.loads((LISTS / "convnet_digits.json").read_text(encoding="utf-8"))["networks"]
    found = train(bench, "convnet-digits")["networks"]
    ours, theirs = (np.array([table[spec] for spec in convnet_digits()]) for table in (found, shipped))
    rho = float(spearman(ours.mean(axis=1), theirs.mean(axis=1)))
    return Finding(
        bar="the shipped truth of convnet-digits, trained again: Spearman's rho with it at least 0.95",
        passed=rho >= 0.95,
        value={"spearman": round(rho, 4), "networks equal to the digit": int((ours == theirs).all(axis=1).sum())},
        n=f"{len(ours)} networks by {len(SEEDS)} training seeds",
        spread="none: one correlation",
        details={"largest difference in points": round(float(np.abs(ours - theirs).max()), 3)},
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in SPECS:
        print(f"usage: python -m tests.evidence.nas_truth {'|'.join(SPECS)} FILE", file=sys.stderr)
        return UsageError.exit_code
    content = train(Bench(), arguments[0])
    Path(arguments[1]).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
