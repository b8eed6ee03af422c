"""Is standard-v1 no worse than any paper recipe? Five folds of the train split of digits; no test image is seen.

In fold k the set is made of the other four fifths and the networks are scored on fold k, so the five folds are five
draws (or distillation seeds) as well. docs/recipes.md
tells what standard-v1 was chosen from.
"""

from __future__ import annotations

from benchmark import recipe
from benchmark.recipe import Recipe
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
from tests.evidence.bench import Bench, Finding, spread

FOLDS = range(5)
SEEDS = (0,)
BASELINES = (("random-real", "default"), ("dm", "lite"))
IPCS = (1, 10)
PAPERS = ("dc-2021", "dsa-2021")
"""dm-2023 is dsa-2021 under another name: one digest."""
MARGIN = 0.5
"""Points that a paper recipe may be ahead before it counts."""


def measure(bench: Bench) -> Finding:
    assert recipe.load("dm-2023").digest == recipe.load("dsa-2021").digest
    names = ("standard-v1", "standard-v1-lite", *PAPERS)
    found = compare(bench, {name: recipe.load(name) for name in names})
    ahead = {
        cell: max(means[paper]["mean"] for paper in PAPERS) - means["standard-v1"]["mean"]
        for cell, means in found.items()
    }
    return Finding(
        bar="standard-v1 at most 0.5 points below any paper recipe for random-real and dm, on folds of train",
        passed=max(ahead.values()) <= MARGIN,
        value={"best paper recipe minus standard-v1, points": {cell: round(gap, 3) for cell, gap in ahead.items()}},
        n=f"{len(FOLDS)} folds, each with its own draw or distillation seed, by {len(SEEDS)} training seeds",
        spread="SD over folds of the mean over training seeds",
        details=found,
    )


def compare(bench: Bench, recipes: dict[str, Recipe]) -> dict[str, dict[str, dict[str, float | int]]]:
    """Accuracy on the held-out folds by `baseline at ipc`, then by recipe."""
    asked = {(b, ipc, k): _made(b, p, ipc, k) for b, p in BASELINES for ipc in IPCS for k in FOLDS}
    stored = bench.make(list(asked.values()))
    cells = {
        (*what, name): Cell(
            Training((Stage(Data((stored[made],))),), "convnet", chosen),
            SEEDS,
            (Probe("accuracy", Real("digits", part=f"fold-{what[2]}")),),
        )
        for what, made in asked.items()
        for name, chosen in recipes.items()
    }
    bench.run(list(cells.values()))
    found: dict[str, dict[str, dict[str, float | int]]] = {}
    for baseline, _ in BASELINES:
        for ipc in IPCS:
            by_recipe = {}
            for name in recipes:
                accuracies = [bench.accuracy(cells[baseline, ipc, k, name]) for k in FOLDS]
                by_recipe[name] = spread([sum(values) / len(values) for values in accuracies])
            found[f"{baseline} at {ipc}"] = by_recipe
    return found


def _made(baseline: str, preset: str, ipc: int, fold: int) -> Made:
    return Made(baseline, preset, Real("digits", part=f"minus-fold-{fold}"), Budget(ipc=ipc), seed=fold)
