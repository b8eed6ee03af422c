"""Sets this process up for one piece of work: threads, allocator, deterministic kernels.

Several processes with one thread each do more than one with several threads, whose threads wait for one another, worst
where another process has a core. Where only a few trainings wait, all cores on each are sooner done (`backends`).
"""

from __future__ import annotations

import ctypes
import functools

import torch

from benchmark.datasets import DatasetFacts

__all__ = ["SMALL_SIDE", "every_thread", "is_small", "prepare"]

SMALL_SIDE = 16
"""Images up to this height and width are small."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
TOP_PAD = 64 * 2**20


def is_small(facts: DatasetFacts) -> bool:
    """Whether a set of this dataset is made with one thread, and many trainings on it run with one each."""
    return max(facts.shape[1:]) <= SMALL_SIDE


def prepare(device: torch.device, one_thread: bool) -> None:
    """Call before any work whose result is stored or timed."""
    _once()
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # or a second GPU's process would take memory of the first
    every = every_thread()
    torch.set_num_threads(1 if device.type == "cpu" and one_thread else every)


@functools.cache
def every_thread() -> int:
    """The number of threads that this process was started with: cores, or OMP_NUM_THREADS."""
    return torch.get_num_threads()


@functools.cache
def _once() -> None:
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory in the process; elsewhere, do nothing.

    By default it returns large blocks to the system at every free and faults them in again at the next step; on a
    small convolutional network that costs about a third of the time (20 against 28 ms a step of ConvNet-D3 on 100
    images of 8x8, two threads of an EPYC, torch 2.15). Threads would each get memory of their own, of which large
    pieces go back all the same (half as slow again, eagerly on images of 32x32), so they share one. The result is the
    same to the bit.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD), (M_ARENA_MAX, 1)):
        mallopt(name, value)
