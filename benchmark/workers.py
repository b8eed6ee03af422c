"""Worker processes on this machine, with the same store: one-thread ones for small images, or one for each GPU; and
threads of this process, for what is done before processes would have started.

A worker that dies (out of memory, say) costs the work in hand and time: what the workers had in hand is done again,
each in a process of its own, and what is left goes to new workers. What finds no memory beside others is done again
alone. Workers die with the process that started them, also when that one is killed, so no block is ever trained by an
orphan.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.errors import EnvironmentFault, is_machines, is_out_of_memory
from benchmark.progress import say
from benchmark.store import Store
from benchmark.tasks import Answer, Task, attempt, persistently

if TYPE_CHECKING:
    from benchmark.datasets import DatasetFacts
    from benchmark.engine import Materials

__all__ = ["Threads", "Workers", "affordable", "bytes_for", "cores", "die_with"]

Item = TypeVar("Item")
Result = TypeVar("Result")
PR_SET_PDEATHSIG = 1

START_SECONDS = 8.0
"""Until all of them have imported torch and loaded what they work on."""

WORKER_BYTES, COPIES = 2**29, 5
"""Memory of a worker: for torch, and so many times the pixels of its dataset; 1.4 GiB for CIFAR-10."""
CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")
DIED = "the process that did it died, perhaps for want of memory"
CANNOT_BEGIN = (
    "worker processes cannot start here; what they said stands above. A script that calls this from Python needs "
    'its own code under `if __name__ == "__main__":`; with one worker no process is started.'
)

THREADS = 3
"""At a time: Python, which one thread runs at a time, has a third of an eager step on 10 images of 8x8."""

_materials: Materials | None = None
"""In a worker: what its tasks work with."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bytes_for(facts: DatasetFacts) -> int:
    """The memory that a worker needs for a dataset, at a guess."""
    return WORKER_BYTES + COPIES * (facts.n_train + facts.n_test) * math.prod(facts.shape)


