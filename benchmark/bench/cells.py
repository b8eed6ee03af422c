"""The cells of the bench: committed data, read into frozen values. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import datasets, recipe, registry
from benchmark.architectures import canonical
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.recipe import Recipe
from benchmark.values import Budget, Cell, Data, Images, Made, Probe, Real, Stage, Training

__all__ = ["QUICK", "QUICK_SEEDS", "BenchCell", "choose", "known"]

FILE = Path(__file__).with_name("cells.toml")
QUICK = 30
"""`--quick` divides the epochs by this."""
QUICK_SEEDS = 2


@dataclass(frozen=True)
class BenchCell:
    """One row of the page: a training, its seeds, what it is compared with, and the bar."""

    name: str
    title: str
    device: str
    """`cpu` or `cuda`: the kind of device that the bar is stated for."""
    dataset: str
    ipc: int
    architecture: str
    recipe: str
    reference: str
    """`loop`: the field's usual one; `tidy`: our eager loop over tensors."""
    bar: float
    """Reference over ours, whole cell, warm cache."""
    changes: tuple[tuple[str, Any], ...] = ()
    """Fields of the recipe that differ."""
    n_seeds: int = 5
    cut: int = 1
    """By how much the epochs are divided; 1: the full schedule."""

    def schedule(self) -> Recipe:
        """The recipe with the cell's changes, cut short where the cell is; a decay moves with the length."""
        changed = recipe.load(self.recipe).vary(**dict(self.changes))
        if self.cut == 1:
            return changed
        decays = tuple(max(1, decay // self.cut) for decay in changed.decay_epochs)
        return changed.vary(epochs=math.ceil(changed.epochs / self.cut), min_steps=0, decay_epochs=decays)

    @property
    def made(self) -> Made:
        """The set that is trained on."""
        return Made("random-real", "default", Real(self.dataset), Budget(ipc=self.ipc), seed=0)

    @property
    def test(self) -> Real:
        return Real(self.dataset, split="test")

    def asked(self, images: Images) -> Cell:
        """The cell as an evaluator would plan it: accuracy on the test split at the end."""
        training = Training((Stage(Data((images,))),), canonical(self.architecture), self.schedule())
        return Cell(training, tuple(range(self.n_seeds)), (Probe("accuracy", self.test),))

    def shortened(self) -> BenchCell:
        """The cell as `--quick` measures it."""
        return replace(self, cut=QUICK, n_seeds=min(self.n_seeds, QUICK_SEEDS))

    def missing_data(self) -> str:
        """What must be downloaded before the cell can be measured; empty where everything is here."""
        facts = datasets.facts(self.dataset)
        if facts.loader != "torchvision" or (datasets.data_root() / f"{self.dataset}.npz").exists():
            return ""
        command = f"distillbench distill random-real --dataset {self.dataset} --ipc 1"
        return f"{facts.title} is not in {datasets.data_root()}; `{command}` downloads it"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "changes": dict(self.changes)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> BenchCell:
        """Undo `to_json`; also reads a table of cells.toml with its name put in. Raises InvalidInput."""
        try:
            cell = cls(**{**stored, "changes": tuple(sorted(stored.get("changes", {}).items()))})
        except TypeError as fault:
            raise InvalidInput(f"bench cell {stored.get('name')!r}: {fault}.") from fault
        if cell.reference not in ("loop", "tidy") or cell.device not in ("cpu", "cuda"):
            raise InvalidInput(f"bench cell {cell.name!r}: reference is loop or tidy, device is cpu or cuda.")
        return cell


def known() -> dict[str, BenchCell]:
    """Every committed cell by its name, in the order of the file."""
    return {name: BenchCell.from_json({**table, "name": name}) for name, table in registry.read_toml(FILE).items()}


def choose(names: Iterable[str], device: str) -> list[BenchCell]:
    """The cells of these names, or all for this kind of device (`cpu` or `cuda`); raises UsageError."""
    cells = known()
    chosen = list(names)
    for name in chosen:
        if name not in cells:
            raise unknown_name("bench cell", name, cells)
        if cells[name].device != device:
            raise UsageError(
                f"the bar of {name!r} is stated for {cells[name].device}, and the device is {device}. "
                f"Use --device {cells[name].device}, or another cell (distillbench bench --list)."
            )
    return [cell for cell in cells.values() if cell.device == device and (not chosen or cell.name in chosen)]
