"""The engine: trains the cells that evaluators plan, once only, resumably, with keyed randomness.

This first form is plain: one network at a time, eager, float32. What it cannot run yet it refuses with a sentence.
docs/engine.md says what it will grow into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from benchmark.engine.allocator import keep_freed_memory
from benchmark.engine.blocks import Block, join, missing, numerics, outcomes, run_block, store_block
from benchmark.engine.draws import generator
from benchmark.engine.estimate import Estimator
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.measurement import Measurement
from benchmark.errors import UsageError

__all__ = [
    "Block",
    "Estimator",
    "Examples",
    "Materials",
    "Measurement",
    "choose_device",
    "generator",
    "join",
    "missing",
    "numerics",
    "outcomes",
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
) -> None:
    """Train every block and store its outcomes at once.

    `done` is told each block and, where it could not be carried out, why; without it the fault is raised. What the
    user must mend (a name, a format) is always raised.
    """
    keep_freed_memory()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    for block in blocks:
        reason = ""
        try:
            found, cost = run_block(block, materials)
            store_block(block, found, cost, materials.store, warn)
        except (RuntimeError, MemoryError) as fault:
            if done is None:
                raise
            reason = f"{type(fault).__name__}: {str(fault).strip().partition(chr(10))[0][:200]}"
        if done is not None:
            done(block, reason)
