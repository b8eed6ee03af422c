"""A Dask cluster behind the interface of worker processes: `--scheduler tcp://host:8786`. docs/cluster.md.

Every piece of work is one Dask task. On the worker it runs in a small store of its own, and what it added there comes
back as files and enters the client's store, which alone is written. A worker reads the client's store where it sees
it on a shared disk; what it lacks otherwise it asks for, and is sent once. A worker that dies costs the work it had in
hand, which Dask gives to another. Needs the extra `dask`; free of torch until a task runs.
"""

from __future__ import annotations

import pickle
import uuid
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark import parcels, registry
from benchmark.desk import About, Reply, Run, carry_out, receive, versions
from benchmark.durable import write_once
from benchmark.errors import EnvironmentFault, UsageError
from benchmark.progress import say
from benchmark.store import Store
from benchmark.tasks import Answer, Taken, Task, persistently

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Cluster"]

Item = TypeVar("Item")
Result = TypeVar("Result")
CONNECT_SECONDS = 30.0
LOOK_SECONDS = 20.0
"""After so long without a result: is the scheduler there, and any worker?"""
INSTALL = "pip install -e '.[dask]'"


class Cluster:
    """A pool whose workers are those of a Dask scheduler; `device` is chosen by each worker for itself."""

    def __init__(self, address: str, store: Store, device: str = "auto") -> None:
        """Connect; raises UsageError for a malformed address or a missing Dask, EnvironmentFault where none answers."""
        self.address = address
        self.store = store
        self.client = _connected(address)
        token = uuid.uuid4().hex
        self._mark = store.staging / f"cluster-{token}"
        write_once(self._mark, token.encode(), store.staging)
        plugins = tuple(str(folder) for folder in registry.plugin_folders())
        self._run = Run(token, device, str(store.root), str(self._mark.relative_to(store.root)), plugins)
        self._known: set[str] = set()
        self._sent: dict[tuple[str, str], int] = {}
        """By desk and parcel: how many pieces of work had been submitted when it was sent."""
        self._left_out: set[str] = set()
        """Addresses of workers whose machine is at fault."""
        self._n_submitted = 0
        self._asks_for_gpu = False
        self._packed: dict[str, parcels.Files] = {}
        n = len(self._workers())
        say(f"{address}: {n} workers" if n else f"{address} has no worker yet; waiting for one. See docs/cluster.md.")

    @property
    def n(self) -> int:
        """Worker processes, each of which does one piece of work at a time; those with a GPU where any has one."""
        return max(1, len(self._workers()))

    @property
    def start_seconds(self) -> float:
        return 0.0

    def takes(self, one_thread: bool) -> bool:
        return True

    def map(self, task: Task[Item, Result], items: Sequence[Item]) -> Generator[Answer[Item, Result], None, None]:
        """Carry a task out on every item, in any order; yields its result or what it raised.

        Claims are held here, for as long as a piece of work is on its way. Raises EnvironmentFault when the scheduler
        is gone.
        """
        return persistently(lambda left: self._once(task, left), items)

    def close(self, at_once: bool = False) -> None:
        self._mark.unlink(missing_ok=True)
        self.client.close()

    def _once(self, task: Task[Item, Result], items: Sequence[Item]) -> Iterator[Answer[Item, Result]]:
        waiting = deque(items)
        flying: dict[Future, tuple[Item, ExitStack, int]] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < 2 * self.n:  # one in hand and one to follow for each worker
                    item, claim = waiting.popleft(), ExitStack()
                    if not claim.enter_context(task.claimed(self.store, item)):
                        yield item, None, Taken()
                    elif task.is_done(self.store, item):
                        claim.close()
                        yield item, None, None
                    else:
                        future = self._submit(task, item)
                        flying[future] = item, claim, self._n_submitted
                for future in self._finished(list(flying)):
                    item, claim, number = flying[future]
                    reply = _reply(future, self.address)
                    if isinstance(reply, Reply) and (reply.lacks or reply.is_unfit):
                        flying[self._again(task, item, reply, number)] = item, claim, self._n_submitted
                        del flying[future]
                        continue
                    answer = self._taken_in(task, item, reply)
                    del flying[future]
                    claim.close()
                    yield answer
        finally:
            if self.client.status == "running":
                self.client.cancel(list(flying))
            for _, claim, _ in flying.values():
                claim.close()

    def _submit(self, task: Task[Any, Any], item: Any, prefer: str | None = None) -> Future:
        needs = task.needs(self.store, item) if task.needs else []
        work = pickle.dumps((task, item, needs))  # unread by the scheduler, which has no torch
        where: dict[str, Any] = {"workers": [prefer], "allow_other_workers": True} if prefer else {}
        if self._left_out:
            where = {"workers": list(self._workers()), "allow_other_workers": True}  # where these are gone
        with_gpu = _with_gpu(self._workers())
        resources = {"GPU": 1} if with_gpu and self._run.device != "cpu" else None
        self._asks_for_gpu |= resources is not None
        self._n_submitted += 1
        return self.client.submit(carry_out, self._run, work, resources=resources, pure=False, **where)

    def _finished(self, futures: list[Future]) -> list[Future]:
        """Wait until some of the futures are done; says so where nobody works on them."""
        from distributed import CancelledError, wait

        is_told = False
        while not (done := [future for future in futures if future.done()]):
            with suppress(TimeoutError, CancelledError), self.client.as_current():
                wait(futures, LOOK_SECONDS, return_when="FIRST_COMPLETED")
                continue
            if self.client.status == "running" and not is_told:
                found = self._workers()
                kind = " with a GPU" if self._asks_for_gpu else ""
                is_told = not (_with_gpu(found) if self._asks_for_gpu else found)
                if is_told:
                    say(f"{self.address} has no worker{kind} left; waiting for one")
        return done

    def _again(self, task: Task[Any, Any], item: Any, reply: Reply, number: int) -> Future:
        """Submit once more what a worker did not do: to it, with what it lacks, or to others where it is at fault."""
        self._greet(reply.about)
        if not reply.is_unfit and not self._lost(reply, number):
            self._send(reply)
            return self._submit(task, item, reply.about.address)
        why = str(reply.fault or f"worker {reply.about.address} lacks what it was sent; is its disk full?")
        if reply.about.address not in self._left_out:
            self._left_out.add(reply.about.address)
            say(f"{why}. It is left out from here on.")
        if not self._workers():
            raise EnvironmentFault(f"{self.address} has no worker left that can work. {why}")
        return self._submit(task, item)

    def _taken_in(self, task: Task[Item, Result], item: Item, reply: Reply | Exception) -> Answer[Item, Result]:
        """Store what a worker gave for an item."""
        if isinstance(reply, Exception):
            return item, None, reply
        self._greet(reply.about)
        for line in parcels.merge(reply.files, self.store):
            say(line)
        if reply.fault is None and task.is_stored and not task.is_stored(self.store, item):
            where = f"worker {reply.about.address}"
            return item, None, RuntimeError(f"{where} did something else than was asked: its plug-ins are not these")
        return item, reply.result, reply.fault

    def _greet(self, about: About) -> None:
        """Say once of every worker what is not right about it."""
        if about.desk not in self._known:
            self._known.add(about.desk)
            for line in _complaints(about, versions()):
                say(f"worker {about.address}: {line}")

    def _lost(self, reply: Reply, number: int) -> bool:
        """Whether a worker lacks what it had been sent before this piece of work was submitted."""
        sent = (self._sent.get((reply.about.desk, name), number) for name in reply.lacks)
        return any(before < number for before in sent)

    def _send(self, reply: Reply) -> None:
        """Give a worker what it lacks, once."""
        for name in reply.lacks:
            if (reply.about.desk, name) in self._sent:
                continue
            self._sent[reply.about.desk, name] = self._n_submitted
            files = self._packed.get(name) or parcels.pack(name, self.store)
            if name.startswith("dataset/"):  # large, and wanted by every worker
                self._packed[name] = files
            try:
                self.client.run(receive, reply.about.desk, name, files, workers=[reply.about.address])
            except (OSError, KeyError, ValueError) as fault:  # it has died: whoever gets the work next will ask
                say(f"worker {reply.about.address} did not take {name[:20]}…: {fault}")

    def _workers(self) -> dict[str, Any]:
        """What the scheduler knows of the workers that our work may go to, by address."""
        found = {address: one for address, one in self._all_workers().items() if address not in self._left_out}
        return _with_gpu(found) or found if self._run.device != "cpu" else found

    def _all_workers(self) -> dict[str, Any]:
        """By address; raises EnvironmentFault where the scheduler is gone, after an attempt to reach it again."""
        try:
            found: dict[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError) as fault:  # a client that has given up answers with nothing
            raise _gone(self.address) from fault
        return found