def affordable(n: int, bytes_each: int) -> int:
    """At most n workers, as many as the machine's memory, or that of a control group, has room for; at least one.

    Not what is free at the moment: a run that goes on is to find as many.
    """
    room = [n * bytes_each]
    with suppress(OSError, ValueError, StopIteration):  # not Linux
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        room.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")))
    with suppress(OSError, ValueError):  # none, or "max"
        room.append(int(CONTROL_GROUP.read_text(encoding="ascii")))
    return max(1, min(room) // bytes_each)


class Workers:
    """A pool that is started at the first call of `map` and closed with `close`."""

    def __init__(self, n: int, materials: Materials, devices: Sequence[str] = ()) -> None:
        """`devices`: one worker for each, at most n; several share the cores and take all work."""
        self.n = min(n, len(devices)) if devices else n
        self.materials = materials
        self.devices = list(devices) or [str(materials.device)] * n
        self.takes_all = len(devices) > 1
        self._pool: ProcessPoolExecutor | None = None

    @property
    def start_seconds(self) -> float:
        """Nothing once it runs; where it takes all work, it is started in any case."""
        return 0.0 if self._pool is not None or self.takes_all else START_SECONDS

    def takes(self, one_thread: bool) -> bool:
        """Work for one thread; where each has a device of its own, all of it."""
        return one_thread or self.takes_all

    def make_room(self, several: Iterable[DatasetFacts]) -> None:
        """Be no more than memory has room for when these datasets are worked on. What runs already goes on."""
        needed = max(map(bytes_for, several), default=WORKER_BYTES)
        n = self.n if self.takes_all else affordable(self.n, needed)
        if n < self.n:
            say(f"{n} of {self.n} workers: there is no memory for more, at {needed / 2**30:.1f} GiB each")
            self.n = n

    def map(self, task: Task[Item, Result], items: Sequence[Item]) -> Generator[Answer[Item, Result], None, None]:
        """Carry a task out on every item, in any order; yields its result or what it raised.

        With one worker, or one item, everything is done in this process. Work that another run on this store has in
        hand comes last, and is taken over when that run ends.
        """
        return persistently(lambda left: self._once(task, left), items)

    def close(self, at_once: bool = False) -> None:
        workers = multiprocessing.active_children() if at_once else []
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        for worker in workers:
            worker.kill()

    def _once(self, task: Task[Item, Result], items: Sequence[Item]) -> Iterator[Answer[Item, Result]]:
        left, crowded, has_died = list(items), [], False
        while self.n > 1 and len(left) > 1:
            n = self.n
            try:
                for item, result, fault in self._in_pool(task, left.copy()):
                    left.remove(item)
                    if is_out_of_memory(fault):
                        crowded.append(item)
                    else:
                        yield item, result, fault
            except BrokenProcessPool:
                say("a worker process died, perhaps for want of memory; what was in hand is done again, each alone")
                self._pool, has_died = None, True
                suspects, left = left[:n], left[n:]  # work is dealt out in order
                yield from self._again(task, suspects)
        if has_died:
            yield from self._again(task, left)
        else:
            for item in left:
                yield (item, *attempt(task, self.materials, item))
        if crowded:
            say(f"{len(crowded)} pieces of work found no memory beside others; each is done again alone")
            self.close()
            for item in crowded:
                yield from self._again(task, [item])

    def _in_pool(self, task: Task[Item, Result], items: Sequence[Item]) -> Iterator[Answer[Item, Result]]:
        pool = self._started()
        futures = {pool.submit(_carry_out, task, item): item for item in items}
        for future in as_completed(futures):
            yield (futures[future], *future.result())

    def _again(self, task: Task[Item, Result], items: Sequence[Item]) -> Iterator[Answer[Item, Result]]:
        """Each in a process of its own; what ends that is tried once more with nothing beside it, and then given up."""
        dead = []
        for item, answer in self._apart(task, items):
            if answer is None and len(items) > 1:
                dead.append(item)
            else:
                yield (item, *(answer or (None, RuntimeError(DIED))))
        for item in dead:
            yield from self._again(task, [item])

    def _apart(
        self, task: Task[Item, Result], items: Sequence[Item]
    ) -> Iterator[tuple[Item, tuple[Result | None, Exception | None] | None]]:
        """Side by side, each in a new process; no answer where that died.

        Raises EnvironmentFault where a process cannot even begin.
        """
        pools = [self._pool_of([device]) for device, _ in zip(self.devices, items, strict=False)]
        begun = [pool.submit(os.getpid) for pool in pools]
        futures = {
            pool.submit(_carry_out, task, item): place
            for place, (pool, item) in enumerate(zip(pools, items, strict=True))
        }
        try:
            for future in as_completed(futures):
                place = futures[future]
                try:
                    yield items[place], future.result()
                except BrokenProcessPool as fault:
                    if begun[place].exception() is not None:
                        raise EnvironmentFault(CANNOT_BEGIN) from fault
                    yield items[place], None
        finally:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = self._pool_of(self.devices[: self.n])
        return self._pool

    def _pool_of(self, chosen: Sequence[str]) -> ProcessPoolExecutor:
        """A process for each of these devices."""
        context = multiprocessing.get_context("spawn")
        devices = context.SimpleQueue()
        for device in chosen:
            devices.put(device)
        store = self.materials.store
        threads = max(1, cores() // self.n) if self.takes_all else 1
        known = (store.root, [one.root for one in store.fallbacks], devices, threads, os.getpid())
        return ProcessPoolExecutor(len(chosen), mp_context=context, initializer=_start, initargs=known)


class Threads:
    """Threads of this process. They start at once, but share Python, which one runs at a time; torch's operations, and
    compiled code, run side by side."""

    start_seconds = 0.0
    saves = 3 / 8
    """Of the time that one thread takes alone: 4.3 against 6.9 s for five seeds of digits on two cores."""

    def __init__(self, n: int, materials: Materials) -> None:
        self.n = min(n, THREADS)
        self.materials = materials

    def takes(self, one_thread: bool) -> bool:
        return one_thread

    def map(self, task: Task[Item, Result], items: Sequence[Item]) -> Generator[Answer[Item, Result], None, None]:
        """Like that of `Workers`. When it is left early, what is begun is finished and no more is."""
        return persistently(lambda left: self._once(task, left), items)

    def close(self, at_once: bool = False) -> None:
        """Nothing is left open."""

    def _once(self, task: Task[Item, Result], items: Sequence[Item]) -> Iterator[Answer[Item, Result]]:
        pool, crowded = ThreadPoolExecutor(self.n), []
        futures = {pool.submit(attempt, task, self.materials, item): item for item in items}
        try:
            for future in as_completed(futures):
                result, fault = future.result()
                if is_out_of_memory(fault):
                    crowded.append(futures[future])
                else:
                    yield futures[future], result, fault
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if not all(future.done() for future in futures):
                say("finishing what is begun")
            pool.shutdown()
        for item in crowded:
            yield (item, *attempt(task, self.materials, item))


def _carry_out(task: Task[Any, Any], item: Any) -> tuple[Any, Exception | None]:
    """Runs in a worker."""
    assert _materials is not None
    result, fault = attempt(task, _materials, item)
    if is_machines(fault):
        from benchmark.engine.devices import answers

        if not answers(_materials.device):  # a new process may have better luck with it
            os._exit(1)
    return result, fault if fault is None or _travels(fault) else RuntimeError(f"{type(fault).__name__}: {fault}")


def _travels(fault: Exception) -> bool:
    """Whether another process can read a fault: not one whose class a plug-in defines, or that needs two arguments."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:  # of foreign classes, which may raise anything
        return False
    return True


def _start(root: Any, fallbacks: Any, devices: Any, threads: int, parent: int) -> None:
    """Set up a worker: it dies with its parent, leaves Ctrl-C to it, and has its own device and share of the cores."""
    global _materials
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    from benchmark.engine import Materials

    torch.set_num_threads(threads)
    device = torch.device(devices.get())
    if device.type == "cuda":
        torch.cuda.set_device(device)
    _materials = Materials(Store(root, fallbacks), device)


def die_with(parent: int) -> None:
    """End this process when its parent ends, however that does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
