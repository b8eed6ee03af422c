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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmark import keys, registry
from benchmark.engine.materials import Materials
from benchmark.engine.measurement import Measurement
from benchmark.engine.process import prepare
from benchmark.engine.stages import StageExamples, due, fit_stages, image_passes, is_staged, stage_examples
from benchmark.engine.training import build_network, fit, forward_of, n_steps
from benchmark.engine.way import EAGER, Way, numerics
from benchmark.errors import DoesNotFit, TrainingDiverged, UsageError
from benchmark.store import Store
from benchmark.tasks import let_go
from benchmark.values import Cell, Data, Outcome, Outcomes, Probe, Training, canonical_json, to_json

__all__ = ["Block", "join", "missing", "outcomes", "run_block", "store_block", "train_and_store"]

TRACE = "DISTILLBENCH_TRACE"
"""Environment variable: a file to which every finished block appends one JSON line."""


@dataclass(frozen=True)
class Block:
    """One training with one seed, and everything to be measured of it."""

    training: Training
    seed: int
    probes: tuple[Probe, ...]
    way: Way = EAGER
    """How it is computed; no part of what its outcomes are called."""

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


def _device_name(device: torch.device) -> str:
    """The device as result tables show it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def run_block(block: Block, materials: Materials) -> tuple[list[Outcome], dict[str, Any]]:
    """Train and measure; returns one outcome a probe, and the cost. Raises only for our faults or the machine's."""
    found, cost, fault = _carry_out(block, materials)
    if fault is not None:
        raise fault
    return found, cost


def _carry_out(block: Block, materials: Materials) -> tuple[list[Outcome], dict[str, Any], Exception | None]:
    """The outcomes of all probes that could be measured, and what the first of the others raised."""
    device = materials.device
    block = replace(block, training=materials.as_carried(block.training))
    training = block.training
    started, test_seconds = _now(device), 0.0
    prepare(device, block.way.one_thread)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    stages: Sequence[StageExamples] = ()
    values: dict[Probe, dict[str, Any]] = {probe: {} for probe in block.probes}
    faults: dict[Probe, Exception] = {}
    status, reason = "ok", ""
    try:
        stages = stage_examples(training, materials)
        examples = stages[0].stream if stages else materials.training_examples(block.data, training.recipe)
        network = build_network(training.architecture, examples, block.seed, device)
        forward = None
        for moments in _run(network, stages, block):
            wanted = {probe: at for probe, at in moments.items() if at and probe not in faults}
            if wanted:
                trained = _now(device)
                forward = forward or forward_of(network, training.architecture, examples, block.way)
                faults |= _measure(network, forward, wanted, values, materials, examples.space)
                test_seconds += _now(device) - trained
            if len(faults) == len(block.probes):  # nothing is left to train for
                break
    except DoesNotFit as reasoned:
        status, reason, values, faults = "skipped", str(reasoned), {}, {}
    except TrainingDiverged as reasoned:
        status, reason, values, faults = "failed", str(reasoned), {}, {}
    found = [
        Outcome(
            block.seed, probe, status, values.get(probe, {}), reason, numerics(device, block.way), _device_name(device)
        )
        for probe in block.probes
        if probe not in faults
    ]
    cost = _cost(training, stages, (_now(device) - started, test_seconds), device)
    return found, cost, next(iter(faults.values()), None)


def _run(network: torch.nn.Module, stages: Sequence[StageExamples], block: Block) -> Iterator[dict[Probe, list[str]]]:
    """Train, pausing wherever something may be measured; yields under which names each probe is due there."""
    recipe = block.training.recipe
    if not stages:
        yield {probe: _moments(probe, 0, 0) for probe in block.probes}
        return
    if is_staged(block.training):
        for reached in fit_stages(network, stages, recipe, block.seed, block.training.architecture):
            yield {probe: due(probe, reached) for probe in block.probes}
        return
    stream = stages[0].stream
    last = recipe.n_epochs(len(stream))
    for epoch in fit(network, stream, recipe, block.seed, block.training.architecture, block.way):
        yield {probe: _moments(probe, epoch, last) for probe in block.probes}


def _moments(probe: Probe, epoch: int, last: int) -> list[str]:
    """Under which names a probe is due after this epoch."""
    names = {"end": "end", "stages": "stage-0"}
    unknown = [at for at in probe.at if at not in names and type(at) is not int]
    if unknown:
        raise UsageError(f"the engine measures at 'end', at 'stages' and at epoch numbers, not at {unknown[0]!r}.")
    return [
        f"epoch-{at}" if type(at) is int else names[str(at)]
        for at in probe.at
        if at == epoch or (type(at) is str and epoch == last)
    ]


def _measure(
    network: Any, forward: Any, due: Any, values: Any, materials: Materials, space: Any
) -> dict[Probe, Exception]:
    """Run the probes that are due; those on the same images share their forward passes. Returns what some raised: the
    others, which other evaluators may have asked for, are worth the training all the same."""
    shared: dict[Any, Measurement] = {}
    faults: dict[Probe, Exception] = {}
    for probe, moments in due.items():
        if probe.data not in shared:
            real = materials.real_examples(probe.data, space) if probe.data else None
            shared[probe.data] = Measurement(network, real, forward)
        try:
            found = registry.load("probe", probe.name)(shared[probe.data], **dict(probe.options))
        except (DoesNotFit, TrainingDiverged):  # which say something of the training
            raise
        except Exception as fault:
            let_go(fault)
            faults[probe] = fault
        else:
            values[probe].update({moment: found for moment in moments})
    return faults


def _now(device: torch.device) -> float:
    """Seconds of a clock, read when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _cost(
    training: Training, stages: Sequence[StageExamples], seconds: tuple[float, float], device: torch.device
) -> dict[str, Any]:
    """`seconds`: of the whole block, and of its probes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    return {
        "seconds": round(seconds[0], 3),
        "test_seconds": round(seconds[1], 3),
        "steps": sum(n_steps(training.recipe, len(stage.stream)) for stage in stages),
        "image_passes": image_passes(stages, training.recipe),
        "peak_mib": round(peak / 2**20),
    }


def train_and_store(materials: Materials, block: Block) -> list[str]:
    """Carry a block out; returns a line for each outcome that is stored already with another value."""
    found, cost, fault = _carry_out(block, materials)
    differing = store_block(block, found, cost, materials.store)
    if fault is not None:
        raise fault
    return differing


def store_block(block: Block, found: Sequence[Outcome], cost: dict[str, Any], store: Store) -> list[str]:
    """Store these outcomes; one that is there already must be equal where the numerics are, or a line says so."""
    differing = []
    stored_training, names = to_json(block.training), dict(zip(block.probes, block.names, strict=True))
    for outcome in found:
        name = names[outcome.probe]
        before = store.read_outcome(name, outcome.numerics)
        if before is not None and _scalars(before) != _scalars(outcome):
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
