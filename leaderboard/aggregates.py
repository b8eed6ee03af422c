"""Aggregates: methods over several tasks, a task being a dataset at one size, under one recipe on one architecture.

Scores are normalised: 0 is guessing, 1 the full data under the recipe's reference schedule. A method that misses a task
gets no aggregate and no rank; nothing is imputed. What all methods have in common is compared in its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchmark.across_tasks import (
    FEWEST_TASKS,
    AcrossTasks,
    Aggregate,
    across_tasks,
    aggregate,
    leave_one_out_ranks,
)
from leaderboard.boards import Board
from leaderboard.cells import Cell, group
from leaderboard.equal_bytes import METRIC
from leaderboard.facts import chance

__all__ = ["AggregateBoard", "AggregateKey", "AggregateLine", "Method", "TaskName", "aggregate_boards"]


class TaskName(NamedTuple):
    """A dataset at one size."""

    dataset: str
    ipc: int | None


class Method(NamedTuple):
    """What is one method over all tasks; bytes follow from the task."""

    method: str
    preset: str
    contributor: str
    distilled_on: str


class AggregateKey(NamedTuple):
    """What all boards under one aggregate share."""

    recipe: str
    track: str
    evaluator: str
    version: int | None
    metric: str
    architecture: str


@dataclass(frozen=True)
class AggregateLine:
    """One method over the tasks."""

    method: Method
    scores: tuple[float | None, ...]
    """Normalised mean of each task; None where it was not run."""
    found: Aggregate | None
    """None unless it has a value in every task, as are the next three."""
    rank: int | None
    """By the aggregate; 1 is best."""
    leave_one_out: tuple[int, int] | None
    """Best and worst rank when any one task is left out."""
    mean_rank: float | None


@dataclass(frozen=True)
class AggregateBoard:
    """All methods over all tasks of one key."""

    key: AggregateKey
    tasks: tuple[TaskName, ...]
    lines: tuple[AggregateLine, ...]
    """Best first, those without an aggregate last."""
    tests: AcrossTasks | None
    """Over the ranked methods, in the order of the lines: what the critical-difference diagram draws."""
    why_no_tests: str
    """Empty where there are tests."""
    common: AggregateBoard | None
    """The same over the tasks that every method has, where some method misses one and two tasks are left."""
    not_normalised: tuple[TaskName, ...] = ()
    """Tasks left out for want of a full-data reference."""

    @property
    def ranked(self) -> tuple[AggregateLine, ...]:
        return tuple(line for line in self.lines if line.rank is not None)


_Table = Mapping[Method, Mapping[TaskName, Sequence[float]]]
"""Normalised values, one for each set or seed."""


def aggregate_boards(found: Sequence[Board]) -> list[AggregateBoard]:
    """One aggregate for each recipe, track, evaluator and architecture with accuracy in two tasks or more."""
    plain = [board for board in found if board.key.metric == METRIC and board.unit == "percent"]
    by_key = group(plain, _key)
    return [one for key, boards in by_key.items() if (one := _aggregate_board(key, boards)) is not None]


def _key(board: Board) -> AggregateKey:
    key = board.key
    return AggregateKey(key.recipe, key.track, key.evaluator, key.version, key.metric, key.architecture)


def _aggregate_board(key: AggregateKey, boards: Sequence[Board]) -> AggregateBoard | None:
    table: dict[Method, dict[TaskName, Sequence[float]]] = {}
    tasks, without = [], []
    for board in boards:
        task = TaskName(board.key.dataset, board.key.ipc)
        floor, full = chance(task.dataset), next((one.cell for one in board.references if one.cell.sets), None)
        if floor is None or full is None or full.interval.mean <= floor:
            without.append(task)
            continue
        tasks.append(task)
        for method, cell in _once(board).items():
            table.setdefault(method, {})[task] = _normalised(cell, floor, full.interval.mean)
    if len(tasks) < 2 or not table:
        return None
    whole = _reduced(key, tuple(tasks), table, tuple(without))
    shared = tuple(task for task in tasks if all(task in values for values in table.values()))
    if len(shared) < 2 or len(shared) == len(tasks):
        return whole
    common = _reduced(key, shared, {m: {t: values[t] for t in shared} for m, values in table.items()}, ())
    return replace(whole, common=common)


def _once(board: Board) -> dict[Method, Cell]:
    """Ranked lines by method; one that stands on the board twice, or names no distillation seed, is left out."""
    lines = group(
        (line for line in board.ranked if not line.key.digest),
        lambda line: Method(line.key.method, line.key.preset, line.key.contributor, line.key.distilled_on),
    )
    return {method: members[0].cell for method, members in lines.items() if len(members) == 1}


def _normalised(cell: Cell, floor: float, full: float) -> list[float]:
    return [(value - floor) / (full - floor) for value in cell.units]


def _reduced(
    key: AggregateKey, tasks: tuple[TaskName, ...], table: _Table, without: tuple[TaskName, ...]
) -> AggregateBoard:
    whole = {
        method: [list(values[task]) for task in tasks]
        for method, values in table.items()
        if all(task in values for task in tasks)
    }
    found = {method: aggregate(values, [task.dataset for task in tasks]) for method, values in whole.items()}
    order = sorted(whole, key=lambda method: (-found[method].mean, method))
    left_out = dict(zip(order, leave_one_out_ranks([whole[method] for method in order]), strict=True))
    tests, why = _tests([whole[method] for method in order])
    mean_ranks = dict(zip(order, tests.mean_ranks if tests else [None] * len(order), strict=True))

    def line(method: Method) -> AggregateLine:
        scores = tuple(_mean(table[method].get(task)) for task in tasks)
        if method not in found:
            return AggregateLine(method, scores, None, None, None, None)
        rank = 1 + sum(other.mean > found[method].mean for other in found.values())
        return AggregateLine(method, scores, found[method], rank, left_out[method], mean_ranks[method])

    missing = sorted(set(table) - set(whole))
    return AggregateBoard(key, tasks, tuple(line(method) for method in [*order, *missing]), tests, why, None, without)


def _tests(methods: Sequence[Sequence[Sequence[float]]]) -> tuple[AcrossTasks | None, str]:
    """Tests over methods [tasks][values], or why there are none."""
    n_tasks = len(methods[0]) if methods else 0
    if len(methods) < 2:
        return None, "fewer than two methods stand in every task"
    if n_tasks < FEWEST_TASKS:
        return None, f"too few tasks: {n_tasks} of at least {FEWEST_TASKS}"
    return across_tasks(np.array([[math.fsum(values) / len(values) for values in tasks] for tasks in methods])), ""


def _mean(values: Sequence[float] | None) -> float | None:
    return math.fsum(values) / len(values) if values else None
