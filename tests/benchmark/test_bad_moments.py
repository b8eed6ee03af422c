"""Several who submit at once, and submitting that is stopped in the middle: the store is whole at every moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import submission
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet
from tests.benchmark.bad_inputs import (
    IMAGES,
    check_refusal,
    fine,
    hashes,
    with_tensors,
)

ROOT = Path(__file__).parents[2]
Command = Callable[..., Any]
SetMaker = Callable[..., SyntheticSet]


SUBMIT = """
import os, sys
from benchmark import cli
os.read(int(sys.argv[1]), 1)
cli.main(["submit", sys.argv[2], "--store", sys.argv[3], "--json"])
"""


def together(folders: list[Path], store: Path) -> list[tuple[int, Any]]:
    """Submit all at the same moment, a process each; exit codes and what was printed."""
    ready, start = os.pipe()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT, str(ready), str(folder), str(store)],
            cwd=ROOT,
            pass_fds=[ready],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    os.write(start, b"x" * len(folders))
    printed = [process.communicate(timeout=60) for process in running]
    os.close(ready)
    os.close(start)
    return [(process.returncode, json.loads(out)) for process, (out, _) in zip(running, printed, strict=True)]


def test_one_set_submitted_by_several_at_once_is_one_entry(stored: Path, tmp_path: Path) -> None:
    answers = together([fine(tmp_path / "my-set")] * 3, stored)
    assert [code for code, _ in answers] == [0] * 3
    assert sorted(answer["new"] for _, answer in answers) == [False, False, True]
    assert len(Store(stored).set_digests()) == 2 and list((stored / "tmp").iterdir()) == []


def test_another_set_of_the_same_method_and_seed_says_which_it_is(stored: Path, tmp_path: Path) -> None:
    first, second = fine(tmp_path / "first"), fine(tmp_path / "second")
    with_tensors(images=IMAGES[::-1].copy())(second)
    opened = Store(stored)
    submission.submit(first, opened)
    text = check_refusal(second, stored, "E404", 3, "card.json:distil_seed")
    assert 'Fix: give each draw its own "distil_seed", or say `--new-version`.' in text
    assert submission.submit(second, opened, new_version=True).is_new
    with_tensors(images=IMAGES[::-1].copy() * np.float32(0.9), card={"distil_seed": 1})(first)
    assert submission.submit(first, opened).is_new
    assert len(opened.set_digests()) == 4


def test_different_sets_of_one_name_at_once_are_whole_or_told(stored: Path, tmp_path: Path) -> None:
    folders = [fine(tmp_path / f"set-{i}") for i in range(2)]
    with_tensors(images=IMAGES[::-1].copy())(folders[1])
    answers = together(folders, stored)
    assert sorted(code for code, _ in answers) in ([0, 0], [0, 3])
    opened = Store(stored)
    assert len(opened.set_digests()) == 1 + sum(code == 0 for code, _ in answers)
    assert all(opened.read_set(digest).digest == digest for digest in opened.set_digests())


STOPPED = """
import os, signal, sys
from benchmark import cli, durable
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
real = durable._fsync_file
def stop(file):
    os.kill(os.getpid(), int(sys.argv[1]))
    real(file)
durable._fsync_file = stop
cli.main(["submit", sys.argv[2], "--store", sys.argv[3]])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_leaves_nothing_half_written(
    stored: Path, tmp_path: Path, number: int, code: int
) -> None:
    folder, before = fine(tmp_path / "my-set"), hashes(stored)
    command = [sys.executable, "-c", STOPPED, str(int(number)), str(folder), str(stored)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    after = hashes(stored)
    assert {n: w for n, w in after.items() if n not in ("sets", "tmp")} == {
        n: w for n, w in before.items() if n not in ("sets", "tmp")
    }
    assert submission.submit(folder, Store(stored)).is_new


def test_a_reader_that_left_gets_141_and_the_set_is_whole(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "benchmark.cli", "submit", str(folder), "--store", str(stored)]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 141 and "Traceback" not in done.stderr
    digest = submission.check(folder).digest
    assert Store(stored).read_set(digest).digest == digest
