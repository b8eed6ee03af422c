"""Runs the parts of a cell one after another, reference and ours in turn, each in a process of its own.

What a part gave is written down at once, under a name that covers the cell, the machine and our own sources: a killed
bench goes on where it was, and never with times of other code. A cell that is complete is forgotten here.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import datasets
from benchmark.bench import floor
from benchmark.bench.cells import BenchCell
from benchmark.bench.record import Measured
from benchmark.durable import write_replacing
from benchmark.errors import DistillBenchError, EnvironmentFault
from benchmark.progress import Progress
from benchmark.values import Json

__all__ = ["Part", "Turns", "in_a_process", "parts", "work_folder"]

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("architectures", "augmentations", "bench", "engine", "probes", "recipes")
GUESSED_RATE = {"cpu": 1e11, "cuda": 3e12}
"""Operations a second of the reference, for the first guess of the time left; the run itself corrects it."""
GUESSED_RATIO = 8
START_SECONDS = 8.0
"""A new process: imports, and the dataset read."""

Tick = Callable[[float], None]
"""Told the seconds that a part has been running."""
Runner = Callable[[Json, Mapping[str, str], Tick], Json]


@dataclass(frozen=True)
class Part:
    """One process: `machine`, `cold`, `code`, or number i of `reference` and `warm`."""

    kind: str
    number: int = 0

    def request(self, cell: BenchCell, device: torch.device) -> Json:
        kind = "ours" if self.kind in ("cold", "warm") else self.kind
        return {"part": kind, "seed": self.number, "cell": cell.to_json(), "device": str(device)}


def parts(cell: BenchCell, repeats: int) -> Iterator[Part]:
    """The order of a cell: the machine's rates, ours with nothing compiled, what compiles it, then a seed of the
    reference and ours; at the end the machine's rates once more."""
    yield Part("machine")
    yield Part("cold")
    yield Part("code")
    for number in range(max(cell.n_seeds, repeats)):
        if number < cell.n_seeds:
            yield Part("reference", number)
        if number < repeats:
            yield Part("warm", number)
    yield Part("machine", 1)


