"""Is standard-v1 no worse than any paper recipe on CIFAR-10? Sets of train without holdout, scored on holdout.

Five seeds in each cell: for random-real five draws with one training each, for dm one set and five trainings, since its
sets at 10 per class take half an hour of two cores. No test image is seen.
"""

from __future__ import annotations

from benchmark import recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread
from tests.evidence.recipe_choice import IPCS, MARGIN, PAPERS

SEEDS = range(5)
PART = "minus-holdout"
BASELINES = {"random-real": ("default", SEEDS, (0,)), "dm": ("cifar-2000", (0,), tuple(SEEDS))}
"""Preset, distillation seeds, training seeds."""


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    asked = {
        (name, ipc, seed): Made(name, preset, Real("cifar10", part=PART), Budget(ipc=ipc), seed)
        for name, (preset, seeds, _) in BASELINES.items()
        for ipc in IPCS
        for seed in seeds
    }
    stored = bench.make(list(asked.values()))
    probe = Probe("accuracy", Real("cifar10", part="holdout"))
    cells = {
        (*what, chosen): Cell(
            Training((Stage(Data((stored[made],))),), "convnet", recipe.load(chosen)), BASELINES[what[0]][2], (probe,)
        )
        for what, made in asked.items()
        for chosen in ("standard-v1", *PAPERS)
    }
    bench.run(list(cells.values()))
    found = {
        f"{name} at {ipc}": {
            chosen: spread([one for seed in seeds for one in bench.accuracy(cells[name, ipc, seed, chosen])])
            for chosen in ("standard-v1", *PAPERS)
        }
        for name, (_, seeds, _) in BASELINES.items()
        for ipc in IPCS
    }
    ahead = {
        cell: round(max(float(means[paper]["mean"]) for paper in PAPERS) - float(means["standard-v1"]["mean"]), 2)
        for cell, means in found.items()
    }
    return Finding(
        bar="CIFAR-10: standard-v1 at most 0.5 points below any paper recipe for random-real and dm, on holdout",
        passed=max(ahead.values()) <= MARGIN,
        value={"best paper recipe minus standard-v1, points": ahead},
        n="random-real: 5 draws with one training each; dm: one set with 5 trainings",
        spread="SD over draws, or over trainings of one set",
        details=found,
    )
