"""Processes that write at once, are killed, and read meanwhile: nothing that was acknowledged is lost, nothing is torn.

tests/evidence/store_kill_storm.py does the same with hundreds of kills.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmark.store import Store
from benchmark.store_check import check
from tests.storms import MUTANTS, Storm, read_along

ROOT = Path(__file__).parents[2]
FolderMaker = Callable[..., Path]
ALONE = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def stormed(folder: Path, **changes: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.storms", json.dumps(asdict(Storm(str(folder), **changes)))]
    done = subprocess.run(command, cwd=ROOT, env=ALONE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_acknowledged_record_is_lost_to_kills_and_none_is_torn(tmp_path: Path) -> None:
    wreck = stormed(tmp_path / "storm", kills=24, least=20)
    assert (wreck["lost"], wreck["broken"]) == ([], [])
    assert wreck["kills"] >= 24 and wreck["n_acknowledged"] >= 20


@pytest.mark.parametrize("mutant", [name for name in MUTANTS if name])
def test_the_storm_finds_out_who_writes_wrongly(tmp_path: Path, mutant: str) -> None:
    wreck = stormed(tmp_path / "storm", kills=100, mutant=mutant, least=10_000, until_broken=True)
    assert wreck["lost"] if mutant == "acknowledged early" else wreck["broken"], mutant


RACE = """
import json, os, sys
from benchmark import cli, preview
from benchmark.store import Store

folder, store, out, n = *sys.argv[1:4], int(sys.argv[4])
ready, start = os.pipe()
children = []
for number in range(n):
    child = os.fork()
    if child == 0:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{out}/{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        os.read(ready, 1)
        try:
            cli.main(["submit", folder, "--store", store])
        except SystemExit as stopped:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(int(stopped.code or 0))
        os._exit(99)
    children.append(child)
os.write(start, b"x" * n)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def test_a_set_that_32_processes_submit_at_once_is_one_entry_and_all_succeed(
    tmp_path: Path, set_folder: FolderMaker
) -> None:
    (tmp_path / "out").mkdir()
    store = tmp_path / "store"
    command = [sys.executable, "-c", RACE, str(set_folder()), str(store), str(tmp_path / "out"), "32"]
    done = subprocess.run(command, cwd=ROOT, env=ALONE, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout) == [0] * 32, done.stderr
    (digest,) = Store(store).set_digests()
    assert Store(store).read_set(digest).digest == digest
    assert {file.read_text().strip() for file in (tmp_path / "out").glob("*.out")} == {digest}
    told = [file.read_text() for file in (tmp_path / "out").glob("*.err")]
    assert sum(text.startswith("stored. ") for text in told) == 1
    assert sum(text.startswith("already present. ") for text in told) == 31
    assert check(Store(store)).findings == [] and not list((store / "tmp").iterdir())


def test_a_reader_sees_a_store_grow_and_never_anything_broken(tmp_path: Path) -> None:
    rounds, n_sets = read_along(tmp_path, 1.0)
    assert rounds >= 3 and n_sets >= 2
