"""Worker processes: what they give back, and what happens when one dies or is orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmark.engine import Materials
from benchmark.errors import TrainingDiverged
from benchmark.store import Store
from benchmark.workers import Workers, cores

ORPHANS = """
import os, sys, time
import torch
from benchmark.engine import Materials
from benchmark.store import Store
from benchmark.workers import Workers

if __name__ == "__main__":
    workers = Workers(2, Materials(Store(sys.argv[1]), torch.device("cpu")))
    pool = workers._started()
    print(*[pool.submit(os.getpid).result() for _ in range(2)], flush=True)
    time.sleep(60)
"""


def double(materials: Materials, number: int) -> tuple[int, int]:
    if number == 3:
        raise TrainingDiverged("three")
    return 2 * number, torch.get_num_threads()


def die_in_a_worker(materials: Materials, parent: int) -> int:
    if os.getpid() != abs(parent):
        os._exit(9)
    return parent


def materials(folder: Path) -> Materials:
    return Materials(Store(folder), torch.device("cpu"))


def test_results_and_faults_come_back_with_their_items(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    found = {item: (result, fault) for item, result, fault in workers.map(double, [1, 2, 3])}
    workers.close()
    assert found[1] == ((2, 1), None) and found[2] == ((4, 1), None)
    assert found[3][0] is None and isinstance(found[3][1], TrainingDiverged)


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    workers = Workers(1, materials(tmp_path))
    assert [result for _, result, _ in workers.map(die_in_a_worker, [os.getpid()])] == [os.getpid()]
    assert workers._pool is None


def test_what_a_dead_worker_leaves_is_done_here(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    asked = [os.getpid(), -os.getpid()]
    assert sorted(result for _, result, _ in workers.map(die_in_a_worker, asked) if result) == sorted(asked)
    workers.close()


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert workers
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
