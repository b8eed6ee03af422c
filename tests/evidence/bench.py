"""What the bars share: a store of their own, running cells, and writing down what was found."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmark import datasets, engine
from benchmark.evaluator import accuracy_percent
from benchmark.progress import say
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Cell, Made, Stored

__all__ = ["Bench", "Finding", "NotHere", "device", "sitting", "spread", "write"]

REPOSITORY = Path(__file__).resolve().parents[2]
EVIDENCE = REPOSITORY / "docs" / "evidence"
REAL_DATA = REPOSITORY.parent / "shared" / "data"


class NotHere(Exception):
    """A bar cannot be measured on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Finding:
    """What one bar gave."""

    bar: str
    """The bar in words."""
    passed: bool | None
    """None: not all of it is measured yet."""
    value: Mapping[str, Any]
    n: str
    """What was repeated how often."""
    spread: str
    """What the spread in `value` is."""
    details: Mapping[str, Any] = field(default_factory=dict)


class Bench:
    """Runs cells for the bars, in the evidence store."""

    def __init__(self) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = Path(os.environ.get("DISTILLBENCH_EVIDENCE") or cache / "distillbench" / "evidence")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.folder / "store")
        self.runner = Runner(self.store, "auto")

    def data(self, name: str) -> None:
        """Make a dataset of ../shared/data loadable, where it is not already; raises NotHere."""
        root = datasets.data_root()
        if (root / f"{name}.npz").exists():
            return
        if "DISTILLBENCH_DATA" not in os.environ:
            root = self.folder / "data"
            os.environ["DISTILLBENCH_DATA"] = str(root)
        if not (REAL_DATA / "unpack.py").exists():
            raise NotHere(f"needs {name}.npz in the folder that DISTILLBENCH_DATA names")
        packed = name.replace("-", "_")
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as staging:
            subprocess.run([sys.executable, str(REAL_DATA / "unpack.py"), staging, packed], check=True)
            os.replace(Path(staging) / f"{packed}.npz", root / f"{name}.npz")

    def make(self, wanted: Sequence[Made]) -> dict[Made, Stored]:
        """Make what is missing; raises RuntimeError where a set could not be made."""
        found = self.runner.make(wanted)
        if len(found) < len(set(wanted)):
            raise RuntimeError("; ".join(self.runner.report.problems))
        return {made: Stored(digest) for made, digest in found.items()}

    def run(self, cells: Sequence[Cell]) -> None:
        """Train what is missing, with progress."""
        errors = self.runner.train(engine.join(cells), "training")
        if errors:
            raise RuntimeError("; ".join(errors.values()))

    def accuracy(self, cell: Cell) -> list[float]:
        """Accuracy in percent, one for each seed; the cell must have been run."""
        found = [accuracy_percent(outcome) for outcome in engine.outcomes(cell, self.store)]
        if len(found) < len(cell.seeds) or any(value is None for value in found):
            raise RuntimeError(f"an outcome is missing or failed: {found}")
        return [value for value in found if value is not None]


@contextmanager
def sitting(file: Path) -> Iterator[list[float]]:
    """The seconds of all sittings so far, this one added at its end, whatever that is."""
    sittings: list[float] = json.loads(file.read_text()) if file.exists() else []
    started = time.perf_counter()
    try:
        yield sittings
    finally:
        sittings.append(time.perf_counter() - started)
        file.write_text(json.dumps(sittings))


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Mean, sample standard deviation and n."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.fmean(values), 3), "sd": round(deviation, 3), "n": len(values)}


def write(name: str, finding: Finding) -> Path:
    """Write docs/evidence/<name>.json."""
    content = {
        "bar": finding.bar,
        "passed": finding.passed,
        "value": finding.value,
        "n": finding.n,
        "spread": finding.spread,
        "details": finding.details,
        "device": device(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__.partition("+")[0]},
        "command": f"python -m tests.evidence {name}",
    }
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    file = EVIDENCE / f"{name}.json"
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, file)
    verdict = {True: "holds", False: "MISSED", None: "not whole yet"}[finding.passed]
    say(f"{name}: {verdict}: {finding.bar}")
    return file


def device() -> str:
    """What this machine computes on, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = "unknown CPU"
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
