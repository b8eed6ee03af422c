"""Writes files whole or not at all, and says so only once they are on the disk.

Order of a write: stage beside the target, write, fsync, put in place without replacing, fsync the folder, return.
Nothing here needs a lock: names are content-addressed, so whoever comes second finds the same bytes; but before it says
so, it syncs the folder as well, for the first may have been killed before it did.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.errors import EnvironmentFault

__all__ = [
    "explained",
    "make_folder",
    "one_at_a_time",
    "place_folder",
    "settle",
    "staging_folder",
    "sweep",
    "write_file",
    "write_once",
    "write_replacing",
]

_FIXES = {
    errno.ENOSPC: "free some space (`df`, and `df -i` for the number of files)",
    errno.EDQUOT: "free some space of your quota",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
}
_settled: set[Path] = set()
"""Folders whose names this process knows to be on the disk."""


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an OSError of a write into an EnvironmentFault that names the target, the reason and the fix."""
    try:
        yield
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else str(fault)
        fix = _FIXES.get(fault.errno or 0, "check the folder and its permissions")
        raise EnvironmentFault(f"cannot write {target}: {reason}. Fix: {fix}, and try again.") from fault


def _staging_name() -> str:
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def write_file(target: Path, content: bytes) -> None:
    """Write and fsync a new file, going on after short writes."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        left = memoryview(content)
        while left:
            written = os.write(handle, left)
            if written == 0:
                raise OSError(errno.EIO, "nothing was written")
            left = left[written:]
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each on the disk before the next: a file is as lasting as its folders.

    One that is there may have been made by a process that was killed before it could sync it, so once in a process
    its parents are synced all the same, up to the root of the file system.
    """
    folder = folder.absolute()  # a relative path has no root to end at
    is_there = folder.is_dir()
    if is_there and (folder in _settled or os.path.ismount(folder)):
        return
    make_folder(folder.parent)
    if not is_there:
        folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)
    _settled.add(folder)


def settle(file: Path) -> None:
    """Return once the name of a file that is there, maybe put there by another process, is on the disk."""
    with explained(file):
        make_folder(file.parent)
        _fsync_folder(file.parent)


def _fsync_folder(folder: Path) -> None:
    try:
        _fsync_file(folder)
    except OSError as fault:
        # Some network file systems cannot sync folders, and one that may not be listed cannot be opened.
        if fault.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


def write_once(target: Path, content: bytes, staging: Path) -> bool:
    """Put a file in place unless one of its name is there; False where one was. Raises EnvironmentFault."""
    with explained(target):
        make_folder(target.parent)
        if target.exists():
            _fsync_folder(target.parent)
            return False
        make_folder(staging)
        staged = staging / _staging_name()
        try:
            write_file(staged, content)
            try:
                os.link(staged, target)
            except FileExistsError:
                _fsync_folder(target.parent)
                return False
            except OSError as fault:
                if fault.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise
                os.replace(staged, target)  # no hard links here; safe, for the name fixes the content
            _fsync_folder(target.parent)
        finally:
            staged.unlink(missing_ok=True)
    return True


def write_replacing(target: Path, content: bytes, staging: Path) -> None:
    """Put a derived file in place, replacing an older one at once. Raises EnvironmentFault."""
    with explained(target):
        make_folder(staging)
        make_folder(target.parent)
        staged = staging / _staging_name()
        try:
            write_file(staged, content)
            os.replace(staged, target)
            _fsync_folder(target.parent)
        finally:
            staged.unlink(missing_ok=True)


@contextmanager
def staging_folder(staging: Path) -> Iterator[Path]:
    """A new private folder inside `staging`, removed at the end if it is still there. Raises EnvironmentFault."""
    folder = staging / _staging_name()
    try:
        with explained(folder):
            make_folder(folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fsync_file(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def place_folder(staged: Path, target: Path) -> bool:
    """Move a whole folder into place unless one is there; False where one was. Raises EnvironmentFault."""
    with explained(target):
        for file in sorted(staged.iterdir()):
            _fsync_file(file)
        _fsync_folder(staged)
        make_folder(target.parent)
        try:
            os.rename(staged, target)
        except OSError as fault:
            if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _fsync_folder(target.parent)
            return False
        _fsync_folder(target.parent)
    return True


@contextmanager
def one_at_a_time(file: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Of several processes one makes a file at a time; `waits` is called where another does.

    Where the file system knows no locks, each makes its own.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(file.with_suffix(".lock"), fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waits()
        lock.acquire()
    except OSError as fault:
        if fault.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    try:
        yield
    finally:
        lock.release()


def sweep(staging: Path, older_than_seconds: float = 86_400.0) -> None:
    """Remove what killed writers left in `staging`; a writer needs seconds, so what is a day old is nobody's."""
    for left in staging.iterdir() if staging.is_dir() else ():
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > older_than_seconds:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
