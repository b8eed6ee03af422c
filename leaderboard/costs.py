"""Cost boards: what it took to make a set, and from how many trainings on it that has paid.

Seconds are comparable on one device alone; image passes, images that went through a network, everywhere. Break-even is
in passes: those of making the set, and of training the recipe's teacher where it has one, over those that each training
on the set saves against the recipe's full-data schedule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark import recipe as recipes
from benchmark.errors import DistillBenchError
from benchmark.recipe import Recipe
from benchmark.statistics import Interval, t_interval
from leaderboard.boards import Board, Section, primary
from leaderboard.facts import facts
from leaderboard.lines import Line
from leaderboard.sources import Card

__all__ = ["CostBoard", "CostLine", "Costs", "break_even", "cost_boards"]

Costs = Mapping[str, Sequence[Mapping[str, Any]]]
"""By set digest: what every request that gave this set has cost, as `MadeRecord.cost` states it."""


@dataclass(frozen=True)
class CostLine:
    """One method's cost."""

    line: Line
    """As it stands on the board that the section shows first."""
    seconds: Interval
    image_passes: Interval
    """Over the runs that made its sets; NaN where no cost is stated."""
    where: tuple[str, ...]
    """Devices or numerics that the seconds were measured on."""
    break_even: float | None
    """Trainings from which making the set has paid; infinite where it never does, None where it cannot be said."""


@dataclass(frozen=True)
class CostBoard:
    """What the sets of one section cost."""

    section: Section
    board: Board
    """Where the accuracies come from."""
    set_passes: int | None
    """Image passes of one training on a set of this size; None where its size is not told by images per class."""
    full_passes: int | None
    """Image passes of one training on the whole dataset, under the recipe's reference schedule."""
    lines: tuple[CostLine, ...]
    """Fewest passes first; what states no cost last."""


def cost_boards(found: Sequence[Board], cards: Mapping[str, Card], made: Costs | None = None) -> list[CostBoard]:
    """One board for each section in which some set states its cost; of a set without a record its card counts."""
    boards = [_cost_board(board, cards, made or {}) for board in primary(found)]
    return [board for board in boards if any(line.image_passes.n or line.seconds.n for line in board.lines)]


def break_even(made_passes: float, set_passes: int | None, full_passes: int | None) -> float | None:
    """Trainings after which the passes that were spent on making a set have been saved."""
    if set_passes is None or full_passes is None or math.isnan(made_passes):
        return None
    saved = full_passes - set_passes
    if made_passes == 0:
        return 0.0 if saved >= 0 else math.inf
    return float(math.ceil(made_passes / saved)) if saved > 0 else math.inf


def _cost_board(board: Board, cards: Mapping[str, Card], made: Costs) -> CostBoard:
    set_passes, full_passes, teacher_passes = _passes(board)
    lines = []
    for line in board.lines:
        stated = [cost for digest in line.cell.digests for cost in _stated(digest, cards, made)]
        seconds, passes = (t_interval(_numbers(stated, name)) for name in ("seconds", "image_passes"))
        where = sorted({str(cost.get("device") or cost.get("numerics") or "") for cost in stated} - {""})
        paid = break_even(passes.mean + teacher_passes, set_passes, full_passes)
        lines.append(CostLine(line, seconds, passes, tuple(where), paid))
    lines.sort(key=_cheapest)
    return CostBoard(board.key.section, board, set_passes, full_passes, tuple(lines))


def _cheapest(line: CostLine) -> tuple[bool, float]:
    return (line.image_passes.n == 0, line.image_passes.mean if line.image_passes.n else 0.0)


def _stated(digest: str, cards: Mapping[str, Card], made: Costs) -> Sequence[Mapping[str, Any]]:
    card = cards.get(digest)
    return made.get(digest) or ([card.part("cost")] if card else [])


def _numbers(stated: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    values: list[Any] = [cost.get(name) for cost in stated]
    return [float(value) for value in values if type(value) in (int, float) and 0 <= value < 1e18]


def _passes(board: Board) -> tuple[int | None, int | None, int]:
    """Image passes of one training on a set, on the whole dataset, and of the recipe's teacher, if it has one.

    None where they cannot be told.
    """
    known, plain = facts(board.key.dataset), _recipe(board.key.recipe)
    if known is None or plain is None:
        return None, None, 0
    n = None if board.key.ipc is None else board.key.ipc * len(known.classes)
    full = plain.on_full_data() if plain.reference else None
    full_passes = None if full is None else known.n_train * full.n_epochs(known.n_train)
    teacher_passes = full_passes if plain.teacher else None
    return None if n is None else n * plain.n_epochs(n), full_passes, teacher_passes or 0


def _recipe(name: str) -> Recipe | None:
    try:
        return recipes.load(name)
    except DistillBenchError:
        return None
