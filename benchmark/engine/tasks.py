"""Training a block, as a task for workers."""

from __future__ import annotations

from benchmark import keys, parcels
from benchmark.engine.blocks import Block, missing, train_and_store
from benchmark.store import Store
from benchmark.tasks import Task

__all__ = ["TRAIN"]


def _claim(block: Block) -> str:
    """One name for all probes of a training and seed: whoever wants fewer waits for the run that measures more."""
    return f"{keys.training_key(block.training)}-{block.seed}"


def _is_stored(store: Store, block: Block) -> bool:
    return not missing([block], store)


def _needs(store: Store, block: Block) -> list[str]:
    return parcels.needed([block.training, block.probes], store)


TRAIN: Task[Block, list[str]] = Task(train_and_store, _claim, _is_stored, _needs)
