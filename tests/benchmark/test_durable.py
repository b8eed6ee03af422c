"""Durable writes: whole or not at all, acknowledged only when on the disk, whatever the disk does."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmark import durable
from benchmark.errors import EnvironmentFault

Listing = Callable[[Path], dict[str, str]]
CALLS = ("open", "write", "fsync", "link", "replace", "rename", "mkdir", "close")


class FailingDisk:
    """Makes the n-th of the file operations below fail; counts them otherwise."""

    def __init__(self, fails_at: int = 0, error: int = errno.ENOSPC) -> None:
        self.left, self.error, self.calls = fails_at, error, list[str]()

    @contextmanager
    def mounted(self) -> Iterator[FailingDisk]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(durable, "_settled", set())  # as in a new process
            for name in CALLS:
                patched.setattr(os, name, self._watched(name, getattr(os, name)))
            yield self

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            self.left -= 1
            if self.left == 0:
                if name == "close":  # as a network file system does: the handle is gone all the same
                    real(*arguments)
                raise OSError(self.error, os.strerror(self.error))
            return real(*arguments, **named)

        return watched


def write_once(root: Path) -> Any:
    return durable.write_once(root / "a" / "b" / "file", b"content", root / "tmp")


def write_replacing(root: Path) -> Any:
    return durable.write_replacing(root / "a" / "b" / "file", b"content", root / "tmp")


def write_folder(root: Path) -> Any:
    with durable.staging_folder(root / "tmp") as staged:
        durable.write_file(staged / "file", b"content")
        return durable.place_folder(staged, root / "a" / "b")


WRITERS = [write_once, write_replacing, write_folder]


@pytest.mark.parametrize("write", WRITERS)
def test_a_write_is_whole_and_leaves_nothing_else(
    write: Callable[[Path], Any], tmp_path: Path, listing: Listing
) -> None:
    write(tmp_path)
    files = [name for name in listing(tmp_path) if (tmp_path / name).is_file()]
    assert files == ["a/b/file"]
    assert (tmp_path / "a/b/file").read_bytes() == b"content"
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EINTR, errno.EFBIG])
@pytest.mark.parametrize("write", WRITERS)
def test_whichever_step_fails_there_is_all_or_nothing_and_the_next_try_succeeds(
    write: Callable[[Path], Any], error: int, tmp_path: Path
) -> None:
    (tmp_path / "healthy").mkdir()
    with FailingDisk().mounted() as healthy:
        write(tmp_path / "healthy")
    assert {"open", "fsync", "mkdir"} <= set(healthy.calls)
    for step in range(1, len(healthy.calls) + 1):
        root = tmp_path / str(step)
        root.mkdir()
        with (
            FailingDisk(step, error).mounted(),
            pytest.raises(EnvironmentFault, match=r"cannot write .*Fix: .*try again") as caught,
        ):
            write(root)
        assert os.strerror(error) in str(caught.value)
        target = root / "a" / "b" / "file"
        assert not target.exists() or target.read_bytes() == b"content"
        assert not (root / "tmp").exists() or not list((root / "tmp").iterdir()), "a staged file was left"
        write(root)
        assert target.read_bytes() == b"content"


@contextmanager
def watched_syncs(root: Path) -> Iterator[list[str]]:
    """What is synced below a folder, in order, by a process that knows nothing yet."""
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        place = os.readlink(f"/proc/self/fd/{handle}")
        if place.startswith(str(root)):
            synced.append(place.removeprefix(str(root)))
        real(handle)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        patched.setattr(durable, "_settled", set())
        yield synced


def test_everything_is_synced_before_the_write_is_acknowledged(tmp_path: Path) -> None:
    with FailingDisk().mounted() as disk, watched_syncs(tmp_path) as synced:
        write_once(tmp_path)
    # each new folder in its parent, the staging folder too, then the file, then its name in the folder
    assert synced[:3] == ["", "/a", ""]
    assert synced[3].startswith("/tmp/") and synced[4:] == ["/a/b"]
    assert disk.calls.index("link") > max(i for i, call in enumerate(disk.calls) if call == "write")


def test_what_another_process_put_there_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    write_once(tmp_path)
    with watched_syncs(tmp_path) as synced:
        assert not write_once(tmp_path)
    assert synced == ["", "/a", "/a/b"]
    with watched_syncs(tmp_path) as synced:
        durable.settle(tmp_path / "a" / "b" / "file")
    assert synced == ["", "/a", "/a/b"]
    with watched_syncs(tmp_path) as synced, durable.staging_folder(tmp_path / "tmp") as staged:
        durable.write_file(staged / "file", b"late")
        assert not durable.place_folder(staged, tmp_path / "a" / "b")
    assert synced[-1] == "/a"
    with watched_syncs(tmp_path) as synced:
        durable.settle(tmp_path / "a" / "b" / "file")
        first = len(synced)
        durable.settle(tmp_path / "a" / "b" / "file")
    assert synced[first:] == ["/a/b"], "folders that are known to be on the disk are not synced again"


def test_short_writes_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: real(handle, bytes(content)[:2]))
    durable.write_once(tmp_path / "file", b"content", tmp_path / "tmp")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_write_that_writes_nothing_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda handle, content: 0)
    with pytest.raises(EnvironmentFault, match="cannot write"):
        durable.write_once(tmp_path / "file", b"content", tmp_path / "tmp")
    assert not (tmp_path / "file").exists()


def test_a_folder_may_be_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    durable.make_folder(Path("some/where"))
    durable.make_folder(Path("."))
    assert (tmp_path / "here" / "some" / "where").is_dir()


def test_the_first_content_of_a_name_stays(tmp_path: Path) -> None:
    assert durable.write_once(tmp_path / "file", b"one", tmp_path / "tmp")
    assert not durable.write_once(tmp_path / "file", b"two", tmp_path / "tmp")
    assert (tmp_path / "file").read_bytes() == b"one"


def test_of_two_writers_at_once_the_first_wins_and_both_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def late(source: Path, target: Path) -> None:
        target.write_bytes(b"the other's")
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    assert not durable.write_once(tmp_path / "file", b"mine", tmp_path / "tmp")
    assert (tmp_path / "file").read_bytes() == b"the other's"
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_hard_links_is_written_by_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", refused)
    assert durable.write_once(tmp_path / "file", b"content", tmp_path / "tmp")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_network_file_system_that_cannot_sync_folders_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(error, os.strerror(error))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert durable.write_once(tmp_path / "a" / "file", b"content", tmp_path / "tmp")


def test_a_replaced_file_is_never_half_old(tmp_path: Path) -> None:
    for content in (b"old" * 1000, b"new"):
        durable.write_replacing(tmp_path / "file", content, tmp_path / "tmp")
        assert (tmp_path / "file").read_bytes() == content


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"first")
    assert write_folder(tmp_path) is False
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"first"
    assert not list((tmp_path / "tmp").iterdir())


def test_a_staging_folder_goes_whatever_happens_in_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), durable.staging_folder(tmp_path / "tmp") as staged:
        (staged / "file").write_bytes(b"x")
        raise ZeroDivisionError
    with pytest.raises(EnvironmentFault, match="No space left"), durable.staging_folder(tmp_path / "tmp"):
        raise OSError(errno.ENOSPC, "disk full")
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("blocker", ["a", "tmp"])
def test_a_file_where_a_folder_is_needed_is_an_environment_fault(tmp_path: Path, blocker: str) -> None:
    (tmp_path / blocker).write_bytes(b"in the way")
    for write in WRITERS:
        with pytest.raises(EnvironmentFault, match="cannot write"):
            write(tmp_path)


def test_what_killed_writers_left_is_swept_after_a_day(tmp_path: Path) -> None:
    for name in ("old-file", "new-file"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "old-folder").mkdir()
    for name in ("old-file", "old-folder"):
        os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    durable.sweep(tmp_path)
    durable.sweep(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["new-file"]
