"""`nas-proxy` on the whole digits slice with one training seed: a set of dm at 10 per class, and all beside it."""

from __future__ import annotations

import tempfile
import time

import numpy as np

from benchmark.plan import Job
from benchmark.rank_statistics import null_bound, spearman
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Budget, Made, Real
from evaluators._nas_spaces import read_space
from tests.evidence.bench import Bench, Finding

SUBJECT = Made("dm", "lite", Real("digits"), Budget(ipc=10), 0)
OPTIONS = (("herding_preset", "lite"), ("n_seeds", 1))
LIMIT = 60.0
SHUFFLES = range(200)
INSIDE = (180, 198)
SHOWN = ("spearman", "spearman_low", "spearman_high", "spearman_share_of_ceiling", "regret@1", "cost")


def shuffles_inside() -> int:
    """How many of 200 shuffled rankings of the slice lie within the 95 % null interval."""
    truth = np.array([one.truth for one in read_space("convnet-digits").networks])
    shuffled = np.stack([np.random.default_rng(seed).permutation(truth) for seed in SHUFFLES])
    return int((np.abs(spearman(shuffled, truth)) <= null_bound(len(truth))).sum())


def measure(bench: Bench) -> Finding:
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:  # so that everything is trained, and timed
        store = Store(folder)
        runner = Runner(store, "auto")
        digest = runner.make([SUBJECT])[SUBJECT]
        started = time.perf_counter()
        report = runner.evaluate([Job(digest, "nas-proxy", "standard-v1-lite", OPTIONS)])
        seconds = time.perf_counter() - started
        table = store.results()
    rows = table[(table["evaluator"] == "nas-proxy") & (table["set"] == digest)]
    found = {
        str(condition): members.set_index("metric")["value"].reindex(SHOWN).round(3).dropna().to_dict()
        for condition, members in rows.groupby("condition")
    }
    subject = rows[rows["condition"] == "subject"].set_index("metric")["value"]
    inside = shuffles_inside()
    return Finding(
        bar="nas-proxy on the digits slice, one seed: under 60 s; a shuffled ranking within its 95 % null interval in "
        "180 to 198 of 200",
        passed=seconds < LIMIT and INSIDE[0] <= inside <= INSIDE[1] and not report.problems,
        value={
            "seconds": round(seconds, 1),
            "trained": report.n_trained,
            "shuffles inside": inside,
            "ceiling": round(float(subject["spearman_ceiling"]), 3),
            "null interval": round(float(subject["spearman_of_chance"]), 3),
            "by condition": found,
        },
        n="36 networks, 1 training seed, 1 set; 200 shuffles",
        spread="low and high: 95 % bootstrap over networks (1,000 resamples)",
        details={"set": digest},
    )
