"""Rehearsal on digits, 5 steps of 2 classes, memory of 50 random real images: fine-tuning < replay < DER++.

Epochs, rate and the weights of DER++ are those of `rehearsal-v1`, chosen on the holdout with seeds 100 to 105
(docs/recipes.md); here seeds 0 to 9 give memory, class order and initial weights, and the test split is seen first.
"""

from __future__ import annotations

from benchmark import recipe
from benchmark.recipe import Recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training
from evaluators._memories import class_steps, flat
from tests.evidence.bench import Bench, Finding, spread

SEEDS = range(10)
N_STEPS = 5
MARGIN = 1.0
"""Points by which DER++ must be ahead of replay."""


def measure(bench: Bench) -> Finding:
    chosen = recipe.load("rehearsal-v1")
    replay = chosen.vary(name=chosen.name, loss="cross-entropy")
    asked = {seed: Made("random-real", "default", Real("digits"), Budget(ipc=5), seed) for seed in SEEDS}
    stored = bench.make(list(asked.values()))
    cells = {}
    for seed in SEEDS:
        memory = stored[asked[seed]]
        cells["fine-tuning", seed] = _cell(seed, None, replay)
        cells["replay", seed] = _cell(seed, memory, replay)
        cells["der++", seed] = _cell(seed, memory, chosen)
    bench.run(list(cells.values()))
    by_kind = {
        kind: [bench.accuracy(cells[kind, seed])[0] for seed in SEEDS] for kind in ("fine-tuning", "replay", "der++")
    }
    means = {kind: spread(values) for kind, values in by_kind.items()}
    ahead = spread([der - er for der, er in zip(by_kind["der++"], by_kind["replay"], strict=True)])
    ordered = means["fine-tuning"]["mean"] < means["replay"]["mean"] < means["der++"]["mean"]
    return Finding(
        bar=f"rehearsal on digits: fine-tuning < replay < der++ in final accuracy, der++ ahead by {MARGIN} or more",
        passed=ordered and ahead["mean"] >= MARGIN,
        value={**means, "der++ minus replay, paired": ahead},
        n=f"{len(SEEDS)} seeds, each with its own memory, class order and initial weights",
        spread="SD over seeds",
        details={"recipe": chosen.canonical(), "recipe_digest": chosen.digest, "memory": "random-real, 5 per class"},
    )


def _cell(seed: int, memory: Stored | None, how: Recipe) -> Cell:
    steps = class_steps(10, N_STEPS, seed)
    stages = tuple(
        Stage(
            Data((Real("digits", classes=classes),)),
            Data((Stored(memory.digest, flat(steps[:t])),)) if memory and t else None,
        )
        for t, classes in enumerate(steps)
    )
    return Cell(Training(stages, "mlp", how), (seed,), (Probe("accuracy", Real("digits", "test")),))
