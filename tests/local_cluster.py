"""A Dask cluster of processes on this machine: a scheduler and one-thread workers, on free ports of 127.0.0.1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LocalCluster", "started"]

ROOT = Path(__file__).resolve().parents[1]
ALONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
QUIET = ["--no-dashboard", "--host", "127.0.0.1"]


@dataclass
class LocalCluster:
    """What was started."""

    folder: Path
    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(
    folder: Path, n_workers: int, environment: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
) -> Iterator[LocalCluster]:
    """Start a cluster whose files lie in `folder`, and kill what is left of it at the end.

    Its processes know only this checkout's rooms, and see no GPU; `options` go to every worker. Workers may still be
    starting when this returns.
    """
    known = {**os.environ, **ALONE, "PYTHONPATH": str(ROOT), **(environment or {})}
    file = folder / "scheduler.json"
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with open(folder / f"{arguments[0]}-{len(processes)}.log", "wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{arguments[0]}", *arguments[1:], *QUIET]
            process = subprocess.Popen(
                command, cwd=folder, env=known, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        processes.append(process)
        return process

    try:
        # Should this process be killed, nothing stays for long: workers end with their scheduler.
        start("scheduler", "--port", "0", "--scheduler-file", str(file), "--idle-timeout", "600s")
        place = ("--scheduler-file", str(file), "--local-directory", str(folder))
        alone = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        workers = [start("worker", *place, *alone, *options) for _ in range(n_workers)]
        yield LocalCluster(folder, _address(file), workers)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _address(file: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError):  # not there yet, or not whole
            time.sleep(0.05)
    raise TimeoutError("the scheduler did not start")
