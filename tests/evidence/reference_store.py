"""The reference store: built by one command within two hours on two cores, small enough, the same sets every time.

A run that was killed goes on; the seconds of all its sittings count, from an empty store on. Every set that the plan
names is made once more in another empty store and compared with the first and with what is committed.
"""

from __future__ import annotations

from benchmark import packing, plan
from benchmark.runner import Runner
from benchmark.store import Store
from tests.evidence.bench import REPOSITORY, Bench, Finding, sitting

LONGEST = 7200.0
"""Seconds on two cores."""


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    store, chosen = Store(bench.folder / "reference"), plan.load("reference")
    with sitting(bench.folder / "reference-seconds.json") as sittings:
        runner = Runner(store, "auto")
        runner.make(chosen.made)
        report = runner.evaluate(chosen.jobs)
        if report.problems:
            raise RuntimeError("; ".join(report.problems[:5]))
        packed = packing.pack(store, bench.folder / "reference-packed")
    made = set(store.set_digests())
    again = Store(bench.folder / "reference-again")
    Runner(again, "auto").make(chosen.made)
    repeated = set(again.set_digests())  # those that the plan names; the others follow from evaluators
    differing = repeated - made
    shipped = Store(REPOSITORY / "artifacts" / "reference").set_digests()
    others = set(shipped) - made
    return Finding(
        bar="reference store: at most 2 hours of two cores, 25 MiB, 2,000 files; the same sets again and as committed",
        passed=sum(sittings) <= LONGEST and not differing and not others,
        value={
            "seconds": round(sum(sittings)),
            "sittings": [round(seconds) for seconds in sittings],
            "sets": packed.n_sets,
            "outcomes": packed.n_outcomes,
            "outcomes_with_arrays_left_out": packed.n_left_out,
            "files": packed.n_files,
            "mib": round(packed.n_bytes / 2**20, 2),
            "sets_made_again": len(repeated),
            "sets_that_came_out_otherwise": len(differing),
            "committed_sets": len(shipped),
            "committed_sets_that_came_out_otherwise": len(others),
        },
        n="one build, and every set of the plan made once more",
        spread="none",
        details={"most_mib": packing.MOST_BYTES / 2**20, "most_files": packing.MOST_FILES},
    )
