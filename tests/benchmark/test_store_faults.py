"""Wrong formats, unusual and impossible places, failing disks, a signal: a clear error, and the store stays valid."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import EnvironmentFault, InvalidInput, UsageError
from benchmark.store import MadeRecord, Store
from benchmark.synthetic_set import SyntheticSet
from tests.benchmark.store_records import KEY, NAME, files, outcome, row

SetMaker = Callable[..., SyntheticSet]
Listing = Callable[[Path], dict[str, str]]


# Formats and places


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, listing: Listing) -> None:
    (tmp_path / "FORMAT").write_text('{"format": 3}')
    before = listing(tmp_path)
    for root, fallbacks in ((tmp_path, []), (tmp_path / "local", [tmp_path])):
        with pytest.raises(EnvironmentFault, match=r"has format 3, this version knows 2. Fix: update"):
            Store(root, fallbacks)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("content", ["", "1", "{}", '{"format": "x"}', '{"format": null}', "\xff"])
def test_a_damaged_format_says_what_to_write(tmp_path: Path, content: str) -> None:
    (tmp_path / "FORMAT").write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r'FORMAT is damaged .* Fix: write \{"format": 2\} into it'):
        Store(tmp_path)


def test_a_store_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file is not a folder"):
        Store(tmp_path / "file")


def test_a_path_that_cannot_be_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"cannot read store .*too long"):
        Store(tmp_path / ("x" * 300))


def test_unusual_paths_work(tmp_path: Path, make_set: SetMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for place in ("relative", "~/store", "with spaces/and ünïcode", "[brackets]*?"):
        store = Store(place)
        digest = store.write_set(make_set())
        assert store.set_digests() == [digest] and store.read_set(digest).digest == digest
    assert (tmp_path / "home" / "store" / "FORMAT").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"relative", "home", "with spaces", "[brackets]*?"}


# Faults of the disk


def everything(store: Store, synthetic: SyntheticSet) -> None:
    """Write one of each kind of record."""
    digest = store.write_set(synthetic, b"picture")
    store.write_made(KEY, MadeRecord({"kind": "made"}, digest))
    store.write_outcome(NAME, None, outcome(), {})
    store.write_results("aa", {}, [row()])


@pytest.mark.parametrize("operation", ["fsync", "write", "rename", "replace", "mkdir"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_store_valid(
    tmp_path: Path, make_set: SetMaker, listing: Listing, operation: str, error: int
) -> None:
    store = Store(tmp_path / "store")
    everything(store, make_set())
    before = listing(store.root)

    def fails(*arguments: Any, **named: Any) -> Any:
        raise OSError(error, os.strerror(error))

    another = NAME.replace("-0-", "-1-")
    writes: list[Callable[[], object]] = [
        lambda: store.write_set(make_set(seed=1), b"picture"),
        lambda: store.write_made("cd" + KEY[2:], MadeRecord({"kind": "made"}, make_set().digest)),
        lambda: store.write_outcome("cd" + another[2:], None, outcome(), {}),
        lambda: store.write_results("cc", {}, [row(seed=1)]),
        lambda: store.work_folder("cd"),
        lambda: store.collect(),
    ]
    failed = 0
    for write in writes:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(os, operation, fails)
            try:
                write()
            except EnvironmentFault as fault:
                assert os.strerror(error) in str(fault)
                failed += 1
    assert failed
    assert files(store, "tmp/*") == []
    after = listing(store.root)
    assert {name: after[name] for name in before} == before, "what was there has changed"
    opened = Store(store.root)
    assert all(opened.read_set(digest).digest == digest for digest in opened.set_digests())
    assert opened.read_outcome(NAME) is not None and len(opened.results()) >= 1
    for write in writes:
        write()
    assert len(opened.set_digests()) == 2 and len(opened.results()) == 2
    assert opened.read_outcome("cd" + another[2:]) is not None


def test_a_store_that_may_not_be_written_is_an_environment_fault(tmp_path: Path, make_set: SetMaker) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "tmp").write_text("a file where the staging folder should be")
    with pytest.raises(EnvironmentFault, match=r"cannot write .*check the folder and its permissions, and try again"):
        Store(tmp_path / "store").write_set(make_set())


# Kills and races stand in test_store_crashes.py


def test_sigterm_in_the_middle_of_a_write_leaves_no_half(tmp_path: Path, make_set: SetMaker) -> None:
    store = Store(tmp_path / "store")

    def stopped(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stopped)

    def rename(*names: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(os, "rename", rename)
            store.write_set(make_set())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert store.set_digests() == [] and files(store, "tmp/*") == []
