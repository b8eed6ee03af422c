"""Runs what a table lacks, and reads what the store holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark import engine, keys, making, phases
from benchmark.estimate import Estimate
from benchmark.evaluator import accuracy_percent
from benchmark.reproduce.record import Measured
from benchmark.reproduce.tables import TableCell
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Cell, Made

__all__ = ["carry_out", "estimate", "stored"]


def estimate(runner: Runner, asked: Iterable[TableCell]) -> Estimate:
    """What `carry_out` would do and cost here; nothing is written."""
    return runner.estimate([], [], [cell for one in asked for cell in one.cells()])


def carry_out(runner: Runner, asked: Sequence[TableCell]) -> None:
    """Make the sets that are missing, and train the networks that are; what failed stands in the runner's report."""
    cells = [cell for one in asked for cell in one.cells()]
    made = runner.make(phases.made_in(cell.training for cell in cells))
    ready = [phases.with_sets(cell, made) for cell in cells]
    runner.train(engine.join(cell for cell in ready if not phases.made_in([cell.training])), "training")
    runner.workers.close()


def stored(store: Store, asked: TableCell) -> Measured | None:
    """What the store holds of a cell; None where a set or a network of it is missing."""
    found = {made: making.find(made, store) for made in asked.made()}
    known = {made: name for made, name in found.items() if name is not None}
    values, n_failed, numerics, seconds = [], 0, set(), 0.0
    for cell in (phases.with_sets(cell, known) for cell in asked.cells()):
        if phases.made_in([cell.training]):
            return None
        outcomes = engine.outcomes(cell, store)
        if len(outcomes) < len(cell.seeds):
            return None
        seconds += sum(_seconds(store, cell))
        numerics |= {outcome.numerics for outcome in outcomes}
        scores = [accuracy_percent(outcome) for outcome in outcomes]
        n_failed += scores.count(None)
        values.append(tuple(round(score, 4) for score in scores if score is not None))
    return Measured(
        request=asked.request,
        values=tuple(of_set for of_set in values if of_set),
        n_failed=n_failed,
        sets=tuple(known[made] for made in asked.made()),
        numerics=tuple(sorted(numerics)),
        distil_seconds=round(sum(_distil_seconds(store, known)), 1),
        train_seconds=round(seconds, 1),
        torch=_torch(),
    )


def _torch() -> str:
    """The version of torch, without what it was built for."""
    import torch

    return str(torch.__version__).partition("+")[0]


def _seconds(store: Store, cell: Cell) -> list[float]:
    names = [keys.outcome_name(cell.training, seed, probe) for seed in cell.seeds for probe in cell.probes]
    return [float(store.read_cost(name).get("seconds", 0.0)) for name in names]


def _distil_seconds(store: Store, known: dict[Made, str]) -> list[float]:
    """Of each set, as its card says."""
    return [float(store.read_card(name).cost.get("seconds") or 0.0) for name in dict.fromkeys(known.values())]
