"""A function over fixed tensors, recorded once as a CUDA graph and replayed: one launch in place of a hundred.

Only `record_graph` needs a GPU; whatever can stand in for it runs everything else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["Captured", "record_graph"]

WARM_UP = 3
"""Runs before recording, in which libraries choose and allocate."""

Function = Callable[..., torch.Tensor]


class Captured:
    """Holds the tensors that a recorded function reads and changes; calling it copies in what is not there already.

    The first `n_state` arguments are changed in place: give these very tensors (`inputs`) as they are, filled with
    what the state is to be, since the graph knows them by their address.
    """

    def __init__(self, function: Function, example: Sequence[torch.Tensor], n_state: int) -> None:
        self.inputs = [tensor.clone() for tensor in example]
        self.n_state = n_state
        kept = [tensor.clone() for tensor in self.inputs]
        self._function = function  # a graph launches its kernels, which are unloaded with it
        self._replay, self._output = record_graph(function, self.inputs)
        for tensor, before in zip(self.inputs, kept, strict=True):
            tensor.copy_(before)

    def __call__(self, *given: torch.Tensor) -> torch.Tensor:
        """Returns a copy of the output."""
        for place, (held, tensor) in enumerate(zip(self.inputs, given, strict=True)):
            if held is not tensor:
                if place < self.n_state:
                    raise ValueError("the state of a recorded function must be its own tensors")
                held.copy_(tensor, non_blocking=True)
        self._replay()
        return self._output.clone()


def record_graph(function: Function, inputs: Sequence[torch.Tensor]) -> tuple[Callable[[], object], torch.Tensor]:
    """Record on the current GPU; returns what replays and the tensor it writes to."""
    with torch.cuda.device(inputs[0].device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=_pool(inputs[0].device)):
                output = function(*inputs)
        except BaseException:
            _pool.cache_clear()  # nobody may join one that a recording left half way
            raise
        return graph.replay, output


@functools.cache
def _pool(device: torch.device) -> Any:
    """Memory that all recordings on a GPU share: one is replayed at a time, and what it leaves is copied at once."""
    with torch.cuda.device(device):
        return torch.cuda.graph_pool_handle()  # type: ignore[no-untyped-call, unused-ignore]
