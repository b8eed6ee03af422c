"""Full CIFAR-10 at 1 image per class, ConvNet-D3 of width 128, one distillation seed: DC, DSA, DM and DataDAM.

Published: 28.3 ± 0.5, 28.8 ± 0.7, 26.0 ± 0.8 and 32.0 ± 1.2 %. Hours; a killed run goes on at the last checkpoint.
"""

from __future__ import annotations

from benchmark import recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread

BARS = {
    "dc": ("cifar-1000", "dc-2021", 26.0, 28.3),
    "dsa": ("cifar-1000", "dsa-2021", 26.0, 28.8),
    "dm": ("cifar-5000", "dm-2023", 25.0, 26.0),
    "datadam": ("cifar-8000", "datadam-2023", 29.0, 32.0),
}
"""Preset, recipe, bar and the published accuracy in percent."""
SEEDS = (0, 1, 2, 3, 4)


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    found, passed = {}, True
    for name, (preset, recipe_name, bar, published) in BARS.items():
        made = Made(name, preset, Real("cifar10"), Budget(ipc=1), 0)
        stored = bench.make([made])[made]
        training = Training((Stage(Data((stored,))),), "convnet", recipe.load(recipe_name))
        cell = Cell(training, SEEDS, (Probe("accuracy", Real("cifar10", "test")),))
        bench.run([cell])
        seen = spread(bench.accuracy(cell))
        held = seen["mean"] >= bar
        passed = passed and held
        card = bench.store.read_card(stored.digest)
        found[name] = {
            **seen,
            "bar": bar,
            "published": published,
            "holds": held,
            "preset": preset,
            "recipe": recipe_name,
            "seconds": card.cost["seconds"],
            "image passes": card.cost["image_passes"],
        }
    return Finding(
        bar="CIFAR-10 at 1 per class, one distillation seed: dc and dsa >= 26, dm >= 25, datadam >= 29 %",
        passed=passed,
        value=found,
        n=f"1 distillation seed by {len(SEEDS)} training seeds",
        spread="SD over training seeds",
    )
