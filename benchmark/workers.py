"""Worker processes for work on small images, each with one thread and the same store.

A worker that dies (out of memory, say) costs nothing but time: what is left is done in this process. Workers die with
the process that started them, also when that one is killed, so no block is ever trained by an orphan.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.progress import say
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.engine import Materials

__all__ = ["Workers", "cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")
PR_SET_PDEATHSIG = 1

_materials: Materials | None = None
"""In a worker: what its tasks work with."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool that is started at the first call of `map` and closed with `close`."""

    def __init__(self, n: int, materials: Materials) -> None:
        self.n = n
        self.materials = materials
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self, task: Callable[[Materials, Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | None, Exception | None]]:
        """Carry out a module-level function on every item, in any order; yields its result or what it raised.

        With one worker, or one item, everything is done in this process.
        """
        left = list(items)
        if self.n > 1 and len(left) > 1:
            for item, result, fault in self._in_pool(task, left):
                left.remove(item)
                yield item, result, fault
        for item in left:
            yield (item, *_attempt(task, self.materials, item))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _in_pool(
        self, task: Callable[[Materials, Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result | None, Exception | None]]:
        try:
            pool = self._started()
            futures = {pool.submit(_carry_out, task, item): item for item in items}
            for future in as_completed(futures):
                yield (futures[future], *future.result())
        except BrokenProcessPool:
            say("a worker process died, perhaps for want of memory; the rest is done one by one")
            self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            store = self.materials.store
            known = (store.root, [one.root for one in store.fallbacks], str(self.materials.device), os.getpid())
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.n, mp_context=context, initializer=_start, initargs=known)
        return self._pool


def _attempt(task: Callable[[Any, Any], Any], materials: Any, item: Any) -> tuple[Any, Exception | None]:
    try:
        return task(materials, item), None
    except Exception as fault:
        return None, fault


def _carry_out(task: Callable[[Any, Any], Any], item: Any) -> tuple[Any, Exception | None]:
    """Runs in a worker."""
    return _attempt(task, _materials, item)


def _start(root: Any, fallbacks: Any, device: str, parent: int) -> None:
    """Set up a worker: it dies with its parent, leaves Ctrl-C to it, and has one thread."""
    global _materials
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from benchmark.engine import Materials

    torch.set_num_threads(1)
    _materials = Materials(Store(root, fallbacks), torch.device(device))


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
