"""The engine: trains the cells that evaluators plan, once only, resumably, with keyed randomness.

Each block runs in a way that a committed table gives it: eager, or its step compiled (docs/engine.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import chain

import torch

from benchmark.engine.backends import assign
from benchmark.engine.blocks import Block, join, missing, outcomes, run_block
from benchmark.engine.devices import answers, every_device
from benchmark.engine.draws import generator
from benchmark.engine.estimate import Estimator
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.measurement import Measurement
from benchmark.engine.process import is_small, prepare
from benchmark.engine.tasks import TRAIN
from benchmark.engine.way import EAGER, Way, numerics
from benchmark.errors import EnvironmentFault, UsageError, first_line, is_machines
from benchmark.tasks import Pool
from benchmark.workers import Workers

__all__ = [
    "EAGER",
    "Block",
    "Estimator",
    "Examples",
    "Materials",
    "Measurement",
    "Way",
    "assign",
    "check_device",
    "choose_device",
    "every_device",
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
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r}: networks are trained on cpu, cuda or cuda:N. Use one of these, or auto.")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and not n_gpus:
        raise UsageError("no CUDA device is usable here. Use --device cpu.")
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        raise UsageError(f"device {name!r} is not there: the last of {n_gpus} is cuda:{n_gpus - 1}.")
    return device


def check_device(device: torch.device, fault: Exception | None) -> None:
    """Raises EnvironmentFault where a device refuses to work since something was raised."""
    if is_machines(fault) and not answers(device):
        assert fault is not None
        text = f"{device} refuses to work since: {first_line(fault)}. Run the same command again."
        raise EnvironmentFault(text) from fault


def run(
    blocks: Iterable[Block],
    materials: Materials,
    done: Callable[[Block, str], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
    workers: Pool | None = None,
) -> int:
    """Train every block and store its outcomes at once; the workers get what they take, this process does the rest.

    Returns how many blocks another run on the same store did meanwhile. `done` is told each block and, where it could
    not be carried out, why; without it the fault is raised. What the user must mend (a name, a format) is always
    raised.
    """
    todo = list(blocks)
    shared = [workers is not None and workers.takes(block.way.one_thread) for block in todo]
    theirs = [block for block, is_shared in zip(todo, shared, strict=True) if is_shared]
    ours = [block for block, is_shared in zip(todo, shared, strict=True) if not is_shared]
    here = Workers(1, materials)
    by_worker, by_this = (workers or here).map(TRAIN, theirs), here.map(TRAIN, ours)
    n_elsewhere = 0
    with closing(by_worker), closing(by_this):  # whichever is left by a fault begins nothing more
        for block, differing, fault in chain(by_worker, by_this):
            if fault is not None and (done is None or not is_machines(fault)):
                raise fault
            check_device(materials.device, fault)
            n_elsewhere += differing is None and fault is None
            for line in differing or ():
                warn(line)
            if done is not None:
                done(block, first_line(fault) if fault is not None else "")
    return n_elsewhere
