"""Training a block, as a task for workers."""

from __future__ import annotations

from dataclasses import replace

from benchmark import keys, parcels, phases
from benchmark.engine.backends import offers
from benchmark.engine.blocks import Block, missing, train_and_store
from benchmark.engine.materials import Materials
from benchmark.engine.way import EAGER
from benchmark.store import Store
from benchmark.tasks import Task
from benchmark.values import Cell

__all__ = ["TRAIN"]


def _claim(block: Block) -> str:
    """One name for all probes of a training and seed: whoever wants fewer waits for the run that measures more."""
    return f"{keys.training_key(block.training)}-{block.seed}"


def _is_stored(store: Store, block: Block) -> bool:
    return not missing([block], store)


def _needs(store: Store, block: Block) -> list[str]:
    """Sets and datasets, and the networks of teachers; a teacher that is not there is the engine's to complain of."""
    teachers = phases.teachers([Cell(block.training, (block.seed,), block.probes)])
    names = (keys.outcome_name(one.training, phases.TEACHER_SEED, phases.TEACHER_PROBE) for one in teachers)
    outcomes = [f"outcome/{name}" for name in names]
    return parcels.needed([block.training, block.probes], store) + [n for n in outcomes if parcels.is_here(n, store)]


def _adapt(materials: Materials, block: Block) -> Block:
    """Eager, where this machine's part of the table does not have what the client chose."""
    return block if offers(block, materials) else replace(block, way=replace(EAGER, one_thread=block.way.one_thread))


TRAIN: Task[Block, list[str]] = Task(train_and_store, _claim, _is_stored, _needs, _adapt)
