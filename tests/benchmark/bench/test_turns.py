"""The order of a cell's parts, resuming, the processes they run in, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import engine
from benchmark.bench import cells, page, record, turns
from benchmark.bench import command as bench_command
from benchmark.engine import backends
from benchmark.errors import DistillBenchError, EnvironmentFault, InvalidInput, UsageError
from benchmark.progress import Progress
from benchmark.workers import cores

CPU = torch.device("cpu")
Command = Callable[..., Any]


def measure(bench: turns.Turns, cell: cells.BenchCell) -> record.Measured:
    return bench.measure(cell, Progress("bench", 1.0, 1), "distillbench bench")


def test_reference_and_ours_take_turns() -> None:
    order = [f"{part.kind} {part.number}" for part in turns.parts(cells.known()["digits-1"], 3)]
    assert order == [
        "machine 0",
        "cold 0",
        "code 0",
        *("reference 0", "warm 0", "reference 1", "warm 1", "reference 2", "warm 2", "reference 3", "reference 4"),
        "machine 1",
    ]
    more = [part.kind for part in turns.parts(cells.known()["digits-1"].shortened(), 4)]
    assert more[3:] == ["reference", "warm", "reference", "warm", "warm", "warm", "machine"]


def test_ours_alone_has_a_cache_of_its_own_and_the_cold_run_an_empty_one(stage: Any, cache: Path) -> None:
    bench, cell = turns.Turns(CPU, 1), cells.known()["digits-1"].shortened()
    stale = bench.folder(cell) / "inductor" / "compiled"
    stale.parent.mkdir(parents=True)
    stale.write_text("from a run that was killed")
    measure(bench, cell)
    assert not stale.exists()
    with_cache = ["TORCHINDUCTOR_CACHE_DIR" in environment for environment in stage.environments]
    assert [part for part, _ in stage.asked] == ["machine", "ours", "code", "reference", "ours", "reference", "machine"]
    assert with_cache == [part in ("ours", "code") for part, _ in stage.asked]
    assert stage.environments[1] == stage.environments[2] == stage.environments[4]


def test_a_machine_that_was_slow_for_a_moment_is_no_floor(stage: Any) -> None:
    rates = dict(stage.measured.machine["rates"])
    answers = iter([{kind: rate / 2 for kind, rate in rates.items()}, {**rates, "float32 product": 1.0}])

    def answer(request: Any, environment: Any, tick: turns.Tick) -> Any:
        found = stage(request, environment, tick)
        return {**found, "rates": next(answers)} if request["part"] == "machine" else found

    found = measure(turns.Turns(CPU, 1, answer), cells.known()["digits-1"].shortened())
    assert found.machine["rates"] == {**rates, "float32 product": rates["float32 product"] / 2}


def test_a_killed_bench_goes_on_where_it_was(stage: Any) -> None:
    bench, cell = turns.Turns(CPU, 2), cells.known()["digits-1"].shortened()
    n_parts = len(bench.left(cell))
    stage.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        measure(bench, cell)
    assert len(bench.left(cell)) == n_parts - 3
    stage.stop_at = None
    found = measure(turns.Turns(CPU, 2), cell)
    order = [("reference", 0), ("ours", 0), ("reference", 1), ("ours", 1)]
    assert stage.asked == [("machine", 0), ("ours", 0), ("code", 0), *order, ("machine", 1)]
    assert len(found.reference) == 2 and len(found.warm) == 2
    bench.forget(cell)
    assert len(bench.left(cell)) == n_parts


def test_parts_of_other_code_or_another_length_are_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, cell = turns.Turns(CPU, 2), cells.known()["digits-1"]
    folder = bench.folder(cell)
    assert bench.folder(cell) == folder
    assert bench.folder(cell.shortened()) != folder
    monkeypatch.setattr(turns, "SOURCES", ("architectures",))
    assert bench.folder(cell) != folder


def test_a_part_that_ran_while_the_code_was_edited_is_not_kept(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, cell = turns.Turns(CPU, 1), cells.known()["digits-1"].shortened()
    folder = bench.folder(cell)

    def edited(request: Any, environment: Any, tick: turns.Tick) -> Any:
        monkeypatch.setattr(turns, "SOURCES", ("architectures",))
        return stage(request, environment, tick)

    bench.run = edited
    with pytest.raises(EnvironmentFault, match="the code changed"):
        measure(bench, cell)
    assert not list(folder.glob("*.json"))


@pytest.mark.slow
def test_a_process_answers_and_says_that_it_runs() -> None:
    ticks: list[float] = []
    cell = replace(cells.known()["digits-1"].shortened(), reference="loop")
    every = {"OMP_NUM_THREADS": str(cores())}
    found = turns.in_a_process(turns.Part("reference", 1).request(cell, CPU), every, ticks.append)
    assert found["seed"] == 1 and 10 < found["accuracy_percent"] < 100 and ticks
    assert found["threads"] == cores()  # though the set was made with one


def test_runs_of_ours_that_differ_are_no_measurement(stage: Any) -> None:
    bench, cell = turns.Turns(CPU, 2), cells.known()["digits-1"].shortened()

    def moved(request: Any, environment: Any, tick: turns.Tick) -> Any:
        found = stage(request, environment, tick)
        if (request["part"], request["seed"]) != ("ours", 1):
            return found
        return {**found, "accuracy_percent": [found["accuracy_percent"][0] + 0.1, *found["accuracy_percent"][1:]]}

    bench.run = moved
    with pytest.raises(DistillBenchError, match="different accuracies under cpu-x"):
        measure(bench, cell)


def test_a_reference_that_had_not_the_whole_machine_is_no_measurement(stage: Any) -> None:
    slow = {**stage.measured.reference[0], "threads": 1}
    stage.measured = replace(stage.measured, reference=(slow,) * 5)
    with pytest.raises(EnvironmentFault, match="1 threads, where a process here has 2"):
        measure(turns.Turns(CPU, 2), cells.known()["cifar10-1"].shortened())


def test_the_last_words_of_a_process_that_fails_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nread request\necho loading >&2\necho $WHAT is full >&2\nexit 5\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    request = turns.Part("cold").request(cells.known()["digits-1"], CPU)
    with pytest.raises(EnvironmentFault, match=r"^digits-1, ours: the disk is full$"):
        turns.in_a_process(request, {"WHAT": "the disk"}, lambda seconds: None)


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_started_it() -> None:
    command = [sys.executable, "-m", "benchmark.bench.parts"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=turns.ROOT, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        cell = {**cells.known()["digits-10"].to_json(), "changes": {"epochs": 1_000_000}}
        request = {"part": "reference", "seed": 0, "cell": cell, "device": "cpu"}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()  # as when the parent is killed
        started = time.monotonic()
        assert process.wait(60) == 1
        assert time.monotonic() - started < 60


def test_cells_are_checked_and_chosen_by_device() -> None:
    known = cells.known()
    assert [cell.name for cell in cells.choose((), "cuda")] == [name for name in known if name.endswith("-gpu")]
    assert [cell.name for cell in cells.choose(["digits-10", "cifar10-1"], "cpu")] == ["cifar10-1", "digits-10"]
    with pytest.raises(UsageError, match="cifar10-1-dsa-gpu"):
        cells.choose(["cifar10-1-dsa-gpu"], "cpu")
    with pytest.raises(UsageError, match=r"Did you mean|digits-1"):
        cells.choose(["digits-11"], "cpu")
    with pytest.raises(InvalidInput, match="loop or tidy"):
        cells.BenchCell.from_json({**known["digits-1"].to_json(), "reference": "none"})
    assert all(cell.schedule().precision == "auto" for cell in known.values())


def test_the_command_writes_the_page_and_measures_anew_when_asked_again(
    command: Command, stage: Any, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "docs"
    asked = ["bench", "--quick", "--cell", "digits-1", "--device", "cpu", "--repeats", "1", "--out", out]
    answer = command(*asked)
    assert (answer.code, answer.out) == (0, f"{out / 'performance.md'}\n")
    assert "1 cells, 7 parts" in answer.err
    text = (out / "performance.md").read_text()
    assert "They are no measurement" in text
    assert "`distillbench bench --device cpu --cell digits-1 --quick --repeats 1`" in text
    assert (out / page.FIGURE).exists() and list(record.read(out / page.RECORD)) == ["digits-1"]
    assert command(*asked).code == 0 and len(stage.asked) == 14
    full = command("bench", "--cell", "digits-1", "--device", "cpu", "--out", out)
    assert full.code == 2 and "cut to 1/30" in full.err and len(stage.asked) == 14
    (out / "performance.md").unlink()
    assert command("bench", "--page", "--out", out).code == 0
    assert (out / "performance.md").read_text() == text


def test_quick_numbers_go_into_the_cache_by_default(command: Command, stage: Any, cache: Path) -> None:
    answer = command("bench", "--quick", "--cell", "digits-1", "--device", "cpu", "--repeats", "1")
    assert answer.out == f"{cache / 'quick' / 'performance.md'}\n"


def test_what_cannot_be_measured_is_named_and_the_rest_is_done(
    command: Command, stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "none"))
    chosen = ["--cell", "cifar10-1", "--cell", "digits-1", "--device", "cpu", "--out", tmp_path / "docs"]
    answer = command("bench", "--quick", *chosen)
    assert answer.code == 1
    assert "distillbench distill random-real --dataset cifar10 --ipc 1` downloads it" in answer.err
    assert list(record.read(tmp_path / "docs" / page.RECORD)) == ["digits-1"]

    def fails(request: Any, environment: Any, tick: Any) -> Any:
        raise EnvironmentFault("digits-1, ours: out of memory")

    monkeypatch.setattr(turns, "in_a_process", fails)
    failed = command("bench", "--quick", "--cell", "digits-1", "--device", "cpu", "--out", tmp_path / "other")
    assert (failed.code, failed.out) == (1, "")
    assert "not measured: digits-1: digits-1, ours: out of memory" in failed.err


def test_a_gpu_that_the_table_does_not_know_is_tuned_for_first(
    command: Command, stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is needed: what runs on it is stood in for."""
    tuned: list[Any] = []
    monkeypatch.setattr(engine, "choose_device", torch.device)
    monkeypatch.setattr(bench_command, "_tune", lambda device, wanted: tuned.append((str(device), wanted)))
    monkeypatch.setattr(turns.Turns, "folder", lambda turns, cell: tmp_path / cell.name)
    monkeypatch.setattr(cells.BenchCell, "missing_data", lambda cell: "")
    asked = ["bench", "--device", "cuda", "--cell", "cifar10-1-dsa-gpu", "--repeats", "1", "--out", tmp_path / "docs"]
    answer = command(*asked)
    assert answer.code == 0 and tuned == [("cuda:0", ["convnet"])] and "tuned first" in answer.err
    assert command(*asked, "--quick", "--out", tmp_path / "quick").code == 0 and len(tuned) == 1
    line = backends.Rule("cuda", "convnet", False, "bfloat16", 1e12, 3.0)
    monkeypatch.setattr(backends, "rules", lambda: (line,))
    assert command(*asked).code == 0 and len(tuned) == 1


def test_the_list_names_every_cell_with_its_bar(command: Command) -> None:
    lines = command("bench", "--list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(cells.known())
