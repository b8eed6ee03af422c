"""The parts of a cell's measurement, each carried out in a process of its own: `python -m benchmark.bench.parts`.

A request comes as one line of JSON on stdin, the answer goes as one line to stdout. The process ends when its stdin
does, so none outlives the one that started it. What is read from disk and what starts the device is not timed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import torch

from benchmark import __version__, engine, making
from benchmark.bench import floor
from benchmark.bench.cells import BenchCell
from benchmark.bench.reference import start, train_and_test
from benchmark.engine.backends import possible
from benchmark.engine.devices import cpu_lines, now
from benchmark.engine.training import build_network, fit
from benchmark.errors import DistillBenchError, EnvironmentFault
from benchmark.evaluator import accuracy_percent
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Cell, Made, Stored
from benchmark.workers import cores, die_with

__all__ = ["carry_out", "code", "machine", "main", "ours", "reference", "set_of", "tidy"]

Found = dict[str, Any]


def carry_out(request: Mapping[str, Any]) -> Found:
    """Carry out one part: `machine`, `reference` (with its seed), `code`, or `ours`."""
    cell, device = BenchCell.from_json(dict(request["cell"])), torch.device(request["device"])
    if request["part"] == "machine":
        return machine(device)
    with tempfile.TemporaryDirectory() as folder:
        materials = engine.Materials(Store(folder), device)
        asked = cell.asked(set_of(cell.made, folder, device))
        materials.dataset(cell.dataset)
        start(device)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        if request["part"] == "code":
            return code(asked, materials)
        if request["part"] == "ours":
            found = ours(asked, materials)
        else:
            found = (reference if cell.reference == "loop" else tidy)(asked, int(request["seed"]), materials)
    return {**found, "load": round(load, 2)}


def set_of(made: Made, folder: str, device: torch.device) -> Stored:
    """Make a set in the store in this folder, in a process of its own: whoever makes one settles threads, allocator and
    kernels of its process, and the reference is to find torch as it comes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=die_with, initargs=(os.getpid(),)) as pool:
        return Stored(pool.submit(_make, made, folder, str(device)).result())


def _make(made: Made, folder: str, device: str) -> str:
    return making.make(engine.Materials(Store(folder), torch.device(device)), made)


def code(asked: Cell, materials: engine.Materials) -> Found:
    """Compile what the cell would be computed with in a plan large enough for it, where the cell alone is not."""
    block = engine.assign(engine.join([asked]), materials, cores())[0]
    way = replace(possible(block, materials), one_thread=block.way.one_thread)
    if materials.device.type == "cpu" and block.way != way:
        recipe = block.training.recipe.vary(epochs=1, passes=None, min_steps=0, decay_epochs=())
        outcomes, _ = engine.run_block(
            replace(block, training=replace(block.training, recipe=recipe), way=way), materials
        )
        if outcomes[0].status != "ok":
            raise EnvironmentFault(f"the compiled step gave no accuracy: {outcomes[0].reason}.")
    return {"backend": way.backend}


def reference(asked: Cell, seed: int, materials: engine.Materials) -> Found:
    """One seed by the field's usual loop, with the number of threads that it had."""
    training, dataset = asked.training, materials.dataset(_test_of(asked).dataset)
    examples = materials.training_examples(training.stages[0].stream, training.recipe)
    started = now(materials.device)
    network = build_network(training.architecture, examples, seed, materials.device)
    run = train_and_test(network, examples, dataset.test, training.recipe, seed)
    seconds = now(materials.device) - started
    return {"seed": seed, "seconds": seconds, "threads": torch.get_num_threads(), **asdict(run)}


def tidy(asked: Cell, seed: int, materials: engine.Materials) -> Found:
    """One seed by the engine's plain form: eager, float32, tensors on the device, one pass over cached test images."""
    training, device = asked.training, materials.device
    engine.prepare(device, one_thread=False)
    examples = materials.training_examples(training.stages[0].stream, training.recipe)
    started = now(device)
    network = build_network(training.architecture, examples, seed, device)
    for _ in fit(network, examples, training.recipe, seed):
        pass
    trained = now(device)
    seen = engine.Measurement(network, materials.real_examples(_test_of(asked), examples.space))
    accuracy = (seen.logits.argmax(dim=1) == seen.labels).float().mean().item()
    ended = now(device)
    times = {"seconds": ended - started, "train_seconds": trained - started, "test_seconds": ended - trained}
    return {"seed": seed, **times, "accuracy_percent": 100 * accuracy}


def ours(asked: Cell, materials: engine.Materials) -> Found:
    """All seeds as `distillbench evaluate` trains them, its estimate and its worker processes included.

    Where several seeds are trained side by side, training and testing have their shares of the whole time.
    """
    runner = Runner(materials.store, str(materials.device))
    started = now(materials.device)
    errors = runner.train(engine.join([asked]), "cell")
    runner.workers.close()
    seconds = now(materials.device) - started
    outcomes = engine.outcomes(asked, materials.store)
    accuracies = [accuracy_percent(outcome) for outcome in outcomes]
    if len(accuracies) < len(asked.seeds) or any(value is None for value in accuracies):
        reasons = [*errors.values(), *(outcome.reason for outcome in outcomes if outcome.reason), "?"]
        raise EnvironmentFault(f"the engine gave no accuracy: {reasons[0]}.")
    costs = [materials.store.read_cost(name) for block in engine.join([asked]) for name in block.names]
    spent = {name: sum(float(cost[name]) for cost in costs) for name in ("seconds", "test_seconds")}
    testing = spent["test_seconds"] / spent["seconds"]
    return {
        "seconds": seconds,
        "train_seconds": seconds * (1 - testing),
        "test_seconds": seconds * testing,
        "accuracy_percent": accuracies,
        "numerics": outcomes[0].numerics,
    }


def machine(device: torch.device) -> Found:
    """What this machine is, and how fast it multiplies matrices."""
    capability = torch.backends.cpu.get_cpu_capability()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {
        "distillbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }
    return {
        "device": name,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "instructions": ", ".join([capability, *_wide_instructions()]),
        "versions": versions,
        "rates": floor.rates(device),
    }


def _test_of(asked: Cell) -> Any:
    return asked.probes[0].data


def _cpu_name() -> str:
    return next(iter(cpu_lines("model name")), platform.processor() or "unknown CPU")


def _wide_instructions() -> list[str]:
    """Those for bfloat16 that the CPU says it has."""
    flags = next(iter(cpu_lines("flags")), "").split()
    return [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]


def _end_with_parent() -> None:
    """Not through sys.stdin: a thread that holds its lock breaks the interpreter's end."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    """Answer one request; exits with the code of a DistillBenchError, whose text goes to stderr."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        found = carry_out(request)
    except DistillBenchError as fault:
        print(fault, file=sys.stderr)
        sys.exit(fault.exit_code)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
