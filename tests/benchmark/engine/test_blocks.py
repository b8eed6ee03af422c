"""Blocks: joined, stored, resumed, repeated."""

from __future__ import annotations

import gc
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import engine, registry
from benchmark.engine import blocks as blocks_module
from benchmark.engine import draws
from benchmark.errors import EnvironmentFault, UsageError
from benchmark.evaluator import accuracy_percent
from benchmark.recipe import Recipe
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.tasks import Task
from benchmark.values import Cell, Data, Probe, Real, Stage, Stored, Training
from benchmark.workers import Threads, Workers

TEST = Real("digits", "test")
RECIPE = Recipe("short", epochs=3)


def cell(
    stored: Stored, *probes: Probe, architecture: str = "mlp", recipe: Recipe = RECIPE, seeds: Any = (0, 1)
) -> Cell:
    training = Training((Stage(Data((stored,))),), architecture, recipe)
    return Cell(training, tuple(seeds), probes or (Probe("accuracy", TEST),))


def files(store: Store) -> dict[str, bytes]:
    return {str(f.relative_to(store.root)): f.read_bytes() for f in sorted(store.root.glob("outcomes/*/*"))}


def deterministic(store: Store) -> dict[str, Any]:
    """The hashed part of every outcome, by file name."""
    return {name: json.loads(text)["sha256"] for name, text in files(store).items() if name.endswith(".json")}


def test_two_evaluators_share_a_training(stored: Stored) -> None:
    accuracy, losses = Probe("accuracy", TEST), Probe("losses", TEST)
    joined = engine.join([cell(stored, accuracy), cell(stored, losses), cell(stored, accuracy, losses)])
    assert [block.seed for block in joined] == [0, 1]
    assert all(block.probes == (accuracy, losses) for block in joined)


def test_what_is_stored_is_not_trained_again(materials: engine.Materials, stored: Stored) -> None:
    asked = engine.join([cell(stored)])
    engine.run(asked, materials)
    assert engine.missing(asked, materials.store) == []
    before = files(materials.store)
    assert len(before) == 2
    wider = engine.join([cell(stored, seeds=(0, 1, 2))])
    assert [block.seed for block in engine.missing(wider, materials.store)] == [2]


def test_the_same_numerics_give_the_same_bits(tmp_path: Path, materials: engine.Materials, stored: Stored) -> None:
    """Two empty stores; in the second, other work comes before, after and between."""
    probes = (Probe("accuracy", TEST), Probe("logits", TEST))
    wanted = cell(stored, *probes, architecture="convnet", recipe=RECIPE.vary(augmentation="dsa"))
    engine.run(engine.join([wanted]), materials)
    second = engine.Materials(Store(tmp_path / "second"), torch.device("cpu"))
    second.store.write_set(materials.store.read_set(stored.digest))
    queue = engine.join([cell(stored, architecture="lenet", seeds=(4,)), wanted, cell(stored, seeds=(9,))])
    engine.run([queue[0], queue[2], queue[3], queue[1]], second)
    first_hashes, second_hashes = deterministic(materials.store), deterministic(second.store)
    assert first_hashes.items() <= second_hashes.items()
    arrays = {name: data for name, data in files(materials.store).items() if name.endswith(".safetensors")}
    assert arrays and arrays.items() <= files(second.store).items()


def test_threads_side_by_side_give_the_same_bits(
    tmp_path: Path, materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "_GLOBAL", held := _Held())
    wanted = cell(stored, Probe("weights"), architecture="convnet", recipe=RECIPE, seeds=range(8))
    blocks = [replace(block, way=replace(engine.EAGER, one_thread=True)) for block in engine.join([wanted])]
    engine.run(blocks, materials)
    assert held.times == len(blocks)
    second = engine.Materials(Store(tmp_path / "second"), torch.device("cpu"))
    second.store.write_set(materials.store.read_set(stored.digest))
    engine.run(blocks, second, workers=Threads(3, second))
    assert files(second.store) and deterministic(second.store) == deterministic(materials.store)


