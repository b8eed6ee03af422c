"""The engine: trains the cells that evaluators plan, once only, resumably, with keyed randomness.

This first form is plain: one network at a time, eager, float32. What it cannot run yet it refuses with a sentence.
docs/engine.md says what it will grow into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

import torch

from benchmark.engine.blocks import Block, join, missing, numerics, outcomes, run_block, train_and_store
from benchmark.engine.draws import generator
from benchmark.engine.estimate import Estimator
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.measurement import Measurement
from benchmark.engine.process import is_small, prepare
from benchmark.errors import UsageError
from benchmark.workers import Workers

__all__ = [
    "Block",
    "Estimator",
    "Examples",
    "Materials",
    "Measurement",
    "choose_device",
    "generator",
    "is_small",
    "join",
    "missing",
    "numerics",
    "outcomes",
    "prepare",
    "run",
    "run_block",
]


def choose_device(name: str = "auto") -> torch.device:
    """`auto`: the first GPU where there is one, else the CPU; or a torch device name."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as fault:
        raise UsageError(f"unknown device {name!r}. Use auto, cpu, cuda or cuda:N.") from fault
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is usable here. Use --device cpu.")
    return device


def run(
    blocks: Iterable[Block],
    materials: Materials,
    done: Callable[[Block, str], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
    workers: Workers | None = None,
) -> None:
    """Train every block and store its outcomes at once; blocks of small images go to the workers where there are any.

    `done` is told each block and, where it could not be carried out, why; without it the fault is raised. What the
    user must mend (a name, a format) is always raised.
    """
    todo = list(blocks)
    shared = [workers is not None and is_small(materials.facts(block.data)) for block in todo]
    small = [block for block, is_shared in zip(todo, shared, strict=True) if is_shared]
    large = [block for block, is_shared in zip(todo, shared, strict=True) if not is_shared]
    by_worker = workers.map(train_and_store, small) if workers is not None else iter(())
    here = Workers(1, materials).map(train_and_store, large)
    for block, differing, fault in chain(by_worker, here):
        machine = isinstance(fault, (RuntimeError, MemoryError))
        if fault is not None and (done is None or not machine):
            raise fault
        for line in differing or ():
            warn(line)
        if done is not None:
            done(block, _reason(fault) if fault is not None else "")


def _reason(fault: Exception) -> str:
    """The first line of a fault."""
    return f"{type(fault).__name__}: {str(fault).strip().partition(chr(10))[0][:200]}"
