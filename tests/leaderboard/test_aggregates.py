"""Aggregates over tasks: normalisation by hand, coverage, the common subset, and when tests are allowed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from benchmark.results import frame
from leaderboard.aggregates import AggregateBoard, aggregate_boards
from leaderboard.boards import boards
from leaderboard.sources import rows_of
from tests.leaderboard.conftest import PLAIN

DATASETS = ("digits", "mnist", "fashion-mnist", "svhn", "cifar10", "cifar100")


def results(levels: dict[str, dict[str, float]], full: float = 100.0) -> list[dict[str, Any]]:
    """Method -> dataset -> accuracy, three seeds each, and full data in every dataset."""
    rows = []
    for method, by_dataset in levels.items():
        for dataset, level in by_dataset.items():
            digest = hashlib.sha256(f"{(method, dataset)}".encode()).hexdigest()
            for seed, step in enumerate((-0.5, 0.0, 0.5)):
                rows.append({"method": method, "dataset": dataset, "set": digest, "seed": seed, "value": level + step})
    names = dict.fromkeys(name for by_dataset in levels.values() for name in by_dataset)
    shared = {"method": "full-data", "recipe": "standard-v1-lite/reference", "ipc": None, "set": "f" * 64}
    return [*rows, *({**shared, "dataset": name, "value": full} for name in names)]


def made(rows: list[dict[str, Any]]) -> list[AggregateBoard]:
    return aggregate_boards(boards(rows_of(frame([{**PLAIN, **row} for row in rows])), {}))


def test_scores_run_from_chance_to_full_data() -> None:
    [board] = made(results({"a": {"digits": 55.0, "cifar100": 50.5}, "b": {"digits": 10.0, "cifar100": 1.0}}))
    assert [task.dataset for task in board.tasks] == ["cifar100", "digits"]
    assert board.lines[0].scores == pytest.approx((0.5, 0.5))
    assert board.lines[1].scores == pytest.approx((0.0, 0.0))
    assert [(line.method.method, line.rank, line.leave_one_out) for line in board.lines] == [
        ("a", 1, (1, 1)),
        ("b", 2, (2, 2)),
    ]


def test_a_method_that_misses_a_task_has_no_aggregate_and_the_common_tasks_are_compared() -> None:
    whole = {name: 60.0 for name in DATASETS[:3]}
    [board] = made(results({"a": whole, "b": {**whole, "mnist": 70.0}, "c": {"digits": 90.0, "mnist": 90.0}}))
    assert [(line.method.method, line.rank) for line in board.lines] == [("b", 1), ("a", 2), ("c", None)]
    missing = board.lines[2]
    assert missing.found is None and missing.scores.count(None) == 1
    assert board.common is not None
    assert [task.dataset for task in board.common.tasks] == ["digits", "mnist"]
    assert [line.method.method for line in board.common.ranked] == ["c", "b", "a"]


def test_a_task_without_full_data_is_no_part_and_named() -> None:
    rows = results({"a": {name: 60.0 for name in DATASETS[:3]}})
    rows = [row for row in rows if not (row["method"] == "full-data" and row["dataset"] == "mnist")]
    [board] = made(rows)
    assert [task.dataset for task in board.tasks] == ["digits", "fashion-mnist"]
    assert [task.dataset for task in board.not_normalised] == ["mnist"]


def test_below_six_tasks_there_is_no_diagram_but_a_reason() -> None:
    [board] = made(results({m: {name: 60.0 + k for name in DATASETS[:5]} for k, m in enumerate("abc")}))
    assert board.tests is None and board.why_no_tests == "too few tasks: 5 of at least 6"


def test_from_six_tasks_up_the_diagram_has_ranks_and_ties() -> None:
    levels = {m: {name: 60.0 + k for name in DATASETS} for k, m in enumerate("abc")}
    [board] = made(results(levels))
    assert board.tests is not None and board.why_no_tests == ""
    assert [line.mean_rank for line in board.lines] == [1.0, 2.0, 3.0]
    assert board.tests.order == (0, 1, 2)
    assert board.tests.ties == ((0, 2),), "six tasks: p = 2/64 each, times three after Holm"


def test_a_method_twice_on_one_board_is_no_single_thing_to_aggregate() -> None:
    rows = results({"a": {"digits": 60.0, "mnist": 60.0}, "b": {"digits": 50.0, "mnist": 50.0}})
    twice = [{**row, "set": "e" * 64, "bytes": 9} for row in rows if row["method"] == "a" and row["dataset"] == "mnist"]
    [board] = made([*rows, *twice])
    assert {line.method.method: line.rank for line in board.lines} == {"b": 1, "a": None}


def test_one_task_makes_no_aggregate() -> None:
    assert made(results({"a": {"digits": 60.0}})) == []