def _gone(address: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the scheduler at {address} is gone. What came back is stored; start it and run the same command again."
    )


def _with_gpu(workers: dict[str, Any]) -> dict[str, Any]:
    """The workers that declare the resource GPU."""
    return {address: worker for address, worker in workers.items() if worker["resources"].get("GPU", 0) >= 1}


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as fault:
        raise UsageError(f"--scheduler needs Dask, which is not installed here. Install it: {INSTALL}") from fault
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="distillbench")
    except (OSError, TimeoutError) as fault:
        raise EnvironmentFault(
            f"no Dask scheduler answers at {address}. Start one: dask scheduler. ({fault})"
        ) from fault
    except (ValueError, TypeError) as fault:
        raise UsageError(f"--scheduler is {address!r}; it must be an address such as tcp://host:8786.") from fault


def _reply(future: Future, address: str) -> Reply | Exception:
    """What a finished future holds; a fault of the cluster is worded for people."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        return _gone(address)
    try:
        reply: Reply = future.result()
        return reply
    except KilledWorker as fault:
        return RuntimeError(f"worker after worker died on it, perhaps for want of memory ({fault})")
    except ImportError as fault:
        text = f"a worker cannot import what it needs ({fault}). Start workers from an installation like this one."
        return EnvironmentFault(text)
    except Exception as fault:
        return RuntimeError(f"the cluster could not carry it out: {type(fault).__name__}: {fault}")


def _complaints(about: About, ours: dict[str, str]) -> Iterator[str]:
    """What a user should know of a worker."""
    for name in sorted(ours.keys() & about.versions.keys()):
        if ours[name] != about.versions[name]:
            yield f"has {name} {about.versions[name]}, here it is {ours[name]}; results may differ, see their numerics"
    for folder in about.absent:
        yield f"has no folder {folder} of plug-ins. Put it there, under the same path."
    if about.n_threads > 1:
        yield f"has {about.n_threads} threads; a process does one piece of work at a time. Start it with --nthreads 1."
