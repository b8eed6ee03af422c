"""The demo, run as a newcomer does: once undisturbed, and once killed at ten moments, each into an empty store.

Both must give the same rows and sets, and no finished block may be trained twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.evidence.bench import REPOSITORY, Bench, Finding

LIMIT = 120.0
"""Seconds that one undisturbed demo may take on 2 cores."""
TIMED_KILLS = 8
"""Kills at equal steps; two more fall into the building of the site."""


def measure(bench: Bench) -> Finding:
    folder = bench.folder / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = _undisturbed(folder / "first")
    moments = _killed(folder / "killed", seconds)
    first, killed = (_fingerprint(folder / name) for name in ("first", "killed"))
    trained = [json.loads(line)["block"] for line in (folder / "killed" / "trace").read_text().splitlines()]
    names = [name for block in trained for name in block]
    twice = len(names) - len(set(names))
    return Finding(
        bar="demo within 120 s; killed ten times and restarted: the same table and sets, no block trained twice",
        passed=seconds <= LIMIT and first == killed and twice == 0 and len(moments) == 10,
        value={
            "seconds": round(seconds, 1),
            "two stores identical": first == killed,
            "blocks trained twice": twice,
            "kills": moments,
        },
        n="1 undisturbed run, 1 run with 10 kills",
        spread="none: one time",
        details={"rows and sets": first, "trained": len(trained)},
    )


def _command(place: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "benchmark.cli",
        "demo",
        "--store",
        str(place / "store"),
        "--out",
        str(place / "site"),
    ]


def _environment(place: Path) -> dict[str, str]:
    return {**os.environ, "DISTILLBENCH_TRACE": str(place / "trace")}


def _undisturbed(place: Path) -> float:
    place.mkdir(parents=True)
    started = time.monotonic()
    with open(place / "log", "w") as log:
        subprocess.run(
            _command(place), cwd=REPOSITORY, env=_environment(place), stdout=log, stderr=subprocess.STDOUT, check=True
        )
    return time.monotonic() - started


def _killed(place: Path, whole: float) -> list[str]:
    """Kill at ten moments, then let it finish; returns where each kill fell."""
    place.mkdir(parents=True)
    moments = []
    for number in range(TIMED_KILLS + 2):
        with open(place / f"log-{number}", "w") as log:
            process = subprocess.Popen(
                _command(place), cwd=REPOSITORY, env=_environment(place), stdout=log, stderr=subprocess.STDOUT
            )
        if number < TIMED_KILLS:
            time.sleep(whole / TIMED_KILLS + 3)
        else:
            while process.poll() is None and "result rows" not in (place / f"log-{number}").read_text():
                time.sleep(0.02)
            time.sleep(0.5 * (number - TIMED_KILLS))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        lines = (place / f"log-{number}").read_text().strip().splitlines()
        ended = "killed" if process.returncode == -signal.SIGKILL else f"ended with {process.returncode}"
        moments.append(f"{ended} after: {lines[-1][:80] if lines else 'start'}")
    with open(place / "log-last", "w") as log:
        subprocess.run(
            _command(place), cwd=REPOSITORY, env=_environment(place), stdout=log, stderr=subprocess.STDOUT, check=True
        )
    return [moment for moment in moments if moment.startswith("killed")]


def _fingerprint(place: Path) -> dict[str, str]:
    """Hashes of the result table and of the set digests; pages also show seconds, which differ."""
    table = (place / "store" / "results.csv").read_bytes()
    sets = "\n".join(sorted(folder.name for folder in (place / "store" / "sets").iterdir()))
    return {
        "results.csv": hashlib.sha256(table).hexdigest(),
        "sets": hashlib.sha256(sets.encode()).hexdigest(),
    }
