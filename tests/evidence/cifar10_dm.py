"""CIFAR-10, dm at 1 per class after 2,000 iterations (preset `cifar-2000`), scored by its paper's recipe.

Published: 26.0 ± 0.8 % after 20,000 iterations on 256 real images of each class (Zhao and Bilen, WACV 2023, Table 1).
"""

from __future__ import annotations

from benchmark import recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread

BAR = 24.0
SEEDS = (0, 1, 2, 3, 4)


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    made = Made("dm", "cifar-2000", Real("cifar10"), Budget(ipc=1), 0)
    stored = bench.make([made])[made]
    chosen = recipe.load("dm-2023")
    training = Training((Stage(Data((stored,))),), "convnet", chosen)
    cell = Cell(training, SEEDS, (Probe("accuracy", Real("cifar10", "test")),))
    bench.run([cell])
    seen = spread(bench.accuracy(cell))
    return Finding(
        bar=f"CIFAR-10, dm at 1 per class, 2,000 iterations, dm-2023: at least {BAR} %",
        passed=seen["mean"] >= BAR,
        value={**seen, "published": 26.0},
        n="1 distillation seed by 5 training seeds",
        spread="SD over training seeds",
        details={"recipe_digest": chosen.digest, "cost": dict(bench.store.read_card(stored.digest).cost)},
    )
