"""What the bench found: raw times in a JSON file, one entry a cell, and the numbers that follow from them.

Averages are made here, when the file is read; the file keeps every time. Imports no torch.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.bench.cells import BenchCell
from benchmark.durable import write_replacing
from benchmark.errors import InvalidInput, UsageError
from benchmark.values import Json

__all__ = ["FORMAT", "Measured", "Spread", "check_length", "merge", "read", "spread", "write"]

FORMAT = 1


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `n` values; no deviation below two."""

    mean: float
    sd: float | None
    n: int


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Measured:
    """One cell as it was measured; every list holds parts in the order in which they ran."""

    cell: BenchCell
    machine: Json
    operations: dict[str, int]
    """As `floor.operations_of` gives them."""
    reference: tuple[Json, ...]
    """One seed each: seconds, train_seconds, test_seconds, accuracy_percent."""
    cold: Json
    """All seeds by the engine, nothing compiled before."""
    warm: tuple[Json, ...]
    """The same again, each in a new process, with what the first one compiled. Run i stands beside reference i."""
    measured: str
    """The day, in UTC."""
    command: str

    @classmethod
    def from_json(cls, stored: Json) -> Measured:
        """Raises InvalidInput where the entry is not one of ours."""
        try:
            lists = {name: tuple(stored[name]) for name in ("reference", "warm")}
            return cls(**{**stored, **lists, "cell": BenchCell.from_json(stored["cell"])})
        except (TypeError, KeyError) as fault:
            raise InvalidInput(f"an entry of the bench's file is damaged: {fault}. Measure that cell again.") from fault

    def to_json(self) -> Json:
        lists = {name: list(getattr(self, name)) for name in ("reference", "warm")}
        plain = {name: getattr(self, name) for name in ("machine", "operations", "cold", "measured", "command")}
        return {"cell": self.cell.to_json(), **plain, **lists}

    def seconds(self, who: str, part: str = "seconds") -> Spread:
        """Seconds of all seeds, by `reference` or `ours` (warm). `part`: seconds, train_seconds, test_seconds.

        The reference trains seed after seed, so its mean is the sum over the seeds; its deviation is one seed's.
        """
        if who == "ours":
            return spread([run[part] for run in self.warm])
        found = spread([run[part] for run in self.reference])
        return Spread(found.mean * self.cell.n_seeds, found.sd, found.n)

    @property
    def ratio(self) -> float:
        """Reference over ours, whole cell, warm."""
        return self.seconds("reference").mean / self.seconds("ours").mean

    @property
    def ratios(self) -> tuple[float, float]:
        """Lowest and highest ratio of a reference seed, times the seeds, to the run of ours that followed it or, after
        the last of these, to that one."""
        ours = [run["seconds"] for run in self.warm]
        theirs = [self.cell.n_seeds * seed["seconds"] for seed in self.reference]
        found = [seconds / ours[min(turn, len(ours) - 1)] for turn, seconds in enumerate(theirs)]
        return min(found), max(found)

    @property
    def cold_ratio(self) -> float:
        return self.seconds("reference").mean / float(self.cold["seconds"])

    @property
    def rate(self) -> float:
        """Operations a second of the faster square matrix product, which sets the floor."""
        return max(float(self.machine["rates"][f"{kind} product"]) for kind in ("bfloat16", "float32"))

    def floor_seconds(self, part: str) -> float:
        """Seconds that all seeds need at that rate: `train`, or one pass over the test split each (`test`)."""
        return self.cell.n_seeds * self.operations[part] / self.rate

    def share(self, who: str, part: str) -> float:
        """Floor over time spent: 1 would be the machine's matrix rate without a pause."""
        return self.floor_seconds(part) / max(1e-9, self.seconds(who, f"{part}_seconds").mean)

    def accuracies(self, who: str) -> list[float]:
        """Percent, by seed."""
        if who == "ours":
            return [float(value) for value in self.warm[0]["accuracy_percent"]]
        return [float(run["accuracy_percent"]) for run in sorted(self.reference, key=lambda run: int(run["seed"]))]


def read(file: Path) -> dict[str, Measured]:
    """The cells of a file by name; none where there is no file. Raises InvalidInput for one that is not ours."""
    if not file.exists():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        number, cells = stored["format"], dict(stored["cells"])
    except (ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{file} is no file of the bench. Fix: move it away, or name another --out.") from fault
    if number != FORMAT:
        raise InvalidInput(f"{file} has format {number}, this version writes {FORMAT}. Fix: move it away.")
    return {name: Measured.from_json(entry) for name, entry in cells.items()}


def check_length(file: Path, cell: BenchCell) -> None:
    """Raise UsageError where the file holds cells that were cut shorter, or less, than this one."""
    other = next((known.cell for known in read(file).values() if known.cell.cut != cell.cut), None)
    if other is not None:
        words = ["full schedules" if one.cut == 1 else f"schedules cut to 1/{one.cut}" for one in (other, cell)]
        raise UsageError(f"{file} holds {words[0]}, and this run has {words[1]}. Name another folder with --out.")


def merge(file: Path, found: Measured) -> dict[str, Measured]:
    """Put a cell into the file, in place of an older one; returns all. Raises what `check_length` raises."""
    check_length(file, found.cell)
    cells = {**read(file), found.cell.name: found}
    write(file, cells)
    return cells


def write(file: Path, cells: Mapping[str, Measured]) -> None:
    """Write the whole file."""
    content = {"format": FORMAT, "cells": {name: cells[name].to_json() for name in sorted(cells)}}
    write_replacing(file, (json.dumps(content, indent=1) + "\n").encode(), file.parent)
