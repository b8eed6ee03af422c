"""Power cuts: what a disk may leave that forgets what was not synced, and never that something acknowledged is gone.

tests/evidence/store_power_loss.py cuts at every step.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import durable
from benchmark.store import Store
from tests.power import Disk, faults, killed_and_done_again, written, wrong_cuts
from tests.stores import KINDS, write_one


def all_wrong(disk: Disk, place: Path, every: int, draws: int) -> list[str]:
    ends = range(len(disk.steps), 0, -every)
    return [fault for _, found in wrong_cuts(disk, place, ends, draws) for fault in found]


def test_the_recorded_disk_is_the_real_one(tmp_path: Path) -> None:
    disk = written(tmp_path / "disk", collect=True)
    for node in range(len(disk.nodes)):  # as if all had been synced at last
        disk.steps.append(type(disk.steps[0])("sync", node))
    disk.after_a_cut(len(disk.steps), tmp_path / "copy", None)
    listings = [
        {file.relative_to(root): file.read_bytes() if file.is_file() else b"" for file in sorted(root.rglob("*"))}
        for root in (tmp_path / "disk", tmp_path / "copy")
    ]
    assert listings[0] == listings[1] and len(listings[0]) > 20
    assert faults(tmp_path / "copy", disk.marks(len(disk.steps))) == [] and len(disk.marks(len(disk.steps))) == 10


def test_a_power_cut_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    disk = written(tmp_path / "disk")
    assert all_wrong(disk, tmp_path / "left", every=9, draws=1) == []
    disk.after_a_cut(len(disk.steps) // 2, tmp_path / "left", None)
    store = Store(tmp_path / "left" / "store")
    for kind in KINDS:  # and work goes on
        write_one(store, kind, 7)
    assert faults(tmp_path / "left", [(kind, 7) for kind in KINDS]) == []


@pytest.mark.parametrize("forgets", ["files", "folders"])
def test_without_a_sync_the_cut_is_found_out(tmp_path: Path, forgets: str) -> None:
    disk = written(tmp_path / "disk", forgets, numbers=1)
    assert all_wrong(disk, tmp_path / "left", every=25, draws=1)


def after_a_name(tmp_path: Path) -> list[int]:
    """The calls that follow one which gave something its name, of the work of one number."""
    calls = written(tmp_path / "counted", numbers=1).calls
    return [at + 2 for at, name in enumerate(calls) if name in ("mkdir", "link", "rename", "replace")]


def test_what_a_killed_process_left_unsynced_is_synced_before_another_acknowledges_it(tmp_path: Path) -> None:
    for killed_at in after_a_name(tmp_path)[::4]:
        disk = killed_and_done_again(tmp_path / str(killed_at), killed_at)
        assert all_wrong(disk, tmp_path / "left", every=1000, draws=1) == [], killed_at


def test_a_process_that_takes_it_for_granted_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "settle", lambda file: None)
    for killed_at in after_a_name(tmp_path):
        disk = killed_and_done_again(tmp_path / str(killed_at), killed_at)
        marked = [at + 1 for at, step in enumerate(disk.steps) if step.kind == "mark"]
        if any(found for _, found in wrong_cuts(disk, tmp_path / "left", marked[:1], 0)):
            return
    raise AssertionError("nobody noticed")
