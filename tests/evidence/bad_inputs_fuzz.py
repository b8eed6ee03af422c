"""100,000 set folders that were tampered with, checked in this process: refused with a code or taken, never a bug.

Drawn by hypothesis (`tests/benchmark/fuzz.py`): lists of one to three mutations of a good folder, which is written and
checked after each of them and, where it is fine, submitted into a store of its own. DISTILLBENCH_FUZZ says how many,
where 100,000 are too many.
"""

from __future__ import annotations

import os
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmark import datasets
from benchmark._set_check import budget
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.submission import submit
from benchmark.synthetic_set import Card, SyntheticSet
from benchmark.tensor_file import MAX_HEADER
from tests.benchmark.bad_inputs import IMAGES, LABELS, hashes, judged
from tests.benchmark.fuzz import Mutation, mutations, tampered
from tests.evidence.bench import Bench, Finding

N = int(os.environ.get("DISTILLBENCH_FUZZ") or 100_000)
LIMIT_SECONDS = 30.0


def measure(bench: Bench) -> Finding:
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        return _measure(Path(place))


def _memory() -> str | None:
    """A folder in memory where there is one: nothing here is about disks."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _measure(root: Path) -> Finding:
    facts = datasets.facts("digits")
    store = Store(root / "store")
    card = Card(dataset="digits", dataset_digest=facts.digest, space=PIXEL, method="was-there", ipc=1)
    store.write_set(SyntheticSet({"images": IMAGES[::-1].copy(), "labels": LABELS}, card))
    before, folder = hashes(store.root), root / "my-set"
    folder.mkdir()
    codes: Counter[str] = Counter()
    slowest, peaks = [0.0], [0]

    every = list(HealthCheck)

    @settings(
        max_examples=11 * N // 20, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=every
    )
    @seed(20261122)
    @given(chosen=mutations)
    def run(chosen: Sequence[Mutation]) -> None:
        for one in tampered(chosen):
            one.write(folder)
            judge()

    def judge() -> None:
        started = time.perf_counter()
        code = judged(folder, store)
        slowest[0] = max(slowest[0], time.perf_counter() - started)
        codes[code or "taken"] += 1
        if not code and codes["taken"] <= 100:  # what is fine is stored, elsewhere
            submit(folder, Store(root / "taken"), new_version=True)
        if sum(codes.values()) % 100 == 0:
            assert hashes(store.root) == before, "the store has changed"
            peaks[0] = max(peaks[0], _peak(folder, store))

    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    assert hashes(store.root) == before, "the store has changed"
    n, allowed = sum(codes.values()), 2 * (budget(facts) + MAX_HEADER)
    return Finding(
        bar="at least 100,000 tampered folders: no traceback, no exit 6, none over 30 s, store unchanged, memory",
        passed=n >= 100_000 and slowest[0] < LIMIT_SECONDS and peaks[0] < allowed and len(codes) >= 25,
        value={
            "folders": n,
            "slowest check, s": round(slowest[0], 3),
            "codes met": len(codes) - ("taken" in codes),
            "taken": codes["taken"],
            "peak memory of a check, bytes": peaks[0],
            "twice the budget of bytes and header": allowed,
        },
        n=f"{n} folders, one process",
        spread="none: counts and maxima",
        details={"seconds": round(seconds), "by first code": dict(sorted(codes.items()))},
    )


def _peak(folder: Path, store: Store) -> int:
    """Bytes that one more check of a folder allocates at most."""
    tracemalloc.start()
    judged(folder, store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
