"""Blocks: the unit of work. Joins what the cells ask for, drops what is stored, trains the rest, stores each at once.

A block is one training with one seed under all probes that anybody asked for. It is idempotent: its outcomes are named
by content, so doing it twice is harmless, and a killed run goes on at the first block that is missing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark import keys, registry
from benchmark.engine.materials import Materials
from benchmark.engine.measurement import Measurement
from benchmark.engine.process import prepare
from benchmark.engine.training import build_network, fit, n_steps
from benchmark.errors import DoesNotFit, TrainingDiverged, UsageError
from benchmark.store import Store
from benchmark.values import Cell, Data, Outcome, Outcomes, Probe, Training, canonical_json, to_json

__all__ = ["Block", "join", "missing", "numerics", "outcomes", "run_block", "store_block", "train_and_store"]

TRACE = "DISTILLBENCH_TRACE"
"""Environment variable: a file to which every finished block appends one JSON line."""


@dataclass(frozen=True)
class Block:
    """One training with one seed, and everything to be measured of it."""

    training: Training
    seed: int
    probes: tuple[Probe, ...]

    @property
    def names(self) -> list[str]:
        """Names of the outcomes, one for each probe."""
        return [keys.outcome_name(self.training, self.seed, probe) for probe in self.probes]

    @property
    def data(self) -> Data:
        """What the first stage trains on; without stages what is measured on, for it shapes the untrained network."""
        if self.training.stages:
            return self.training.stages[0].stream
        measured = next((probe.data for probe in self.probes if probe.data is not None), None)
        if measured is None:
            raise UsageError("an untrained network needs a probe that names data: they give it its input's shape.")
        return Data((measured,))


def join(cells: Iterable[Cell]) -> list[Block]:
    """One block for each training and seed, with the union of the cells' probes, in the order first asked for."""
    found: dict[tuple[Training, int], dict[Probe, None]] = {}
    for cell in cells:
        for seed in cell.seeds:
            found.setdefault((cell.training, seed), {}).update(dict.fromkeys(cell.probes))
    return [Block(training, seed, tuple(probes)) for (training, seed), probes in found.items()]


def missing(blocks: Iterable[Block], store: Store) -> list[Block]:
    """The blocks of which at least one outcome is not stored."""
    return [block for block in blocks if any(store.read_outcome(name) is None for name in block.names)]


def outcomes(cell: Cell, store: Store) -> Outcomes:
    """The stored outcomes of a cell, by seed and probe; what is absent is left out."""
    names = [keys.outcome_name(cell.training, seed, probe) for seed in cell.seeds for probe in cell.probes]
    found = (store.read_outcome(name) for name in names)
    return tuple(outcome for outcome in found if outcome is not None)


def numerics(device: torch.device) -> str:
    """How this process computes: device kind, backend, precision, torch version, threads."""
    torch_version = ".".join(torch.__version__.split(".")[:2])
    threads = f"-threads{torch.get_num_threads()}" if device.type == "cpu" else ""
    return f"{device.type}-eager-float32-torch{torch_version}{threads}"


def _device_name(device: torch.device) -> str:
    """The device as result tables show it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def run_block(block: Block, materials: Materials) -> tuple[list[Outcome], dict[str, Any]]:
    """Train and measure; returns one outcome a probe, and the cost. Raises only for our faults or the machine's."""
    training, device = block.training, materials.device
    if len(training.stages) > 1 or any(stage.memory is not None for stage in training.stages):
        raise UsageError("this engine runs trainings of one stage at most and without a memory; others come later.")
    started = time.perf_counter()
    prepare(materials.facts(block.data), device)
    examples = materials.training_examples(block.data, training.recipe)
    values: dict[Probe, dict[str, Any]] = {probe: {} for probe in block.probes}
    status, reason = "ok", ""
    try:
        network = build_network(training.architecture, examples, block.seed, device)
        last = training.recipe.n_epochs(len(examples)) if training.stages else 0
        for epoch in fit(network, examples, training.recipe, block.seed) if training.stages else (0,):
            due = {probe: _moments(probe, epoch, last) for probe in block.probes}
            _measure(network, {probe: at for probe, at in due.items() if at}, values, materials, examples.space)
    except DoesNotFit as reasoned:
        status, reason, values = "skipped", str(reasoned), {}
    except TrainingDiverged as reasoned:
        status, reason, values = "failed", str(reasoned), {}
    found = [
        Outcome(block.seed, probe, status, values.get(probe, {}), reason, numerics(device), _device_name(device))
        for probe in block.probes
    ]
    return found, _cost(training, len(examples), time.perf_counter() - started, device)


def _moments(probe: Probe, epoch: int, last: int) -> list[str]:
    """Under which names a probe is due after this epoch."""
    unknown = [at for at in probe.at if at != "end" and type(at) is not int]
    if unknown:
        raise UsageError(f"this engine measures at 'end' and at epoch numbers, not at {unknown[0]!r}.")
    return [
        f"epoch-{at}" if at != "end" else "end" for at in probe.at if at == epoch or (at == "end" and epoch == last)
    ]


def _measure(network: Any, due: Any, values: Any, materials: Materials, space: Any) -> None:
    """Run the probes that are due; those on the same images share their forward passes."""
    shared: dict[Any, Measurement] = {}
    for probe, moments in due.items():
        if probe.data is None:
            raise UsageError(f"probe {probe.name!r} names no data to measure on.")
        if probe.data not in shared:
            shared[probe.data] = Measurement(network, materials.real_examples(probe.data, space))
        found = registry.load("probe", probe.name)(shared[probe.data], **dict(probe.options))
        values[probe].update({moment: found for moment in moments})


def _cost(training: Training, n_images: int, seconds: float, device: torch.device) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    return {
        "seconds": round(seconds, 3),
        "steps": n_steps(training.recipe, n_images) if training.stages else 0,
        "image_passes": training.recipe.n_epochs(n_images) * n_images if training.stages else 0,
        "peak_mib": round(peak / 2**20),
    }


def train_and_store(materials: Materials, block: Block) -> list[str]:
    """Carry a block out; returns a line for each outcome that is stored already with another value."""
    found, cost = run_block(block, materials)
    return store_block(block, found, cost, materials.store)


def store_block(block: Block, found: Sequence[Outcome], cost: dict[str, Any], store: Store) -> list[str]:
    """Store every outcome; one that is there already must be equal where the numerics are, or a line says so."""
    differing = []
    stored_training = to_json(block.training)
    for name, outcome in zip(block.names, found, strict=True):
        before = store.read_outcome(name)
        if before is not None and before.numerics == outcome.numerics and _scalars(before) != _scalars(outcome):
            differing.append(f"{name[:12]}… seed {block.seed}: trained again, another result under {outcome.numerics}")
        store.write_outcome(name, stored_training, outcome, cost)
    if TRACE in os.environ:
        line = json.dumps({"block": block.names, "seconds": cost["seconds"]}) + "\n"
        with open(os.environ[TRACE], "a", encoding="utf-8") as trace:
            trace.write(line)
    return differing


def _scalars(outcome: Outcome) -> str:
    """An outcome's status and its values but for arrays, as comparable text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return list(value.shape) if hasattr(value, "shape") else value

    return canonical_json([outcome.status, plain(dict(outcome.value))])
