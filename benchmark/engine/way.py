"""A way of computing: which backend, which precision, how many threads. Part of what an outcome says of itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["EAGER", "REVISION", "Way", "numerics"]

REVISION = {"eager": "", "compiled": "3", "recorded": ""}
"""Of each backend: goes up with a change of ours that changes its bits."""


@dataclass(frozen=True)
class Way:
    """How one training is computed. Same way, same kind of machine: the same bits."""

    backend: str = "eager"
    """`eager`; `compiled`: forward and backward, and mostly the optimizer, as one compiled function; or `recorded`: the
    network's own operations and the optimizer's, replayed on a GPU as one CUDA graph."""
    precision: str = "float32"
    """Of convolutions and matrix products; weights, norms, logits and losses are float32 always."""
    one_thread: bool = False
    """On a CPU: one thread, so that several can run side by side."""


EAGER = Way()


def numerics(device: torch.device, way: Way = EAGER) -> str:
    """How this process computes: device kind, backend and its revision, precision, torch version, threads."""
    torch_version = ".".join(torch.__version__.split(".")[:2])
    threads = f"-threads{torch.get_num_threads()}" if device.type == "cpu" else ""
    return f"{device.type}-{way.backend}{REVISION[way.backend]}-{way.precision}-torch{torch_version}{threads}"
