"""CIFAR-10, random real images, DC's recipe to the letter: 14.4 ± 2.0 and 26.0 ± 1.2 % at 1 and 10 per class.

Published: Zhao, Mopuri, Bilen (ICLR 2021), Table 1, SD; n is not stated there and taken as 5.
"""

from __future__ import annotations

import math

from benchmark import recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread

PUBLISHED = {1: (14.4, 2.0), 10: (26.0, 1.2)}
N_PUBLISHED = 5
DRAWS = {1: 5, 10: 5}


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    asked = {
        (ipc, draw): Made("random-real", "default", Real("cifar10"), Budget(ipc=ipc), draw)
        for ipc, n in DRAWS.items()
        for draw in range(n)
    }
    stored = bench.make(list(asked.values()))
    probe = Probe("accuracy", Real("cifar10", "test"))
    chosen = recipe.load("dc-2021")
    cells = {
        key: Cell(Training((Stage(Data((stored[made],))),), "convnet", chosen), (key[1],), (probe,))
        for key, made in asked.items()
    }
    bench.run(list(cells.values()))
    found, passed = {}, True
    for ipc, (mean, sd) in PUBLISHED.items():
        seen = spread([bench.accuracy(cells[ipc, draw])[0] for draw in range(DRAWS[ipc])])
        error = math.sqrt(float(seen["sd"]) ** 2 / DRAWS[ipc] + sd**2 / N_PUBLISHED)
        distance = (float(seen["mean"]) - mean) / error
        passed = passed and abs(distance) <= 2
        found[str(ipc)] = {**seen, "published": mean, "combined_se": round(error, 3), "in_se": round(distance, 2)}
    return Finding(
        bar="CIFAR-10, random-real, dc-2021: published 14.4 and 26.0 % within two combined standard errors",
        passed=passed,
        value=found,
        n=f"{DRAWS[1]} and {DRAWS[10]} draws, one training seed each",
        spread="SD over draws",
        details={"recipe_digest": chosen.digest, "source": "Zhao et al., ICLR 2021, Table 1"},
    )
