"""Every number behind the ranks as JSON: each board is one family of tests, with all p-values, alpha, tests and n.

docs/leaderboard.md states the fields. What is no finite number is null. Numbers are told to six digits; a pair's
difference is that of its lines' means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.rank_intervals import ALPHA, TEST, Comparisons
from benchmark.variance_components import components
from leaderboard.aggregates import AggregateBoard
from leaderboard.agreements import Agreed
from leaderboard.boards import Board
from leaderboard.costs import CostBoard
from leaderboard.equal_bytes import EqualBytes
from leaderboard.fronts import Front
from leaderboard.lines import Line

__all__ = ["FORMAT", "statistics_json"]

FORMAT = 1
"""Of statistics.json."""


def statistics_json(
    boards: Sequence[Board],
    equal_bytes: Sequence[EqualBytes] = (),
    fronts: Sequence[Front] = (),
    costs: Sequence[CostBoard] = (),
    aggregates: Sequence[AggregateBoard] = (),
    agreements: Sequence[Agreed] = (),
) -> bytes:
    """The content of statistics.json, ASCII, one board a line."""
    parts = {
        "boards": [_board(board, {}) for board in boards],
        "equal_bytes": [_board(board, {"budget": board.budget._asdict()}) for board in equal_bytes],
        "fronts": [_front(front) for front in fronts],
        "costs": [_cost(board) for board in costs],
        "aggregates": [_aggregate(board) for board in aggregates],
        "agreements": [_agreed(one) for one in agreements],
    }
    told = ",\n".join(
        f'"{name}": [' + ",".join("\n" + json.dumps(_plain(one), allow_nan=False) for one in items) + "\n]"
        for name, items in parts.items()
    )
    head = f'{{"format": {FORMAT}, "alpha": {ALPHA}, "test": {json.dumps(TEST)},\n'
    return (head + told + "}\n").encode("ascii")


def _board(board: Board | EqualBytes, more: dict[str, Any]) -> dict[str, Any]:
    return {
        **board.key._asdict(),
        **more,
        "unit": board.unit,
        "higher_is_better": board.higher_is_better,
        "n_tests": board.comparisons.n_tests,
        "lines": [_line(line) for line in (*board.lines, *board.references)],
        "pairs": _pairs(board.comparisons, [line.key.method for line in board.ranked]),
    }


def _line(line: Line) -> dict[str, Any]:
    cell, found = line.cell, components([one.values for one in line.cell.sets])
    return {
        **line.key._asdict(),
        "sets": list(cell.digests),
        "rank": line.rank,
        "rank_low": line.ranks[0] if line.ranks else None,
        "rank_high": line.ranks[1] if line.ranks else None,
        "not_ranked_because": line.unranked or None,
        "state": line.state,
        "reference": line.reference,
        "mean": cell.interval.mean,
        "low": cell.interval.low,
        "high": cell.interval.high,
        "sd": cell.interval.sd,
        "n": cell.interval.n,
        "n_counts": cell.over,
        "sd_distillation": found.distillation,
        "sd_seed": found.seed,
        "sd_training": found.training,
    }


def _pairs(tests: Comparisons, names: Sequence[str]) -> dict[str, Any]:
    """All tested pairs as columns; `first` and `second` count the ranked lines of the board from 0, in its order."""
    first, second = np.nonzero(np.triu(np.isfinite(tests.p)))
    columns = {
        "standard_error": tests.error,
        "degrees_of_freedom": tests.degrees,
        "p": tests.p,
        "p_holm": tests.adjusted,
    }
    found = {name: matrix[first, second].tolist() for name, matrix in columns.items()}
    paired = tests.paired[first, second].astype(int).tolist()
    return {"ranked": list(names), "first": first.tolist(), "second": second.tolist(), **found, "paired": paired}


def _front(front: Front) -> dict[str, Any]:
    points = [
        {**point.key._asdict(), "ipc": point.ipc, "mean": point.mean, "low": point.low, "high": point.high}
        | {"on_front": point.on_front}
        for point in front.points
    ]
    shares = [{"method": key.method, "preset": key.preset, "hypervolume": share} for key, share in front.by_method]
    return {**front.key._asdict(), "hypervolume": front.hypervolume, "points": points, "by_method": shares}


def _cost(board: CostBoard) -> dict[str, Any]:
    lines = [
        {
            **line.line.key._asdict(),
            "seconds": line.seconds.mean,
            "image_passes": line.image_passes.mean,
            "n": max(line.seconds.n, line.image_passes.n),
            "where": list(line.where),
            "break_even": line.break_even,
            "never": line.break_even == math.inf,
        }
        for line in board.lines
    ]
    passes = {"set_passes": board.set_passes, "full_passes": board.full_passes}
    return {**board.section._asdict(), **passes, "lines": lines}


def _aggregate(board: AggregateBoard) -> dict[str, Any]:
    tests = board.tests
    lines = [
        {
            **line.method._asdict(),
            "scores": list(line.scores),
            "interquartile_mean": line.found.mean if line.found else None,
            "low": line.found.low if line.found else None,
            "high": line.found.high if line.found else None,
            "over_tasks": list(line.found.wide) if line.found and line.found.wide else None,
            "rank": line.rank,
            "leave_one_task_out": list(line.leave_one_out) if line.leave_one_out else None,
            "mean_rank": line.mean_rank,
        }
        for line in board.lines
    ]
    told = tests and {"friedman_p": tests.friedman_p, "p": tests.p.tolist(), "p_holm": tests.adjusted.tolist()}
    return {
        **board.key._asdict(),
        "tasks": [task._asdict() for task in board.tasks],
        "not_normalised": [task._asdict() for task in board.not_normalised],
        "lines": lines,
        "tests": told,
        "no_tests_because": board.why_no_tests or None,
        "common": _aggregate(board.common) if board.common else None,
    }


def _agreed(one: Agreed) -> dict[str, Any]:
    methods = [
        {**line.key._asdict(), "means": list(line.means), "median": line.median, "worst": line.worst}
        | {"worst_column": line.worst_column}
        for line in one.methods
    ]
    found = {"kendall_w": one.found.w, "median_tau": one.found.median, "worst_tau": one.found.worst}
    return {
        "over": one.what,
        **one.key._asdict(),
        "columns": list(one.columns),
        **found,
        "least": list(one.least),
        "methods": methods,
    }


def _plain(value: Any) -> Any:
    """JSON without anything that is no finite number; six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
