"""The power is cut at every step of some work on a store, and the disk forgets what was not synced, or parts of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmark import durable
from tests.evidence.bench import Bench, Finding
from tests.power import Disk, killed_and_done_again, written, wrong_cuts

DRAWS = 4
"""Cuts at each step besides the one that leaves nothing unsure."""


def measure(bench: Bench) -> Finding:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        folder = Path(place)
        plain = written(folder / "plain", collect=True)
        cuts, wrong = _cut(plain, folder, range(1, len(plain.steps) + 1), DRAWS)
        n_calls = len(written(folder / "counted", numbers=1).calls)
        killed_cuts, killed_wrong = _killed(folder / "killed", range(1, n_calls + 1))
        red = {forgets: bool(_mutant(folder / forgets, forgets)) for forgets in ("files", "folders")}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(durable, "settle", lambda file: None)
            red["what another left unsynced"] = bool(_killed(folder / "granted", range(1, n_calls + 1))[1])
    return Finding(
        bar="power loss: a replay of the recorded writes with the un-fsynced ones dropped, or any part of them kept in "
        "any order, is clean; red when the fsync of files, of folders, or of what a killed process left is taken out",
        passed=not wrong and not killed_wrong and all(red.values()),
        value={
            "cuts": cuts + killed_cuts,
            "wrong": len(wrong) + len(killed_wrong),
            "mutants found out": sum(red.values()),
        },
        n=f"{len(plain.steps)} steps of writing everything of two sets, {1 + DRAWS} cuts at each; {n_calls} places to "
        "kill a process at, another one then doing the same, with a cut right after each of its acknowledgements",
        spread="none: counts",
        details={"wrong": [*wrong[:10], *killed_wrong[:10]], "mutants": red},
    )


def _cut(disk: Disk, folder: Path, ends: range | list[int], draws: int) -> tuple[int, list[str]]:
    found = list(wrong_cuts(disk, folder / "left", ends, draws))
    return len(found), [f"step {end}: {fault}" for end, faults in found for fault in faults]


def _killed(folder: Path, places: range) -> tuple[int, list[str]]:
    """Kill a process at each place; cut the power after each acknowledgement of the one that comes after it."""
    folder.mkdir()
    cuts, wrong = 0, list[str]()
    for killed_at in places:
        disk = killed_and_done_again(folder / str(killed_at), killed_at)
        marked = [at + 1 for at, step in enumerate(disk.steps) if step.kind == "mark"]
        n, found = _cut(disk, folder, marked[-5:], 0)
        cuts += n
        wrong += [f"killed at call {killed_at}, {fault}" for fault in found]
    return cuts, wrong


def _mutant(folder: Path, forgets: str) -> list[str]:
    folder.mkdir()
    disk = written(folder / "disk", forgets, numbers=1)
    return _cut(disk, folder, range(1, len(disk.steps) + 1, 5), 1)[1]
