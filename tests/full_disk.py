"""Disks that are full at every point of a piece of work: of space, of inodes, of what a process may write."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark.errors import EnvironmentFault
from benchmark.store import Store
from benchmark.store_check import check
from tests.stores import KINDS, is_there, write_one

__all__ = ["CannotMount", "Trial", "file_size_limits", "free_blocks", "free_inodes", "small_disk"]

BLOCK = 4096


class CannotMount(Exception):
    """This machine lets us mount nothing; the message is its reason."""


@dataclass(frozen=True)
class Trial:
    """What happened on a disk with so much left."""

    left: int
    """Blocks, inodes or bytes."""
    refused: tuple[str, ...]
    """The errors of the kinds of records that could not be written."""
    wrong: tuple[str, ...]
    """What should not be: something lost or torn, an error that says nothing, a second try that fails."""


@contextmanager
def small_disk(folder: Path, megabytes: int = 2, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory at `folder`; raises CannotMount."""
    folder.mkdir()
    options = f"size={megabytes}m" + (f",nr_inodes={inodes}" if inodes else "")
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
    except OSError as fault:
        raise CannotMount(str(fault)) from fault
    if done.returncode:
        raise CannotMount(done.stderr.strip() or "mount failed")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def free_blocks(disk: Path, counts: Iterable[int]) -> Iterator[Trial]:
    """Try with so many blocks of 4 KiB left."""
    for left in counts:
        with _trial(disk) as store:
            free = os.statvfs(disk).f_bavail
            (disk / "filler").write_bytes(b"\0" * (BLOCK * (free - left)))
            if os.statvfs(disk).f_bavail != left:
                raise RuntimeError("the disk is not as full as it should be")
            yield _tried(store, left, (disk / "filler").unlink, "No space left on device. Fix: free some")


def free_inodes(disk: Path, counts: Iterable[int]) -> Iterator[Trial]:
    """Try with so many new files and folders possible."""
    for left in counts:
        with _trial(disk) as store:
            fillers = disk / "fillers"
            fillers.mkdir()
            for number in range(os.statvfs(disk).f_favail - left):
                (fillers / str(number)).touch()
            yield _tried(store, left, partial(shutil.rmtree, fillers), "No space left on device. Fix: free some")


def file_size_limits(folder: Path, limits: Iterable[int]) -> Iterator[Trial]:
    """Try where no file may be longer than so many bytes."""
    folder.mkdir(exist_ok=True)
    for limit in limits:
        with _trial(folder) as store:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                lift = partial(resource.setrlimit, resource.RLIMIT_FSIZE, before)
                yield _tried(store, limit, lift, "File too large. Fix: raise the limit")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def _trial(disk: Path) -> Iterator[Store]:
    """A store that holds everything of number 0, in a folder of its own that goes afterwards."""
    store = Store(disk / "store")
    for kind in KINDS:
        write_one(store, kind, 0, with_preview=False)
    store.collect()
    try:
        yield store
    finally:
        shutil.rmtree(disk / "store")


def _tried(store: Store, left: int, make_room: Callable[[], object], expected: str) -> Trial:
    """Write everything of number 1, then make room and write it again; look at the store after each."""
    refused, wrong, done = [], [], []
    for kind in (*KINDS, "tables"):
        if kind in ("made", "results") and "set" not in done:
            continue  # nobody gets so far without their set
        try:
            store.collect() if kind == "tables" else write_one(store, kind, 1, with_preview=False)
            done.append(kind)
        except EnvironmentFault as fault:
            refused.append(f"{kind}: {fault}")
            wrong += [] if expected in str(fault) else [f"not clear: {fault}"]
    wrong += _faults(store, done)
    if list(store.staging.iterdir()):
        wrong.append("something was left in tmp/")
    make_room()
    for kind in KINDS:
        write_one(store, kind, 1, with_preview=False)
    store.collect()
    return Trial(left, tuple(refused), (*wrong, *(f"afterwards: {one}" for one in _faults(store, list(KINDS)))))


def _faults(store: Store, done: list[str]) -> list[str]:
    lost = [f"{kind} 0 is lost" for kind in KINDS if not is_there(store, kind, 0)]
    lost += [f"{kind} 1 is lost" for kind in done if kind in KINDS and not is_there(store, kind, 1)]
    return lost + [f"{one.path}: {one.what}" for one in check(store).findings if not one.is_harmless]