def work_folder() -> Path:
    """Where unfinished cells are kept: a folder of the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distillbench" / "bench"


class Turns:
    """Measures cells on one device, with `repeats` warm runs of ours each."""

    def __init__(self, device: torch.device, repeats: int, run: Runner | None = None, work: Path | None = None) -> None:
        self.device, self.repeats = device, repeats
        self.run = run or in_a_process
        self.work = work or work_folder()
        self._operations: dict[str, dict[str, int]] = {}

    def left(self, cell: BenchCell) -> dict[Part, float]:
        """The parts of a cell that are not there yet, each with a rough guess of its seconds."""
        folder = self.folder(cell)
        left = (part for part in parts(cell, self.repeats) if _stored(folder, part) is None)
        return {part: self._guess(cell, part) for part in left}

    def measure(self, cell: BenchCell, progress: Progress, command: str) -> Measured:
        """Run what is missing of a cell; raises EnvironmentFault with the reason where a part fails."""
        folder, found = self.folder(cell), {}
        for part in parts(cell, self.repeats):
            known = _stored(folder, part)
            found[part] = known if known is not None else self._run(cell, part, folder, progress)
        _check_alike(cell.name, [value for part, value in found.items() if part.kind == "warm"], folder)
        return Measured(
            cell=cell,
            machine=_fastest(found[Part("machine")], found[Part("machine", 1)]),
            operations=self._operations_of(cell),
            reference=tuple(value for part, value in found.items() if part.kind == "reference"),
            cold=found[Part("cold")],
            warm=tuple(value for part, value in found.items() if part.kind == "warm"),
            measured=time.strftime("%Y-%m-%d", time.gmtime()),
            command=command,
        )

    def forget(self, cell: BenchCell) -> None:
        """Remove the parts of a cell whose record is written."""
        shutil.rmtree(self.folder(cell), ignore_errors=True)

    def folder(self, cell: BenchCell) -> Path:
        """Where the parts of a cell are kept: no two of other numerics, code or length share one."""
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else platform.processor()
        known = [cell.to_json(), str(self.device), device, platform.node(), torch.__version__, torch.get_num_threads()]
        text = json.dumps([*known, _sources()], sort_keys=True)
        return self.work / f"{cell.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def _run(self, cell: BenchCell, part: Part, folder: Path, progress: Progress) -> Json:
        guess, note = self._guess(cell, part), f"{cell.name}: {part.kind} {part.number}"
        compiled = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"), "TRITON_CACHE_DIR": str(folder / "triton")}
        if part.kind == "cold":
            for place in compiled.values():
                shutil.rmtree(place, ignore_errors=True)
        environment = compiled if part.kind in ("cold", "code", "warm") else {}
        found = self.run(
            part.request(cell, self.device),
            environment,
            lambda seconds: progress.within(min(0.95, seconds / guess), guess, note),
        )
        if part.kind == "reference":
            _check_threads(found, _stored(folder, Part("machine")) or {})
        if self.folder(cell) != folder:
            raise EnvironmentFault(f"{cell.name}: the code changed while it was measured. Run the same command again.")
        write_replacing(_file(folder, part), json.dumps(found).encode(), folder)
        progress.advance(guess, note)
        return found

    def _operations_of(self, cell: BenchCell) -> dict[str, int]:
        """Counted once a cell."""
        if cell.name not in self._operations:
            self._operations[cell.name] = floor.operations_of(cell, datasets.facts(cell.dataset))
        return self._operations[cell.name]

    def _guess(self, cell: BenchCell, part: Part) -> float:
        operations = self._operations_of(cell)
        seed = (operations["train"] + 2 * operations["test"]) / GUESSED_RATE[self.device.type]
        ours = cell.n_seeds * seed / GUESSED_RATIO
        work = {"machine": 3.0, "reference": seed, "cold": ours + 20, "code": 20.0, "warm": ours}
        return START_SECONDS + work[part.kind]


def _file(folder: Path, part: Part) -> Path:
    return folder / f"{part.kind}-{part.number}.json"


def _fastest(first: Json, last: Json) -> Json:
    """The machine with the better of its rates: what somebody else took of it for a moment is no floor."""
    return {**first, "rates": {kind: max(rate, last["rates"][kind]) for kind, rate in first["rates"].items()}}


def _check_alike(name: str, runs: Sequence[Json], folder: Path) -> None:
    """Raises DistillBenchError where runs of ours gave different networks under the same numerics."""
    by_numerics: dict[str, list[Any]] = {}
    for run in runs:
        by_numerics.setdefault(run["numerics"], []).append(run["accuracy_percent"])
    differing = [text for text, found in by_numerics.items() if any(one != found[0] for one in found)]
    if differing:
        raise DistillBenchError(
            f"{name}: runs of the engine gave different accuracies under {differing[0]}, which is a defect of it. "
            f"Please report it. Delete {folder} to measure anew."
        )


def _check_threads(reference: Json, machine: Json) -> None:
    """Raises EnvironmentFault where the reference had not all that the machine gives a process."""
    found, wanted = reference.get("threads"), machine.get("threads")
    if found is not None and found != wanted:
        raise EnvironmentFault(f"the reference ran with {found} threads, where a process here has {wanted}.")


def _stored(folder: Path, part: Part) -> Json | None:
    """What a part gave before; what the cold one compiled lies in the same folder."""
    file = _file(folder, part)
    if not file.exists():
        return None
    found: Json = json.loads(file.read_text(encoding="utf-8"))
    return found


def _sources() -> str:
    """A digest of our code that a time depends on."""
    files = [*(ROOT / "benchmark").glob("*.py")]
    for name in SOURCES:
        files += [file for file in (ROOT / "benchmark" / name).rglob("*") if file.suffix in (".py", ".toml")]
    ignored = {"page.py", "figure.py", "command.py", "cli.py"}
    texts = [file.read_bytes() for file in sorted(files) if file.name not in ignored]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def in_a_process(request: Json, environment: Mapping[str, str], tick: Tick) -> Json:
    """Carry a request out in a new process; it ends with this one. Raises EnvironmentFault with its last words."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmark.bench.parts"]
    started = time.monotonic()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, **environment, "PYTHONPATH": paths},
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        while process.poll() is None:
            tick(time.monotonic() - started)
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                continue
        lines = process.stdout.read().decode().strip().splitlines()
        if process.returncode != 0 or not lines:
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
            raise EnvironmentFault(f"{request['cell']['name']}, {request['part']}: {words[-1]}")
    found: Json = json.loads(lines[-1])
    return found
