"""A hundred thousand result rows: written by eight processes at once, indexed, and filtered from a cold start."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.store import Store
from tests.evidence.bench import REPOSITORY, Bench, Finding, spread
from tests.stores import row

FILES = 4000
ROWS = 25
"""Rows of a file: five architectures, five seeds."""
WRITERS = 8
REPEATS = 10
INDEX_BAR, FILTER_BAR = 60.0, 1.0
FILTERS = [
    ["--method", "method-07", "--dataset", "digits"],
    ["--dataset", "cifar10", "--ipc", "10", "--architecture", "mlp"],
    ["--method", "method-03", "--rows"],
]
"""What is looked for, in turn."""


def measure(bench: Bench) -> Finding:
    folder = bench.folder / "store-rows"
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(folder)
    store.prepare()
    writing = _timed(lambda: _write(folder))[0]
    indexing, indexing_cpu = _command(["-c", COLLECT, str(folder)])
    again, _ = _command(["-c", COLLECT, str(folder)])
    filtering = [_filter(folder, FILTERS[n % len(FILTERS)]) for n in range(REPEATS)]
    n_rows = len(store.rows({}))
    shutil.rmtree(folder)
    median = round(statistics.median([wall for wall, _ in filtering]), 3)
    walls, cpus = [wall for wall, _ in filtering], [cpu for _, cpu in filtering]
    return Finding(
        bar=f"{FILES * ROWS} result rows are indexed in under {INDEX_BAR:.0f} s, and filtered in under "
        f"{FILTER_BAR:.0f} s from a cold start (median)",
        passed=n_rows == FILES * ROWS and indexing < INDEX_BAR and median < FILTER_BAR,
        value={
            "index, seconds": round(indexing, 2),
            "filter, seconds": {
                **spread(walls),
                "median": round(statistics.median(walls), 3),
                "max": round(max(walls), 3),
            },
            "rows a second appended by 8 writers": round(FILES * ROWS / writing),
        },
        n=f"1 indexing of {FILES} files of {ROWS} rows; {REPEATS} filterings by 3 questions, each in a new process",
        spread="SD over filterings, wall time",
        details={
            "index, CPU seconds": round(indexing_cpu, 2),
            "index where nothing changed, seconds": round(again, 2),
            "filter, CPU seconds": spread(cpus),
            "appending, seconds": round(writing, 2),
            "files a second appended by 8 writers, each synced": round(FILES / writing),
            "load, over 1, 5 and 15 minutes": [round(one, 2) for one in os.getloadavg()],
        },
    )


COLLECT = "import sys; from benchmark.store import Store; Store(sys.argv[1]).collect()"


def _write(folder: Path) -> None:
    """Write all files, every writer its share."""
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_write_share, args=(folder, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise RuntimeError("a writer failed")


def _write_share(folder: Path, share: int) -> None:
    store = Store(folder)
    for number in range(share, FILES, WRITERS):
        digest = f"{number:064x}"
        known = {"dataset": ("digits", "mnist", "cifar10")[number % 3], "ipc": (1, 10, 50)[number // 3 % 3]}
        known |= {"method": f"method-{number // 9 % 20:02}", "distil_seed": number // 180 % 5}
        known |= {"evaluator": f"evaluator-{number // 900}"}
        rows = [
            row(digest, seed, **known, architecture=architecture)
            for architecture in ("convnet", "mlp", "lenet", "alexnet", "resnet18")
            for seed in range(ROWS // 5)
        ]
        store.write_results(f"{number % 256:02x}{number:062x}", {"set": digest}, rows)


def _filter(folder: Path, options: list[str]) -> tuple[float, float]:
    """Seconds of one question, and those of the CPU."""
    return _command(["-m", "benchmark.cli", "results", *options, "--json", "--store", str(folder)])


def _command(arguments: list[str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def run() -> None:
        done = subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        if "results" in arguments and not json.loads(done.stdout):
            raise RuntimeError(f"nothing was found: {arguments}")

    wall, _ = _timed(run)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _timed(work: Callable[[], None]) -> tuple[float, None]:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun, None
