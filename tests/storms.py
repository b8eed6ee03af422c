"""Writers that are killed: many processes write into one store, log what was acknowledged, and are ended at random.

`python -m tests.storms '<JSON of a Storm>'` runs one and prints what is left as JSON: what each worker had logged (and
synced) as acknowledged is looked for in the store, and the store is checked whole. It runs in a process of its own that
forks the writers, so that a kill costs no start-up.

Mutants break the way that files are written, to show that the storm would find it out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark import durable
from benchmark.store import Store
from benchmark.store_check import check
from tests.stores import KINDS, is_there, write_all, write_one

__all__ = ["MUTANTS", "Storm", "Wreck", "read_along", "run"]

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Storm:
    """What is to happen."""

    folder: str
    """Gets the store and the logs; empty or not there."""
    kills: int
    """At least; more where a busy machine lets the writers do next to nothing, up to twenty times as many."""
    least: int = 0
    """Acknowledgements without which it does not end."""
    writers: int = 8
    seconds: tuple[float, float] = (0.02, 0.12)
    """A writer is killed at a random time between these, after its start."""
    mutant: str = ""
    """One of MUTANTS; empty: the code as it is."""
    seed: int = 0
    until_broken: bool = False
    """End all writers again and again to look at the store, and stop where something is wrong."""


@dataclass(frozen=True)
class Wreck:
    """What is left of a storm."""

    kills: int
    n_acknowledged: int
    lost: tuple[str, ...]
    """What was acknowledged and cannot be read again."""
    broken: tuple[str, ...]
    """What the check of the store names as damaged or incomplete, and writers that failed by themselves."""
    n_staged: int
    """Files and folders that killed writers left in tmp/."""
    seconds: float

    @property
    def is_fine(self) -> bool:
        return not self.lost and not self.broken


def run(storm: Storm) -> Wreck:
    """Let writers write and be killed, then look for all that was acknowledged."""
    root, logs = Path(storm.folder) / "store", Path(storm.folder) / "logs"
    logs.mkdir(parents=True)
    Store(root).prepare()
    MUTANTS[storm.mutant]()
    draw, begun, number, kill = random.Random(storm.seed), time.monotonic(), 0, 0
    alive: dict[int, float] = {}
    died: list[str] = []
    try:
        while kill < storm.kills or (len(_acknowledged(logs)) < storm.least and kill < 20 * storm.kills):
            while len(alive) < storm.writers:
                child = _start(root, logs / str(number), number // 2, storm.mutant == "acknowledged early")
                alive[child] = time.monotonic() + draw.uniform(*storm.seconds)
                number += 1
            child = min(alive, key=lambda one: alive[one])
            time.sleep(max(0.0, alive.pop(child) - time.monotonic()))
            died += _end(child)
            kill += 1
            if storm.until_broken and kill % storm.writers == 0:
                died += [fault for child in alive for fault in _end(child)]
                alive.clear()
                if not _left(root, logs, kill, begun, died).is_fine:
                    break
    finally:
        for child in alive:
            died += _end(child)
    return _left(root, logs, kill, begun, died)


def _start(root: Path, log: Path, stream: int, is_early: bool) -> int:
    """Fork a writer; two of a stream write the very same things."""
    child = os.fork()
    if child:
        return child
    try:
        store = Store(root)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in range(stream * 10_000, (stream + 1) * 10_000):
            for kind in KINDS:
                acts: list[Callable[[], object]] = [
                    lambda kind=kind, number=number: write_one(store, kind, number, with_preview=False),  # type: ignore[misc]
                    lambda kind=kind, number=number: _log(handle, f"{kind} {number}\n"),  # type: ignore[misc]
                ]
                for act in reversed(acts) if is_early else acts:
                    act()
    except BaseException as fault:
        os.write(2, f"{fault!r}\n".encode())
    os._exit(1)


def _log(handle: int, line: str) -> None:
    os.write(handle, line.encode())
    os.fsync(handle)


def _end(child: int) -> list[str]:
    """Kill a writer; returns what is wrong about it."""
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return [] if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else ["a writer failed before it was killed"]


def _acknowledged(logs: Path) -> set[str]:
    """The whole lines of all logs; what two writers of a stream both acknowledged counts once."""
    lines = (line for log in logs.iterdir() for line in log.read_text().splitlines(keepends=True))
    return {line for line in lines if line.endswith("\n")}


def _left(root: Path, logs: Path, kills: int, begun: float, died: list[str]) -> Wreck:
    store = Store(root)
    acknowledged = sorted((kind, int(number)) for kind, number in (line.split() for line in _acknowledged(logs)))
    lost = tuple(f"{kind} {number}" for kind, number in acknowledged if not is_there(store, kind, number))
    found = [f"{one.path}: {one.what}" for one in check(store).findings if not one.is_harmless]
    n_staged = len(list(store.staging.glob("*")))
    return Wreck(kills, len(acknowledged), lost, (*died, *found), n_staged, round(time.monotonic() - begun, 1))


# Reading meanwhile

READ_ALONG = """
import sys, time
from benchmark.store import Store
from benchmark.store_check import check

root, seconds = sys.argv[1], float(sys.argv[2])
counts, rounds, end = [], 0, time.monotonic() + seconds
while time.monotonic() < end or rounds < 3:
    store = Store(root)
    digests = store.set_digests()
    sets = [store.read_set(digest).digest for digest in digests[-5:]]
    assert sets == digests[-5:]
    states = store.states()
    assert set(digests) <= set(states)
    counts.append((len(digests), len(store.results()), len(list(store.made_records())), len(states)))
    if rounds % 5 == 0:
        assert check(store).is_clean, check(store).findings
    rounds += 1
assert counts == sorted(counts) and all(list(column) == sorted(column) for column in zip(*counts)), counts
print(rounds, *counts[0], *counts[-1])
"""


def read_along(root: Path, seconds: float) -> tuple[int, int]:
    """Write for some seconds while another process reads all the time; returns its rounds, and the sets written.

    Raises RuntimeError where it met anything but a whole store that grew.
    """
    store, number = write_all(root, 0), 1
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", READ_ALONG, str(root), str(seconds)]
    reader = subprocess.Popen(
        command, cwd=REPOSITORY, env=alone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while reader.poll() is None:
        for kind in KINDS:
            write_one(store, kind, number, with_preview=False)
        if number % 10 == 0:
            store.collect()
        number += 1
        time.sleep(0.002)
    out, err = reader.communicate()
    if reader.returncode or err or out.split()[1] == out.split()[5]:
        raise RuntimeError(err or "nothing came while it read")
    return int(out.split()[0]), number


# Wrong ways to write


def _in_place() -> None:
    """Write straight into the target, in two steps as a long file would be."""

    def write(target: Path, content: bytes, staging: Path) -> bool:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as stream:
            for part in (content[: len(content) // 2], content[len(content) // 2 :]):
                stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
        return True

    durable.write_once = write
    durable.write_replacing = write  # type: ignore[assignment]


def _folder_by_folder() -> None:
    """Put the files of a folder in place one after another."""

    def place(staged: Path, target: Path) -> bool:
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(staged.iterdir()):
            os.replace(file, target / file.name)
            time.sleep(0.01)
        return True

    durable.place_folder = place


MUTANTS: dict[str, Callable[[], Any]] = {
    "": lambda: None,
    "in place": _in_place,
    "folder by folder": _folder_by_folder,
    "acknowledged early": lambda: None,
}
"""Ways to write, by name; the empty one is the code as it is."""

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asdict(run(Storm(**{**given, "seconds": tuple(given["seconds"])})))))
