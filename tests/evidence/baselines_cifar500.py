"""CIFAR-10 with 500 real images of each class, 10 per class, ConvNet of width 32: presets `cifar-small`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark import datasets, recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.baselines_digits import paired
from tests.evidence.bench import Bench, Finding, spread

ABOVE_RANDOM, DSA_ABOVE_DC = 3.0, 1.0
PRESETS = {"dm": "cifar-small", "datadam": "cifar-small", "dsa": "cifar-small", "dc": "cifar-small", "random-real": ""}
DISTIL_SEEDS, SEEDS = range(5), (0, 1, 2)
REAL_IMAGES, IPC = 500, 10
RECIPE, ARCHITECTURE = "dsa-2021", "convnet:width=32"


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    name = datasets.facts(few_images(bench)).name
    chosen, values = recipe.load(RECIPE), {}
    for method, preset in PRESETS.items():
        asked = [Made(method, preset or "default", Real(name), Budget(ipc=IPC), seed) for seed in DISTIL_SEEDS]
        stored = bench.make(asked)
        trainings = [Training((Stage(Data((stored[made],))),), ARCHITECTURE, chosen) for made in asked]
        cells = [Cell(training, SEEDS, (Probe("accuracy", Real(name, "test")),)) for training in trainings]
        bench.run(cells)
        by_set = [bench.accuracy(cell) for cell in cells]
        values[method] = [sum(one) / len(one) for one in by_set]
    found = {method: spread(seen) for method, seen in values.items()}
    gaps = {
        "dm - random-real": paired(values["dm"], values["random-real"]),
        "datadam - random-real": paired(values["datadam"], values["random-real"]),
        "dsa - dc": paired(values["dsa"], values["dc"]),
    }
    passed = all(gap["low"] > 0 for gap in gaps.values()) and gaps["dsa - dc"]["mean"] >= DSA_ABOVE_DC
    passed = passed and all(gaps[f"{method} - random-real"]["mean"] >= ABOVE_RANDOM for method in ("dm", "datadam"))
    return Finding(
        bar="CIFAR-10, 500 real images a class, 10 per class, ConvNet of width 32: dm and datadam >= random-real + 3, "
        "dsa >= dc + 1 under dsa-2021",
        passed=passed,
        value={**found, **gaps},
        n=f"{len(DISTIL_SEEDS)} distillation seeds by {len(SEEDS)} training seeds",
        spread="SD over distillation seeds of the mean over training seeds; 95 % paired t-intervals over those seeds",
        details={"recipe_digest": chosen.digest, "dataset": name, "presets": PRESETS},
    )


def few_images(bench: Bench) -> Path:
    """CIFAR-10 with 500 random train images of each class and all of test, as data of one's own."""
    file = bench.folder / "data" / f"cifar10-{REAL_IMAGES}.npz"
    if not file.exists():
        whole, draws = datasets.load("cifar10"), np.random.default_rng(0)
        rows = [draws.permutation(np.flatnonzero(whole.train.labels == c))[:REAL_IMAGES] for c in range(10)]
        chosen = np.concatenate(rows)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            file,
            x_train=whole.train.images[chosen].transpose(0, 2, 3, 1),
            y_train=whole.train.labels[chosen],
            x_test=whole.test.images.transpose(0, 2, 3, 1),
            y_test=whole.test.labels,
        )
    return file
