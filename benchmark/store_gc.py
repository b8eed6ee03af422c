"""Clears a store of what is of no use any more, in two phases, and has one process at a time maintain it. Torch-free.

First it goes to trash/<time>/ under its own path, from where it can be moved back; what has lain there for seven days
is deleted. What is younger than a day is left alone: its writer may still be at it. Sets, records and results are never
collected: a set that nobody wants any more is retracted.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmark import durable
from benchmark.errors import EnvironmentFault
from benchmark.refusals import Problem, refusal
from benchmark.states import now
from benchmark.store import Store
from benchmark.store_objects import fault_of, read_contents

__all__ = ["KEPT_DAYS", "Garbage", "collect_garbage", "maintenance"]

YOUNG_SECONDS = 86_400.0
KEPT_DAYS = 7
_STAMP = "%Y-%m-%dT%H-%M-%SZ"


@dataclass
class Garbage:
    """What was cleared, by path relative to the store."""

    to_trash: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Folders of the trash whose time was up."""
    n_bytes: int = 0
    """Size of what went to the trash."""


@contextmanager
def maintenance(store: Store, command: str, wait_seconds: float = 10.0) -> Iterator[None]:
    """Be the only one who maintains a store; raises EnvironmentFault, naming the holder, where another one stays at it.

    The lock is the operating system's: that of a process which is gone is free at once. Readers and writers need none.
    """
    from filelock import FileLock, Timeout

    folder = store.root / "locks"
    holder = folder / "maintenance.json"
    lock = FileLock(folder / "maintenance.lock", timeout=wait_seconds, fallback_to_soft=False)
    durable.make_folder(folder)
    try:
        lock.acquire()
    except Timeout as fault:
        what = f"the store is being maintained by {_holder(holder)}"
        fix = "wait until it is done, or end it (a process that was stopped holds it until it goes on); then try again"
        raise refusal([Problem("E503", str(store.root), what, fix=fix)]) from fault
    except OSError as fault:
        fix = "check the folder locks/ in it; where its file system knows no locks, maintain a copy of it elsewhere"
        raise EnvironmentFault(f"cannot lock store {store.root}: {fault}. Fix: {fix}.") from fault
    try:
        known = {"host": socket.gethostname(), "pid": os.getpid(), "command": command, "since": now()}
        durable.write_replacing(holder, json.dumps(known).encode(), store.staging)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(file: Path) -> str:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        where = f"process {int(known['pid'])} on {str(known['host'])[:60]!r}"
        return f"{where}, `distillbench {str(known['command'])[:60]}` since {str(known['since'])[:20]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not said its name"


def collect_garbage(store: Store, dry_run: bool = False) -> Garbage:
    """Move what is of no use to the trash, and delete what has lain there long enough. Raises EnvironmentFault."""
    done, started = Garbage(), time.time()
    for folder in sorted(store.root.glob("trash/*")):
        if _is_over(folder.name, started):
            done.deleted.append(f"trash/{folder.name}")
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
    stamp = datetime.fromtimestamp(started, UTC).strftime(_STAMP)
    for path in _useless(store):
        files = [store.root / path, *(store.root / path).rglob("*")]
        if started - max(file.lstat().st_mtime for file in files) <= YOUNG_SECONDS:
            continue
        done.to_trash.append(path)
        done.n_bytes += sum(file.lstat().st_size for file in files if file.is_file())
        if not dry_run:
            target = store.root / "trash" / stamp / path
            with durable.explained(target):
                durable.make_folder(target.parent)
                os.rename(store.root / path, target)
                durable.settle(target)
    return done


def _useless(store: Store) -> Iterator[str]:
    """Staged files, arrays of no outcome, and checkpoints of what is made."""
    yield from (f"tmp/{left.name}" for left in sorted(store.root.glob("tmp/*")))
    for thing in read_contents(store.root).objects.values():
        fault = fault_of(store.root, thing) if thing.kind == "outcome" and not thing.head.endswith(".json") else None
        if fault and fault[0] == "stale":
            yield thing.head
    for folder in sorted(store.root.glob("work/*")):
        if store.read_made(folder.name) is not None:
            yield f"work/{folder.name}"


def _is_over(stamp: str, at: float) -> bool:
    """Whether a folder of the trash is old enough; one of another name is somebody else's, and stays."""
    with suppress(ValueError):
        then = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
        return at - then > KEPT_DAYS * 86_400
    return False