class _Held:
    """A lock that counts, and has other threads run while it is held."""

    def __init__(self) -> None:
        self.times, self.lock = 0, threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()
        self.times += 1
        time.sleep(0.01)

    def __exit__(self, *fault: object) -> None:
        self.lock.release()


def test_a_damaged_outcome_is_trained_again(materials: engine.Materials, stored: Stored) -> None:
    asked = engine.join([cell(stored)])
    engine.run(asked, materials)
    victim = next(iter(materials.store.root.glob("outcomes/*/*.json")))
    victim.write_text(victim.read_text()[:-30])
    assert len(engine.missing(asked, materials.store)) == 1


def test_a_probe_asked_for_later_checks_what_it_overlaps(materials: engine.Materials, stored: Stored) -> None:
    engine.run(engine.join([cell(stored, seeds=(0,))]), materials)
    both = engine.join([cell(stored, Probe("accuracy", TEST), Probe("losses", TEST), seeds=(0,))])
    said: list[str] = []
    engine.run(engine.missing(both, materials.store), materials, warn=said.append)
    assert said == []
    found, cost = engine.run_block(both[0], materials)
    elsewhere = [replace(one, numerics="another") for one in found]  # stands first by name
    assert blocks_module.store_block(both[0], elsewhere, cost, materials.store) == []
    lie = replace(found[0], value={"end": {"correct": [0] * 10, "total": [1] * 10}})
    said = blocks_module.store_block(both[0], [lie, found[1]], cost, materials.store)
    assert len(said) == 1 and "another result" in said[0]


def test_a_diverged_training_fails_and_is_never_ten_percent(materials: engine.Materials, stored: Stored) -> None:
    wanted = cell(stored, recipe=replace(RECIPE, learning_rate=1e12, epochs=20))
    engine.run(engine.join([wanted]), materials)
    found = engine.outcomes(wanted, materials.store)
    assert [outcome.status for outcome in found] == ["failed", "failed"]
    assert [accuracy_percent(outcome) for outcome in found] == [None, None]
    assert "loss is" in found[0].reason


def test_an_architecture_that_does_not_fit_is_skipped_with_the_reason(
    materials: engine.Materials, stored: Stored
) -> None:
    wanted = cell(stored, architecture="vgg11", seeds=(0,))
    engine.run(engine.join([wanted]), materials)
    (outcome,) = engine.outcomes(wanted, materials.store)
    assert outcome.status == "skipped" and "vgg11" in outcome.reason


def test_probes_at_epochs_are_taken_before_and_during_training(materials: engine.Materials, stored: Stored) -> None:
    wanted = cell(stored, Probe("accuracy", TEST, at=(0, 2, "end")), seeds=(0,))
    engine.run(engine.join([wanted]), materials)
    (outcome,) = engine.outcomes(wanted, materials.store)
    assert list(outcome.value) == ["epoch-0", "epoch-2", "end"]
    assert outcome.value["epoch-0"] != outcome.value["end"]


def test_accuracy_counts_agree_with_the_logits(materials: engine.Materials, stored: Stored) -> None:
    masked = Probe("accuracy", TEST, (("among", (0, 1)),))
    wanted = cell(stored, Probe("accuracy", TEST), Probe("logits", TEST), masked, seeds=(0,))
    engine.run(engine.join([wanted]), materials)
    accuracy, logits, among = (outcome.at_end() for outcome in engine.outcomes(wanted, materials.store))
    labels = materials.dataset("digits").test.labels
    predicted = logits["logits"].argmax(axis=1)
    assert sum(accuracy["correct"]) == (predicted == labels).sum()
    assert accuracy["total"] == [int((labels == c).sum()) for c in range(10)]
    assert sum(among["correct"][2:]) == 0 and sum(among["correct"]) > 0


