"""Starts the child process that opens an author's files, and takes back what it read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.convert import _tree
from benchmark.errors import EnvironmentFault, InvalidInput

__all__ = ["Loaded", "load"]

SECONDS = 900
ROOT = Path(__file__).resolve().parents[2]
KEPT = ("LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")
"""What the child sees of the environment: no token that stands in it."""


@dataclass(frozen=True)
class Loaded:
    """One file, read."""

    name: str
    """Its file name, or the folder's."""
    kind: str
    """`torch`, `torch-legacy`, `npz`, `npy`, `flax`, `safetensors` or `folder`."""
    content: Any
    """Nested dicts, lists, plain values and arrays."""


def load(files: Sequence[Path], shape: tuple[int, int, int]) -> list[Loaded]:
    """Read files and image folders in a process with limits; raises InvalidInput saying what is wrong with them."""
    for file in files:
        if file.is_symlink():
            raise InvalidInput(f"{file} is a symbolic link. Fix: name the file itself.")
        if not file.exists():
            raise InvalidInput(f"{file} does not exist.")
    request = {"files": [str(file.absolute()) for file in files], "shape": list(shape)}
    with tempfile.TemporaryDirectory(prefix="distillbench-convert-") as place:
        _run(Path(place), json.dumps(request))
        found = _tree.read(Path(place))
    return [Loaded(Path(path).name, kind, content) for path, (kind, content) in found.items()]


def _run(place: Path, request: str) -> None:
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "benchmark.convert._child", str(place)]
    try:
        done = subprocess.run(
            command, input=request, env=environment, cwd=place, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as fault:
        raise InvalidInput(f"reading the files took more than {SECONDS} seconds; it was stopped.") from fault
    if done.returncode == 3:
        raise InvalidInput(_reason(done.stdout))
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InvalidInput(
            f"reading the files was stopped by {name}: they need more time, memory or space than their size explains, "
            "or are damaged. Fix: save images and labels alone."
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EnvironmentFault(f"the process that reads the files ended with {done.returncode}: {last[:300]}")


def _reason(answer: str) -> str:
    try:
        return str(json.loads(answer)["refused"])
    except (ValueError, KeyError, TypeError):
        return "the files were refused without a reason."
