"""The worker's side of a Dask cluster: a desk for each client's run, and one piece of work at a time.

Free of torch and Dask until a task runs, so that a scheduler can read the tasks that pass through it.
"""

from __future__ import annotations

import pickle
import platform
import tempfile
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__, parcels, registry
from benchmark.store import Store
from benchmark.tasks import Task, let_go

if TYPE_CHECKING:
    from benchmark.engine import Materials

__all__ = ["About", "Reply", "Run", "carry_out", "receive", "versions"]


def versions() -> dict[str, str]:
    """What results depend on: of Python, torch, this package, and every plug-in that runs."""
    found = {"Python": platform.python_version(), "torch": metadata.version("torch"), "distillbench": __version__}
    kinds = [kind for kind, where in registry.KINDS.items() if where.suffix == ".py"]
    plugins = ((kind, name) for kind in kinds for name in registry.names(kind))
    return found | {f"{kind} {name}": f"version {registry.version(kind, name)}" for kind, name in plugins}


@dataclass(frozen=True)
class Run:
    """What the pieces of work of one client have in common."""

    token: str
    device: str
    root: str
    """The client's store; it is the same one where the file `mark` is seen in it."""
    mark: str
    plugins: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """Who answers."""

    desk: str
    address: str
    n_threads: int
    versions: dict[str, str]
    absent: tuple[str, ...]
    """Folders of plug-ins that are not there."""


@dataclass(frozen=True)
class Reply:
    """What a worker gives back for one piece of work."""

    about: About
    lacks: tuple[str, ...] = ()
    """Parcels to be sent first; then nothing was done."""
    result: Any = None
    fault: Exception | None = None
    files: parcels.Files = field(default_factory=dict)


@dataclass
class _Desk:
    """What a worker process keeps for the run of one client."""

    about: About
    store: Store
    """What was sent to it, and behind that the client's own store where it is seen."""
    materials: Materials
    inbox: deque[tuple[str, parcels.Files]] = field(default_factory=deque)


_ALONE = threading.Lock()
"""Threads and random state of torch are the process's, so one piece of work is done at a time."""
_desks: dict[tuple[str, str], _Desk] = {}


def carry_out(run: Run, work: bytes) -> Reply:
    """Do a piece of work, or say what is lacking for it; `work` is a pickle of task, item and names of parcels."""
    with _ALONE:
        task: Task[Any, Any]
        task, item, needs = pickle.loads(work)
        desk = _desk(run)
        while desk.inbox:
            try:
                parcels.unpack(*desk.inbox.popleft(), desk.store)
            except Exception as raised:  # it is sent once only, so asking again would have no end
                where = f"worker {desk.about.address}"
                return Reply(desk.about, (), None, RuntimeError(f"{where} could not keep what it was sent: {raised}"))
        lacks = tuple(name for name in needs if not parcels.is_here(name, desk.store))
        if lacks:
            return Reply(desk.about, lacks)
        with tempfile.TemporaryDirectory(dir=desk.store.root) as folder:
            desk.materials.store = Store(folder, desk.store.roots)
            try:
                item = task.adapt(desk.materials, item) if task.adapt else item
                result, fault = task.run(desk.materials, item), None
            except Exception as raised:
                let_go(raised)
                result, fault = None, raised
            return Reply(desk.about, (), result, fault, parcels.added(desk.materials.store))


def receive(desk: str, name: str, files: parcels.Files) -> None:
    """Take a parcel; the next piece of work opens it, since this runs between the heartbeats of the worker."""
    for found in list(_desks.values()):
        if found.about.desk == desk:
            found.inbox.append((name, files))


def _desk(run: Run) -> _Desk:
    """This worker's desk for a run; of the runs before only the latest is kept."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.address, run.token
    if key not in _desks:
        for old in list(_desks)[: len(_desks) - 1]:
            del _desks[old]
        _desks[key] = _new_desk(run, worker)
    return _desks[key]


def _new_desk(run: Run, worker: Any) -> _Desk:
    from benchmark import engine

    absent = []
    for folder in run.plugins:
        if Path(folder).is_dir():
            registry.add_folder(folder)
        else:
            absent.append(folder)
    place = Path(worker.local_directory) / f"distillbench-{run.token}"
    place.mkdir(parents=True, exist_ok=True)
    store = Store(place, [run.root] if Path(run.root, run.mark).exists() else [])
    about = About(uuid.uuid4().hex, worker.address, worker.state.nthreads, versions(), tuple(absent))
    return _Desk(about, store, engine.Materials(store, engine.choose_device(run.device)))
