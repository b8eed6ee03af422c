"""Eight processes that write sets and records into one store and are killed by the hundred; a reader beside writers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.evidence.bench import REPOSITORY, Bench, Finding
from tests.storms import MUTANTS, Storm, read_along

KILLS = 600
MUTANT_KILLS = 400
READ_SECONDS = 30.0


def measure(bench: Bench) -> Finding:
    folder = bench.folder / "store-kill-storm"
    shutil.rmtree(folder, ignore_errors=True)
    storm = _stormed(folder / "storm", kills=KILLS, least=2000)
    mutants = {
        name: _stormed(folder / name, kills=MUTANT_KILLS, least=100_000, mutant=name, until_broken=True)
        for name in MUTANTS
        if name
    }
    rounds, n_sets = read_along(folder / "read", READ_SECONDS)
    shutil.rmtree(folder)
    red = {name: bool(wreck["lost"] or wreck["broken"]) for name, wreck in mutants.items()}
    fine = storm["kills"] >= 500 and not storm["lost"] and not storm["broken"]
    return Finding(
        bar="kill storm: 8 submitting processes, at least 500 SIGKILLs: 0 acknowledged records lost, 0 corrupt, fsck "
        "clean; red when records are written in place, put in place in parts, or acknowledged before they are in place",
        passed=fine and all(red.values()),
        value={
            "kills": storm["kills"],
            "acknowledged": storm["n_acknowledged"],
            "lost": len(storm["lost"]),
            "corrupt": len(storm["broken"]),
        },
        n=f"1 storm of {KILLS} kills, each 20 to 120 ms after its process began; pairs of processes write the same",
        spread="none: counts",
        details={
            "staged files left, which gc clears": storm["n_staged"],
            "seconds": storm["seconds"],
            f"reader during {READ_SECONDS:.0f} s of writes": {
                "rounds of reading everything": rounds,
                "sets written meanwhile": n_sets,
                "exceptions": 0,
            },
            "mutants": {
                name: {"kills": one["kills"], "lost": len(one["lost"]), "corrupt": len(one["broken"])}
                for name, one in mutants.items()
            },
        },
    )


def _stormed(folder: Path, **changes: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.storms", json.dumps(asdict(Storm(str(folder), **changes)))]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=alone, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
