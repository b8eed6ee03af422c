"""The worker's side of a Dask cluster: a desk for each client's run, and one piece of work at a time.

Free of torch and Dask until a task runs, so that a scheduler can read the tasks that pass through it.
"""

from __future__ import annotations

import pickle
import platform
import shutil
import tempfile
import threading
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__, parcels, registry
from benchmark.errors import EnvironmentFault, is_machines
from benchmark.store import Store
from benchmark.tasks import Task, let_go

if TYPE_CHECKING:
    from benchmark.engine import Materials

__all__ = ["About", "Reply", "Run", "carry_out", "receive", "versions"]

DESKS = 8
"""Runs whose desks a worker keeps, with what was sent to it."""
AT_HAND = 2
"""Of these, the runs whose datasets and sets stay in memory."""


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
    is_unfit: bool = False
    """Whether the worker, and not the work, is at fault, so that another may do it."""


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
_desks: OrderedDict[tuple[str, str], _Desk] = OrderedDict()
"""By address and run; the one that was used last comes last."""
_searched = ""
"""The run whose plug-ins this process sees."""
_architectures: dict[str, Path] = {}
"""What the names of architectures have meant here, in all runs."""


def carry_out(run: Run, work: bytes) -> Reply:
    """Do a piece of work, or say what is lacking for it; `work` is a pickle of task, item and names of parcels."""
    with _ALONE:
        task: Task[Any, Any]
        task, item, needs = pickle.loads(work)
        desk = _desk(run)
        try:
            desk.store.root.mkdir(parents=True, exist_ok=True)
            while desk.inbox:
                parcels.unpack(*desk.inbox.popleft(), desk.store)
        except Exception as raised:  # it is sent once only, so asking again would have no end
            return _unfit(desk, f"could not keep what it was sent: {raised}")
        lacks = tuple(name for name in needs if not parcels.is_here(name, desk.store))
        if lacks:
            return Reply(desk.about, lacks)
        try:
            return _done(desk, task, item)
        except (OSError, EnvironmentFault) as raised:
            return _unfit(desk, str(raised))


def _done(desk: _Desk, task: Task[Any, Any], item: Any) -> Reply:
    """Raises OSError or EnvironmentFault where the machine of this worker is at fault."""
    with tempfile.TemporaryDirectory(dir=desk.store.root) as folder:
        desk.materials.store = Store(folder, desk.store.roots)
        try:
            item = task.adapt(desk.materials, item) if task.adapt else item
            result, fault = task.run(desk.materials, item), None
        except (OSError, EnvironmentFault):
            raise
        except Exception as raised:
            let_go(raised)
            result, fault = None, raised
        from benchmark.engine.devices import answers

        if is_machines(fault) and not answers(desk.materials.device):
            raise EnvironmentFault(f"its {desk.materials.device} refuses to work: {fault}")
        return Reply(desk.about, (), result, fault, parcels.added(desk.materials.store))


def _unfit(desk: _Desk, why: str) -> Reply:
    return Reply(desk.about, fault=RuntimeError(f"worker {desk.about.address}: {why}"), is_unfit=True)


def receive(desk: str, name: str, files: parcels.Files) -> None:
    """Take a parcel; the next piece of work opens it, since this runs between the heartbeats of the worker."""
    for found in list(_desks.values()):
        if found.about.desk == desk:
            found.inbox.append((name, files))


def _desk(run: Run) -> _Desk:
    """This worker's desk for a run, under whose plug-ins it works from here on."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.address, run.token
    _search(run)
    if key not in _desks:
        _desks[key] = _new_desk(run, worker)
    _desks.move_to_end(key)
    _clear_up()
    return _desks[key]


def _clear_up() -> None:
    """Let go of what was not used lately. Only whoever works calls this, so no work on a desk that goes is in hand."""
    from benchmark import engine

    while len(_desks) > DESKS:
        _, old = _desks.popitem(last=False)
        shutil.rmtree(old.store.root, ignore_errors=True)
    for idle in list(_desks.values())[:-AT_HAND]:
        idle.materials = engine.Materials(idle.store, idle.materials.device)


def _search(run: Run) -> None:
    """See the plug-ins of a run beside ours, and those of no other run."""
    global _searched
    if run.token == _searched:
        return
    _searched = ""  # until all of this is done
    registry.only(run.plugins)
    found = {name: registry.path("architecture", name) for name in registry.names("architecture")}
    if any(_architectures.get(name, file) != file for name, file in found.items()):
        _forget_networks()
        _architectures.clear()
    _architectures.update(found)
    _searched = run.token


def _forget_networks() -> None:
    """Drop what the engine keeps by the name of an architecture, which means another now."""
    from benchmark.engine import backends, compiled, machine_code, passes

    compiled_code = (compiled.compiled_function, compiled._step_function, compiled._forward_function)
    for kept in (
        *compiled_code,
        passes._refusal,
        backends._refused,
        backends.floating_operations,
        machine_code._folder,
    ):
        kept.cache_clear()


def _new_desk(run: Run, worker: Any) -> _Desk:
    from benchmark import engine

    here = registry.plugin_folders()
    absent = tuple(folder for folder in run.plugins if Path(folder).resolve() not in here)
    place = Path(worker.local_directory) / f"distillbench-{run.token}"
    store = Store(place, [run.root] if Path(run.root, run.mark).exists() else [])
    about = About(uuid.uuid4().hex, worker.address, worker.state.nthreads, versions(), absent)
    return _Desk(about, store, engine.Materials(store, engine.choose_device(run.device)))
