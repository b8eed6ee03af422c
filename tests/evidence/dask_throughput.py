"""Blocks of digits on a Dask cluster: two one-thread workers against one, and what a killed worker costs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark import engine, recipe
from benchmark.cluster import Cluster
from benchmark.store import Store
from benchmark.values import Budget, Cell, Data, Made, Outcome, Probe, Real, Stage, Stored, Training
from benchmark.workers import cores
from tests.evidence.bench import Bench, Finding, NotHere, spread
from tests.local_cluster import LocalCluster, started

BAR = 1.8
REPEATS = 5
SEEDS = range(48)
"""Blocks of each run; at its end one worker waits for the other, for half a block in the mean."""
EPOCHS: int | None = None
"""None: those of the recipe."""


def measure(bench: Bench) -> Finding:
    if importlib.util.find_spec("distributed") is None:
        raise NotHere("needs Dask: pip install -e '.[dask]'")
    if cores() < 2:
        raise NotHere("needs two cores")
    made = Made("random-real", "default", Real("digits"), Budget(ipc=10), 0)
    cell = _cell(bench.make([made])[made])
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as place:
        folders = {n: Path(place, str(n)) for n in seconds}
        for folder in folders.values():
            folder.mkdir()
        with started(folders[1], 1) as one, started(folders[2], 2) as two:
            clusters = {1: one, 2: two}
            for n in clusters:  # every worker imports torch and reads the data
                _run(bench, cell, clusters[n], n)
            for repeat in range(REPEATS):
                for n in (1, 2) if repeat % 2 else (2, 1):
                    seconds[n].append(_run(bench, cell, clusters[n], n)[0])
            _, whole = _run(bench, cell, two, 2)
            _, with_a_kill = _run(bench, cell, two, 2, kill=True)
    ratios = [first / second for first, second in zip(seconds[1], seconds[2], strict=True)]
    return Finding(
        bar=f"Dask, blocks of digits: two one-thread workers give at least {BAR} times the throughput of one; "
        "killing one loses nothing",
        passed=spread(ratios)["mean"] >= BAR and whole == with_a_kill,
        value={"ratio": spread(ratios), "the same outcomes with one worker killed": whole == with_a_kill},
        n=f"{REPEATS} interleaved pairs of runs of {len(SEEDS)} blocks, after one of each that warms up; 1 kill",
        spread="SD over pairs",
        details={"seconds": {str(n): [round(one, 2) for one in found] for n, found in seconds.items()}},
    )


def _cell(stored: Stored) -> Cell:
    chosen = recipe.load("standard-v1-lite")
    if EPOCHS:
        chosen = chosen.vary(epochs=EPOCHS, passes=None, min_steps=0)
    training = Training((Stage(Data((stored,))),), "convnet", chosen)
    return Cell(training, tuple(SEEDS), (Probe("accuracy", Real("digits", "test")),))


def _run(
    bench: Bench, cell: Cell, cluster: LocalCluster, n: int, kill: bool = False
) -> tuple[float, list[Outcome | Any]]:
    """Train all blocks into an empty store; returns the seconds and the outcomes. `kill` ends a worker mid-block."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    store = Store(folder)
    for images in cell.training.stages[0].stream.images:
        assert isinstance(images, Stored)
        store.write_set(bench.store.read_set(images.digest))
    pool = Cluster(cluster.address, store, "cpu")
    while pool.n < n:
        time.sleep(0.05)

    def done(block: engine.Block, reason: str) -> None:
        if reason:
            raise RuntimeError(reason)
        if kill and cluster.workers[0].poll() is None:
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            cluster.workers[0].wait()

    try:
        begun = time.perf_counter()
        engine.run(engine.join([cell]), engine.Materials(store, torch.device("cpu")), done, workers=pool)
        seconds = time.perf_counter() - begun
        return seconds, [replace(outcome, device="") for outcome in engine.outcomes(cell, store)]
    finally:
        pool.close()
        shutil.rmtree(folder)