def break_training(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(said)

    monkeypatch.setattr(blocks_module, "build_network", broken)


def test_a_fault_of_the_machine_is_told_and_not_stored(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_training(monkeypatch, "CUDA out of memory\nlong trace")
    told: list[str] = []
    engine.run(engine.join([cell(stored, seeds=(0,))]), materials, done=lambda block, reason: told.append(reason))
    assert told == ["RuntimeError: CUDA out of memory"]
    assert files(materials.store) == {}


def test_where_the_device_refuses_to_work_the_run_ends(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU does after some faults; every block from there on would be an error."""
    break_training(monkeypatch, "CUDA error: device-side assert triggered")
    monkeypatch.setattr(engine, "answers", lambda device: False)
    told: list[str] = []
    with pytest.raises(EnvironmentFault, match="cpu refuses to work since: RuntimeError: CUDA error"):
        engine.run(engine.join([cell(stored)]), materials, done=lambda block, reason: told.append(reason))
    assert told == []


@pytest.mark.slow
def test_worker_processes_give_what_this_process_gives(
    tmp_path: Path, materials: engine.Materials, stored: Stored
) -> None:
    wanted = cell(stored, Probe("accuracy", TEST), Probe("weights"), architecture="convnet", seeds=range(3))
    blocks = [replace(block, way=replace(engine.EAGER, one_thread=True)) for block in engine.join([wanted])]
    engine.run(blocks, materials)
    second = engine.Materials(Store(tmp_path / "second"), torch.device("cpu"))
    second.store.write_set(materials.store.read_set(stored.digest))
    workers = Workers(2, second)
    try:
        engine.run(blocks, second, workers=workers)
        assert workers._pool is not None
    finally:
        workers.close()
    assert deterministic(second.store) == deterministic(materials.store) != {}


def test_a_probe_that_fails_costs_its_own_outcome_alone(
    tmp_path: Path, plugins: Path, stored: Stored, materials: engine.Materials
) -> None:
    (plugins / "probes").mkdir()
    (plugins / "probes" / "broken.py").write_text(
        '"""Cannot measure."""\nVERSION = 1\ndef probe(measurement):\n    raise RuntimeError("shapes do not match")\n'
    )
    registry._files.cache_clear()
    accuracy, broken = Probe("accuracy", TEST), Probe("broken", TEST)
    both = cell(stored, broken, accuracy, seeds=(0,))
    told: list[str] = []
    engine.run(engine.join([both]), materials, done=lambda block, reason: told.append(reason))
    assert told == ["RuntimeError: shapes do not match"]
    assert [outcome.probe for outcome in engine.outcomes(both, materials.store)] == [accuracy]
    assert engine.missing(engine.join([cell(stored, accuracy, seeds=(0,))]), materials.store) == []
    runner = Runner(materials.store, "cpu", workers=1)
    seen = runner._outcomes(both, {(both.training, 0): told[0]})
    assert {(outcome.probe.name, outcome.status) for outcome in seen} == {("accuracy", "ok"), ("broken", "error")}


def test_where_every_probe_has_failed_no_more_is_trained(
    stored: Stored, materials: engine.Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Any] = []
    monkeypatch.setattr("benchmark.engine.steps.EagerSteps.step", lambda *rest: steps.append(rest))
    (block,) = engine.join([cell(stored, Probe("accuracy", at=(0, "end")), seeds=(0,))])  # which needs data
    with pytest.raises(UsageError, match="names no data"):
        engine.run_block(block, materials)
    assert steps == []


def test_after_a_fault_that_is_raised_no_thread_begins_anything(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def fail(_: engine.Materials, block: engine.Block) -> list[str]:
        begun.append(block.seed)
        time.sleep(0.05)
        raise UsageError("no such thing")

    monkeypatch.setattr(engine, "TRAIN", Task(fail))
    blocks = engine.join([cell(stored, seeds=range(40))])
    todo = [replace(block, way=replace(engine.EAGER, one_thread=True)) for block in blocks]
    gc.disable()  # what is raised holds the queue in a cycle
    try:
        with pytest.raises(UsageError):
            engine.run(todo, materials, workers=Threads(2, materials))
        n = len(begun)
        time.sleep(0.3)
    finally:
        gc.enable()
    assert n < 10 and len(begun) == n


def test_a_training_without_stages_is_the_untrained_network_of_its_seed(materials: engine.Materials) -> None:
    block = engine.Block(Training((), "mlp", RECIPE), 3, (Probe("accuracy", TEST), Probe("parameters", TEST)))
    (accuracy, parameters), cost = engine.run_block(block, materials)
    assert parameters.at_end() == {"count": 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10}
    trained = Training((Stage(Data((TEST,))),), "mlp", RECIPE)
    (before,), _ = engine.run_block(engine.Block(trained, 3, (Probe("accuracy", TEST, at=(0,)),)), materials)
    assert accuracy.at_end() == before.value["epoch-0"]
    assert (cost["steps"], cost["image_passes"]) == (0, 0)
    assert engine.missing([block], materials.store) == [block] and engine.Estimator(materials).seconds(block) > 0


def test_an_untrained_network_needs_data_that_give_it_a_shape(materials: engine.Materials) -> None:
    with pytest.raises(UsageError, match="names data"):
        engine.run_block(engine.Block(Training((), "mlp", RECIPE), 0, (Probe("parameters"),)), materials)


def test_cost_counts_steps_and_image_passes(materials: engine.Materials, stored: Stored) -> None:
    block = engine.join([cell(stored, recipe=RECIPE.vary(batch_size=8))])[0]
    _, cost = engine.run_block(block, materials)
    assert cost["steps"] == 9 and cost["image_passes"] == 60 and cost["seconds"] > 0


def test_the_estimate_multiplies_timed_steps(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = engine.Estimator(materials)
    monkeypatch.setattr(estimator, "_time", lambda *_: (0.5, 0.001))
    block = engine.join([cell(stored, recipe=RECIPE.vary(epochs=60, batch_size=8))])[0]
    assert estimator.seconds(block) == pytest.approx(60 * 3 * 0.5 + 797 * 0.001)
    shorter = replace(block, training=replace(block.training, recipe=RECIPE.vary(passes=40, batch_size=8)))
    assert estimator.seconds(shorter) == pytest.approx(2 * 3 * 0.5 + 797 * 0.001)


def test_the_estimate_counts_the_passes_that_a_probe_takes_beyond_the_shared_ones(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = engine.Estimator(materials)
    monkeypatch.setattr(estimator, "_time", lambda *_: (0.0, 1.0))

    def passes(*probes: Probe) -> float:
        return estimator.seconds(engine.join([cell(stored, *probes)])[0])

    plain, train = Probe("accuracy", TEST), Probe("losses", Real("digits"))
    assert passes(plain) == passes(plain, Probe("logits", TEST)) == 797
    assert passes(plain, train) == 797 + 1000
    assert passes(Probe("accuracy", TEST, at=(1, 2, "end"))) == 3 * 797
    noisy = Probe("accuracy", TEST, (("corruption", "jpeg"), ("severity", 1), ("subset", 500)))
    assert passes(plain, noisy) == 797 + 500
    attack = Probe("attack", TEST, (("method", "pgd"), ("steps", 10), ("subset", 100)))
    assert passes(attack) == 797 + 100 * 31
    assert passes(Probe("weights")) == 0


def test_the_estimate_times_real_steps(materials: engine.Materials, stored: Stored) -> None:
    short, long = (engine.join([cell(stored, recipe=RECIPE.vary(epochs=n))])[0] for n in (100, 10_000))
    estimator = engine.Estimator(materials)
    assert 0 < estimator.seconds(short) < estimator.seconds(long)
    assert estimator.seconds(engine.join([cell(stored, architecture="vgg11")])[0]) == 0


def test_devices_are_named_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="unknown device"):
        engine.choose_device("tpu-nine")
    with pytest.raises(UsageError, match="trained on cpu, cuda"):
        engine.choose_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        engine.choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert engine.choose_device("cuda:1").index == 1
    with pytest.raises(UsageError, match="the last of 2 is cuda:1"):
        engine.choose_device("cuda:9")
