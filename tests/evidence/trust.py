"""Every evaluator whole on digits (the plan `full`): what it found, what it cost, and what must hold of it.

A run that was killed goes on; the seconds of all its sittings are held against the estimate from before the first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark import plan, registry
from benchmark.plan import Job, Plan
from benchmark.values import Made
from tests.evidence.bench import Bench, Finding, sitting, spread

PLAN = "DISTILLBENCH_EVIDENCE_PLAN"
"""Environment variable: another plan to try the bar with."""
FACTOR = 2.0
"""How far an estimate may be off."""
BY_CHANCE = (7.0, 13.0)
"""Accuracy of a network that knows nothing of ten classes, with room for one that always says the same digit."""


def measure(bench: Bench) -> Finding:
    asked = os.environ.get(PLAN, "full")
    chosen, kept = plan.load(asked), bench.folder / f"trust-{Path(asked).stem}"
    estimated = _estimate(bench, chosen, kept.with_suffix(".estimate.json"))
    with sitting(kept.with_suffix(".seconds.json")) as seconds:
        bench.runner.make(chosen.made)
        report = bench.runner.evaluate(chosen.jobs)
    table = _rows(bench, chosen.jobs)
    checks = {
        "every evaluator has values": set(table["evaluator"]) == set(registry.names("evaluator")),
        "nothing failed": not report.problems,
        "noise under hard labels is at chance": _between(_mean(table, "label-disentangling", "noise, hard"), BY_CHANCE),
        "corruption falls with severity": _falls(table),
        "optimism is never negative": bool((table[table["evaluator"] == "optimism"]["value"] >= 0).all()),
        "LiRA finds members of full data": _lira(table) > 0.5,
    }
    if estimated is not None:
        checks["the estimate is within a factor of two"] = 1 / FACTOR < estimated / sum(seconds) < FACTOR
    return Finding(
        bar="every evaluator whole on digits: chance where nothing is taught, harm that grows, an honest estimate",
        passed=all(checks.values()),
        value={**checks, **_told(table)},
        n=f"{report.n_trained} networks trained and {report.n_reused} reused, {len(table)} rows",
        spread="SD over sets and training seeds",
        details={
            "estimated_seconds": estimated,
            "seconds of all sittings": [round(one) for one in seconds],
            "problems": report.problems[:10],
        },
    )


def _estimate(bench: Bench, chosen: Plan, file: Path) -> int | None:
    """Seconds that the plan was said to take when nothing of it was stored; None where that was never asked."""
    if not file.exists():
        estimate = bench.runner.estimate(chosen.jobs, chosen.made)
        file.write_text(json.dumps(None if estimate.n_stored else round(estimate.seconds)))
    found: int | None = json.loads(file.read_text())
    return found


def _rows(bench: Bench, jobs: tuple[Job, ...]) -> pd.DataFrame:
    """The rows with a value of these jobs, out of all that the store holds."""
    table = bench.store.results()
    names = {job.row_name.removesuffix(plan.QUICK) for job in jobs}
    methods = {job.images.baseline for job in jobs if isinstance(job.images, Made)}
    recipes = {recipe for job in jobs for recipe in (job.recipe, f"{job.recipe}/reference")}
    table = table.assign(evaluator=table["evaluator"].str.removesuffix(plan.QUICK))
    kept = table["evaluator"].isin(names) & table["method"].isin(methods) & table["recipe"].isin(recipes)
    versions = table["evaluator"].map({name: registry.version("evaluator", name) for name in names})
    return table[kept & (table["status"] == "ok") & (table["version"] == versions)]


def _mean(table: pd.DataFrame, evaluator: str, condition: str) -> float:
    return float(table[(table["evaluator"] == evaluator) & (table["condition"] == condition)]["value"].mean())


def _between(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] < value < bounds[1]


def _falls(table: pd.DataFrame) -> bool:
    chosen = table[(table["evaluator"] == "corruption") & table["condition"].str.startswith("severity")]
    means = chosen.groupby("condition")["value"].mean()
    return bool(means.is_monotonic_decreasing and len(means) > 1)


def _lira(table: pd.DataFrame) -> float:
    """Of the networks trained on half of the real images themselves; a quick form, which has none, says nothing."""
    full = table[(table["method"] == "full-data") & (table["condition"] == "lira") & (table["metric"] == "auc")]
    return float(full["value"].mean()) if len(full) else 1.0


def _told(table: pd.DataFrame) -> dict[str, Any]:
    """Mean and SD of every metric and condition of the trust battery, by method; histograms and others' bars aside."""
    others = ["cross-architecture", "augmentation", "protocol-sensitivity", "nas-proxy", "continual-learning"]
    battery = table[~table["evaluator"].isin(others) & ~table["metric"].str.startswith("bin_")]
    same = ["evaluator", "metric", "condition", "method", "seed"]
    again = battery["condition"].str.startswith("full data") & battery.duplicated(same)
    battery = battery[~again]  # the same networks stand beside every set
    groups = battery.groupby(["evaluator", "metric", "condition", "method"], dropna=False)["value"]
    return {" / ".join(filter(None, map(str, key))): spread(values.tolist()) for key, values in groups}
