"""`nas-proxy` on NAS-Bench-201 end to end: 20 uniform and 10 of the best networks, random-real, CIFAR-10.

The networks are the published list's first. Only the subject's own cells are trained here, and the untrained networks
measured. Left out: random-real beside itself, which is the subject; herding and early stopping, each of which would
train the 30 networks once more, and herding a network on all of CIFAR-10 before; and the table's 12 epochs, which cost
nothing (`nas_table` has them). Wall time is extrapolated to the whole list with three seeds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from benchmark import engine, keys, recipe
from benchmark.evaluator import Subject
from benchmark.recipe import Recipe
from benchmark.values import Budget, Cell, Made, Real
from evaluators._nas_scores import Guesses, guesses_of, scores_of
from evaluators._nas_spaces import read_space
from evaluators.nas_proxy import NasProxy
from tests.evidence.bench import Bench, Finding
from tests.evidence.nas_table import table_path

SUBJECT = Made("random-real", "default", Real("cifar10"), Budget(ipc=10), 0)
RECIPE = "standard-v1-lite"
N_NETWORKS = 20
WHOLE = 300 * 3


def seconds_of(bench: Bench, cells: Sequence[Cell]) -> list[float]:
    """What each training took when it was run, this time or before."""
    found = []
    for cell in cells:
        name = keys.outcome_name(cell.training, cell.seeds[0], cell.probes[0])
        (file, *_) = sorted(bench.store.root.glob(f"outcomes/{name[:2]}/{name}*.json"))
        found.append(float(json.loads(file.read_text(encoding="utf-8"))["cost"]["seconds"]))
    return found


def run(bench: Bench, n_networks: int, chosen: Recipe) -> dict[str, Any]:
    """Train and measure the first networks; scores of the subject and of the untrained, and seconds."""
    bench.data("cifar10")
    space = read_space("nasbench201", table_path()).first(n_networks)
    evaluator = NasProxy(truth=table_path(), n_networks=n_networks, n_seeds=1)
    subject = Subject(bench.make([SUBJECT])[SUBJECT], "cifar10", 10, chosen, "random-real", ipc=10)
    plan = evaluator.plan(subject)
    networks = list(dict.fromkeys(one.architecture for one in (*space.networks, *space.top)))
    trained = {one: plan["subject", one, 0] for one in networks}
    fresh = {one: plan["untrained", one] for one in networks}
    n_before, started = bench.runner.report.n_trained, time.perf_counter()
    bench.run([*trained.values(), *fresh.values()])
    wall, n_trained = time.perf_counter() - started, bench.runner.report.n_trained - n_before
    untrained = [engine.outcomes(cell, bench.store) for cell in fresh.values()]
    sizes = guesses_of(untrained, "parameters", "count", 0.0)
    guesses: dict[str, Guesses] = {
        "subject": guesses_of(
            [engine.outcomes(cell, bench.store) for cell in trained.values()], "accuracy", "accuracy", 0.0
        ),
        "parameter-count": sizes,
        "synflow": guesses_of(untrained, "synflow", "log_score", 0.0),
    }
    position = {one: i for i, one in enumerate(networks)}
    shown = ("spearman", "spearman_low", "spearman_high", "regret@1")
    scores = {
        name: {
            score.metric: None if score.value is None else round(score.value, 3)
            for score in scores_of(space, position, name, one, sizes)
            if score.metric in shown
        }
        for name, one in guesses.items()
    }
    times = {"wall": wall, "trained": n_trained, "seconds": seconds_of(bench, list(trained.values()))}
    return {"networks": len(networks), **times, **scores}


def measure(bench: Bench) -> Finding:
    found = run(bench, N_NETWORKS, recipe.load(RECIPE))
    each = sum(found["seconds"]) / len(found["seconds"])
    scored = {name: found[name] for name in ("subject", "parameter-count", "synflow")}
    return Finding(
        bar="nas-proxy on NAS-Bench-201, at least 20 networks, random-real at 10 per class on CIFAR-10, end to end",
        passed=found["networks"] >= 20 and all(one["spearman"] is not None for one in scored.values()),
        value={
            "networks": found["networks"],
            "seconds of all trainings, whenever they were run": round(sum(found["seconds"]), 1),
            "seconds of this run": round(found["wall"], 1),
            "trainings of this run": found["trained"],
            "seconds a network": round(each, 1),
            "hours for 300 networks by 3 seeds, one condition": round(each * WHOLE / 3600, 2),
            **scored,
        },
        n=f"{N_NETWORKS} uniform networks and the first 10 of the best, 1 training seed",
        spread="low and high: 95 % bootstrap over the uniform networks",
        details={
            "recipe": RECIPE,
            "measured_on": "holdout (5,000 of train)",
            "beside it": "a training has one core; other work had the second one, and at times a share of the first",
        },
    )
