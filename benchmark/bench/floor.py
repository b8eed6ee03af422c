"""The floor: operations that a cell cannot do without, over the rate at which this machine multiplies matrices.

An operation is one floating-point multiplication or addition. Counted are convolutions and matrix products alone, on
meta tensors, so counting costs nothing; everything else (norms, activations, updates, data) is overhead by definition.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark import architectures
from benchmark.bench.cells import BenchCell
from benchmark.datasets import DatasetFacts
from benchmark.engine.backends import floating_operations
from benchmark.engine.devices import now

__all__ = ["Operations", "count", "operations_of", "rates"]

SECONDS = 0.4
"""Each rate is the best of the calls made within this time, five at least."""
SIDES = {"cpu": 2048, "cuda": 8192}
IMAGES = {"cpu": 100, "cuda": 2048}


@dataclass(frozen=True)
class Operations:
    """Floating-point operations for one image."""

    forward: int
    step: int
    """Forward and backward. The first layer's gradient for its input is not needed and not counted."""


def count(architecture: str, facts: DatasetFacts, batch: int = 2) -> Operations:
    """Count the operations of one image of a dataset; raises DoesNotFit where the architecture does not fit."""
    with torch.device("meta"):
        network = architectures.build(architecture, facts.shape, len(facts.classes))
        images = torch.empty(batch, *facts.shape)
        labels = torch.zeros(batch, dtype=torch.int64)
    with FlopCounterMode(display=False) as step:
        loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
    forward = floating_operations(architecture, facts.shape, len(facts.classes))
    return Operations(round(forward), step.get_total_flops() // batch)


def operations_of(cell: BenchCell, facts: DatasetFacts) -> dict[str, int]:
    """Operations of one image, and of one seed of a cell: training, and one pass over the test split."""
    found, n_images = count(cell.architecture, facts), cell.ipc * len(facts.classes)
    return {
        "forward": found.forward,
        "step": found.step,
        "train": found.step * n_images * cell.schedule().n_epochs(n_images),
        "test": found.forward * facts.n_test,
    }


def rates(device: torch.device) -> dict[str, float]:
    """Operations a second of this machine, by what was timed: square matrix products and a convolution.

    The convolution is ConvNet's second: 128 to 128 channels, 3x3, on maps of 16x16.
    """
    side, n = SIDES[device.type], IMAGES[device.type]
    torch.backends.cudnn.allow_tf32 = False  # or a GPU's float32 would be none
    found = {}
    for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        found[f"{name} product"] = 2 * side**3 / _best(lambda a=left, b=right: a @ b, device)  # type: ignore[misc]
    for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        maps = torch.randn(n, 128, 16, 16, device=device).to(dtype).to(memory_format=torch.channels_last)
        kernel = torch.randn(128, 128, 3, 3, device=device).to(dtype).to(memory_format=torch.channels_last)
        seconds = _best(lambda x=maps, k=kernel: F.conv2d(x, k, padding=1), device)  # type: ignore[misc]
        found[f"{name} convolution"] = 2 * n * 128 * 128 * 9 * 256 / seconds
    return found


def _best(work: Callable[[], torch.Tensor], device: torch.device) -> float:
    """Seconds of the fastest call, after one that warms up."""
    times: list[float] = []
    with torch.inference_mode():
        work()
        started = time.perf_counter()
        while len(times) < 5 or time.perf_counter() - started < SECONDS:
            before = now(device)
            work()
            times.append(now(device) - before)
    return min(times)
