"""A plan shared by runs and their workers: who does what, and nothing done twice or lost where one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import engine, making, recipe
from benchmark.engine import backends
from benchmark.engine.tasks import TRAIN
from benchmark.recipe import Recipe
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Budget, Data, Made, Probe, Real, Stage, Stored, Training
from benchmark.workers import Threads, Workers
from tests.benchmark.tiny_plan import jobs


def test_workers_stop_at_once_where_a_run_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, closed = Runner(Store(tmp_path), "cpu", workers=1), []

    def leave(*given: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run", leave)
    monkeypatch.setattr(runner.workers, "close", lambda at_once=False: closed.append(at_once))
    training = Training((Stage(Data((Real("digits"),))),), "mlp", Recipe("short", epochs=1))
    with pytest.raises(KeyboardInterrupt):
        runner.train([engine.Block(training, 0, (Probe("accuracy", Real("digits", "test")),))], "training")
    assert closed == [True]


def test_killed_at_any_moment_it_goes_on_and_gives_the_same_table(tmp_path: Path, plugins: Path) -> None:
    """A small form of the evidence bar `demo`: three kills at growing moments, then an undisturbed end."""
    whole = Store(tmp_path / "whole")
    Runner(whole, "cpu", workers=1).evaluate(jobs(tmp_path))
    whole.collect()
    place, trace = tmp_path / "killed", tmp_path / "trace"
    command = [sys.executable, "-m", "benchmark.cli", "evaluate", "--device", "cpu", "--store", str(place)]
    command += ["--plan", str(tmp_path / "plan.toml")]
    environment = {**os.environ, "DISTILLBENCH_TRACE": str(trace), "OMP_NUM_THREADS": "1"}
    for awaited in ("made", "outcomes", "results"):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while process.poll() is None and not any(place.glob(f"{awaited}/*/*")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (place / "results.csv").read_bytes() == (whole.root / "results.csv").read_bytes()
    names = [name for line in trace.read_text().splitlines() for name in json.loads(line)["block"]]
    assert len(names) == len(set(names)), "a finished block was trained twice"


def test_two_runs_on_one_store_share_the_work(tmp_path: Path, plugins: Path) -> None:
    """While the test has one block in hand, both do the rest and wait; given free, it is done by one of them."""
    whole, shared = Store(tmp_path / "whole"), Store(tmp_path / "shared")
    Runner(whole, "cpu", workers=1).evaluate(jobs(tmp_path))
    whole.collect()
    first = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    digest = Runner(shared, "cpu", workers=1).make([first])[first]
    training = Training((Stage(Data((Stored(digest),))),), "mlp", recipe.load("tiny"))
    command = [sys.executable, "-m", "benchmark.cli", "evaluate", "--device", "cpu", "--store", str(shared.root)]
    command += ["--plan", str(tmp_path / "plan.toml"), "--workers", "1"]
    trace, logs = tmp_path / "trace", [tmp_path / "log-0", tmp_path / "log-1"]
    environment = {**os.environ, "DISTILLBENCH_TRACE": str(trace), "OMP_NUM_THREADS": "1"}
    runs = []
    with TRAIN.claimed(shared, engine.Block(training, 0, ())) as is_mine:
        assert is_mine
        for log in logs:
            with log.open("wb") as stream:
                runs.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stream))
        deadline = time.monotonic() + 120
        while not all("waiting for it" in log.read_text() for log in logs) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [run.poll() for run in runs] == [None, None]
    assert [run.wait(120) for run in runs] == [0, 0], [log.read_text() for log in logs]
    assert (shared.root / "results.csv").read_bytes() == (whole.root / "results.csv").read_bytes()
    names = [name for line in trace.read_text().splitlines() for name in json.loads(line)["block"]]
    assert len(names) == len(set(names)), "a block was trained by both"
    assert len(set(names)) == len(list(shared.root.glob("outcomes/*/*.json")))


def test_workers_make_what_takes_one_thread_whatever_the_dataset(tmp_path: Path) -> None:
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=2)
    asked = [Made(name, "lite", Real("cifar10"), Budget(ipc=10), 0) for name in ("k-means", "random-real", "dm")]
    assert [runner._is_shared(made) for made in asked] == [True, True, False]


def test_sets_that_workers_share_count_less_though_others_are_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four sets of 100 s in two workers and one here of 30 s: 230 s."""
    monkeypatch.setattr(making, "seconds_of", lambda _, made: 30.0 if made.baseline == "dm" else 100.0)
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=2)
    asked = [Made("k-means", "lite", Real("cifar10"), Budget(ipc=10), seed) for seed in range(4)]
    estimate = runner.estimate([], [*asked, Made("dm", "lite", Real("cifar10"), Budget(ipc=10), 0)])
    assert (estimate.n_sets, estimate.distil_seconds) == (5, 230.0)


def test_without_a_loop_one_thread_makes_a_set_here_as_in_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(engine, "is_small", lambda _: False)
    monkeypatch.setattr(engine, "prepare", lambda _, one_thread: seen.append(one_thread))
    made = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    making.make(engine.Materials(Store(tmp_path / "store"), torch.device("cpu")), made)
    assert seen == [True]


def test_processes_are_started_only_where_they_save_time_and_a_cluster_always_gets_its_work(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[type | None] = []

    def run(blocks: Any, materials: Any, done: Any, warn: Any, workers: Any) -> int:
        used.append(workers and type(workers))
        return 0

    monkeypatch.setattr(engine, "run", run)
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=2)
    stored = Stored(runner.make([Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)]).popitem()[1])
    training = Training((Stage(Data((stored,))),), "convnet:width=8", recipe.load("tiny"))
    blocks = [engine.Block(training, seed, ()) for seed in range(8)]
    monkeypatch.setattr(engine, "missing", lambda blocks, store: list(blocks))
    for seconds in (0.1, 100.0):
        monkeypatch.setattr(runner.estimator, "seconds", lambda block, seconds=seconds: seconds)
        runner.train(blocks, "some")
    assert used == [Threads, Workers]
    monkeypatch.setattr(backends, "_way", lambda *given: engine.Way("compiled", "bfloat16"))
    monkeypatch.setattr(runner.estimator, "seconds", lambda block: 0.1)
    runner.train(blocks, "compiled")
    assert used == [Threads, Workers, Threads]
    monkeypatch.setattr(type(runner.workers), "start_seconds", property(lambda self: 0.0))
    monkeypatch.setattr(runner.workers, "n", 1)  # as a cluster with one worker
    runner.train(blocks, "one worker")
    assert used[-1] is Workers
