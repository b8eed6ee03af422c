"""A store on a disk with room for nothing, for one block more, for two, and so on, and the same of inodes and sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.evidence.bench import Bench, Finding, NotHere
from tests.full_disk import CannotMount, Trial, file_size_limits, free_blocks, free_inodes, small_disk

BLOCKS, INODES = range(61), range(36)
LIMITS = range(0, 40_000, 500)


def measure(bench: Bench) -> Finding:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            with small_disk(folder / "blocks", megabytes=2) as disk:
                blocks = _counted(free_blocks(disk, BLOCKS))
            with small_disk(folder / "inodes", inodes=150) as disk:
                inodes = _counted(free_inodes(disk, INODES))
        except CannotMount as reason:
            raise NotHere(f"needs to mount a tmpfs: {reason}") from reason
        sizes = _counted(file_size_limits(folder / "sizes", LIMITS))
    found = {"blocks": blocks, "inodes": inodes, "file sizes": sizes}
    n_wrong = sum(len(one["wrong"]) for one in found.values())
    return Finding(
        bar="on a full disk the store is valid at every step, the error names the cause, a second try works",
        passed=n_wrong == 0 and all(one["refused"] and one["went through"] for one in found.values()),
        value={"wrong": n_wrong, "writes refused": sum(one["refused"] for one in found.values())},
        n=f"{len(BLOCKS)} disks with 0 to {BLOCKS[-1]} blocks of 4 KiB left, {len(INODES)} with 0 to {INODES[-1]} "
        f"inodes, {len(LIMITS)} limits on the size of files (RLIMIT_FSIZE); six writes on each, then again with room",
        spread="none: counts",
        details=found,
    )


def _counted(trials: Iterator[Trial]) -> dict[str, Any]:
    done = list(trials)
    return {
        "trials": len(done),
        "refused": sum(len(trial.refused) for trial in done),
        "went through": sum(not trial.refused for trial in done),
        "wrong": [f"{trial.left} left: {one}" for trial in done for one in trial.wrong],
    }
