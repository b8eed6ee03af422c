"""Published tables as committed TOML files: their cells, how each is made and scored here, and what was published.

Free of torch. docs/reproduction.md is written from these and from what was measured; docs/plans.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark import datasets, recipe, registry
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.values import Budget, Cell, Data, Json, Made, Probe, Real, Stage, Training, digest, to_json

__all__ = ["TABLES", "TIERS", "Number", "Table", "TableCell", "load", "names", "read"]

TABLES = Path(__file__).resolve().parents[1] / "tables"
TIERS = ("primary", "secondary", "figure-digitised")
"""Read where the authors say it; copied by a later paper; measured off a figure."""


@dataclass(frozen=True)
class Number:
    """One published number, in percent."""

    value: float
    source: str
    """Publication and table in which it was read."""
    tier: str
    sd: float | None = None
    """The published ±, a standard deviation; None where none is."""
    n: int = 5
    """What `sd` is over; 5 where the source does not say."""
    tolerance: float = 0.0
    """Of a number measured off a figure: how far it may be off."""
    not_comparable: str = ""
    """Why no verdict is possible whatever we measure, e.g. a maximum over several recipes."""


@dataclass(frozen=True)
class TableCell:
    """One cell: how it is made and scored here, and the numbers that were published for it."""

    name: str
    baseline: str
    dataset: str
    ipc: int
    recipe: str
    published: tuple[Number, ...]
    preset: str = "default"
    architecture: str = "convnet"
    n_sets: int = 1
    """Distillation seeds 0 … n - 1."""
    paired: bool = False
    """One network for each set, with the set's seed, in place of all of the recipe's seeds."""
    caveat: str = ""
    """How our cell differs from the published one; stands beside the verdict."""
    cost: str = ""
    """What the cell is expected to take, as measured or estimated; for those who choose what to run."""

    def made(self) -> tuple[Made, ...]:
        """The sets of the cell."""
        name = datasets.facts(self.dataset).name
        return tuple(
            Made(self.baseline, self.preset, Real(name), Budget(ipc=self.ipc), seed) for seed in range(self.n_sets)
        )

    def cells(self) -> tuple[Cell, ...]:
        """What is to be trained and measured, one for each set, in the order of `made`."""
        chosen, test = recipe.load(self.recipe), Probe("accuracy", Real(datasets.facts(self.dataset).name, "test"))
        return tuple(
            Cell(
                Training((Stage(Data((made,))),), self.architecture, chosen),
                (made.seed,) if self.paired else chosen.seeds(),
                (test,),
            )
            for made in self.made()
        )

    @cached_property
    def request(self) -> str:
        """A digest of what is asked for: what was measured under another request is no answer to this one."""
        from benchmark import baseline

        version = registry.version("baseline", self.baseline)
        preset = {k: v for k, v in baseline.presets(self.baseline).get(self.preset, {}).items()}
        return digest({"cells": [to_json(cell) for cell in self.cells()], "preset": preset, "version": version})

    def problem(self) -> str:
        """Why the cell cannot be run with the plug-ins that are here; empty where it can."""
        from benchmark import baseline

        if self.baseline not in registry.names("baseline"):
            return f"there is no baseline {self.baseline!r} here"
        known = baseline.presets(self.baseline)
        if self.preset not in known and set(known) != {"default"}:
            return f"baseline {self.baseline!r} has no preset {self.preset!r} here"
        return ""


@dataclass(frozen=True)
class Table:
    """A published table, or the part of one that can be compared."""

    name: str
    summary: str
    cells: tuple[TableCell, ...]
    note: str = ""
    """What a reader must know of the whole table."""

    def cell(self, name: str) -> TableCell:
        """The cell of this name; raises UsageError naming the nearest."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise unknown_name(f"cell of table {self.name!r}", name, [cell.name for cell in self.cells])


def names() -> list[str]:
    """Names of the committed tables."""
    return sorted(file.stem.replace("_", "-") for file in TABLES.glob("*.toml"))


def load(name: str) -> Table:
    """A committed table; raises UsageError for an unknown name."""
    if name not in names():
        raise unknown_name("table", name, names())
    return read(TABLES / f"{name.replace('-', '_')}.toml")


def read(file: Path) -> Table:
    """A table's file; raises InvalidInput naming the file, the cell and the field that is wrong."""
    content = registry.read_toml(file)
    try:
        extra = set(content) - {"summary", "note", "cell"}
        if extra:
            raise unknown_name("field", sorted(extra)[0], {"summary", "note", "cell"})
        cells = tuple(_cells(content.get("cell", [])))
        twice = [cell.name for i, cell in enumerate(cells) if cell.name in {other.name for other in cells[:i]}]
        if not cells or twice:
            raise InvalidInput(f"cell {twice[0]!r} stands there twice." if twice else "there is no [[cell]].")
    except (InvalidInput, UsageError) as fault:
        raise InvalidInput(f"{file}: {fault}") from fault
    return Table(file.stem.replace("_", "-"), str(content.get("summary", "")), cells, str(content.get("note", "")))


def _cells(found: Any) -> Iterator[TableCell]:
    for table in found:
        name = table.get("name", "?")
        try:
            numbers = tuple(_number(number) for number in table.get("published", []))
            if not numbers:
                raise InvalidInput("it has no [[cell.published]] number.")
            cell: TableCell = _filled(TableCell, {**table, "published": numbers})
            if cell.ipc < 1 or cell.n_sets < 1:
                raise InvalidInput(f"ipc = {cell.ipc} and n_sets = {cell.n_sets} must be 1 or more.")
            recipe.load(cell.recipe)
            datasets.facts(cell.dataset)
        except (InvalidInput, UsageError) as fault:
            raise InvalidInput(f"cell {name!r}: {fault}") from fault
        yield cell


def _number(table: Mapping[str, Any]) -> Number:
    number: Number = _filled(Number, table)
    if number.tier not in TIERS:
        raise unknown_name("tier", number.tier, TIERS)
    if number.sd is not None and number.sd <= 0:
        raise InvalidInput(f"sd is {number.sd}; it must be above 0, or left out.")
    return number


_TYPES = {"str": str, "int": int, "bool": bool, "float": float, "float | None": float, "tuple[Number, ...]": tuple}


def _filled(kind: Any, table: Json | Mapping[str, Any]) -> Any:
    """A dataclass from a table whose fields are checked by name and type."""
    known = {field.name: field for field in fields(kind)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise unknown_name("field", name, known)
        wanted = _TYPES[str(known[name].type)]
        values[name] = float(value) if wanted is float and type(value) is int else value
        if type(values[name]) is not wanted:
            raise InvalidInput(f"{name} is {value!r}; it must be of type {wanted.__name__}.")
    lacking = [name for name, field in known.items() if field.default is MISSING and name not in values]
    if lacking:
        raise InvalidInput(f"field {lacking[0]!r} is missing.")
    return kind(**values)
