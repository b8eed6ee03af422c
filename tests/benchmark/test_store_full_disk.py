"""A disk that is full at some point of the work: the store stays valid, the error is clear, and a second try works.

tests/evidence/store_full_disk.py does it at every point.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.full_disk import CannotMount, Trial, file_size_limits, free_blocks, free_inodes, small_disk


def held(trials: Iterator[Trial]) -> list[int]:
    """How many kinds of records were refused in each trial; all else must have gone well."""
    found = list(trials)
    assert [(trial.left, trial.wrong) for trial in found if trial.wrong] == []
    return [len(trial.refused) for trial in found]


def test_a_disk_without_space_keeps_what_it_has_and_takes_the_rest_later(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", megabytes=1) as disk:
            refused = held(free_blocks(disk, (0, 5, 60)))
    except CannotMount as reason:
        pytest.skip(f"no file system can be mounted here: {reason}")
    assert refused[0] == 4 and refused[-1] == 0 and refused == sorted(refused, reverse=True)


def test_a_disk_without_inodes_keeps_what_it_has_and_takes_the_rest_later(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", inodes=120) as disk:
            refused = held(free_inodes(disk, (0, 6, 40)))
    except CannotMount as reason:
        pytest.skip(f"no file system can be mounted here: {reason}")
    assert refused[0] == 4 and refused[-1] == 0


def test_a_limit_on_the_size_of_files_refuses_what_is_longer(tmp_path: Path) -> None:
    refused = held(file_size_limits(tmp_path / "limited", (0, 400, 100_000)))
    assert refused[0] == 4 and 0 < refused[1] < 4 and refused[-1] == 0
