"""Cells and boards: the unit of a claim, ranks, what is kept apart, references."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import scipy.stats

from benchmark.results import frame
from leaderboard.boards import Board, boards, primary, sections
from leaderboard.sources import Card, rows_of
from tests.leaderboard.conftest import PLAIN

A, B, C = "a" * 64, "b" * 64, "c" * 64


def make(rows: list[dict[str, Any]], cards: Mapping[str, Card] | None = None) -> list[Board]:
    return boards(rows_of(frame([{**PLAIN, **row} for row in rows])), cards or {})


def seeds(values: list[float], **same: Any) -> list[dict[str, Any]]:
    return [{**same, "seed": seed, "value": value} for seed, value in enumerate(values)]


def test_with_several_sets_the_interval_is_over_their_means() -> None:
    rows = [
        *seeds([80, 82], set=A, distil_seed=0),
        *seeds([84, 86], set=B, distil_seed=1),
        *seeds([91, 93], set=C, distil_seed=2),
    ]
    [board] = make(rows)
    [line] = board.lines
    interval = line.cell.interval
    half = 4.302652730 * math.sqrt(31) / math.sqrt(3)  # set means 81, 85, 92: variance (25 + 1 + 36) / 2
    assert (line.cell.over, interval.n, interval.mean) == ("sets", 3, 86.0)
    assert interval.sd == pytest.approx(math.sqrt(31))
    assert (interval.low, interval.high) == pytest.approx((86 - half, 86 + half))


def test_with_one_set_the_interval_is_over_its_training_seeds() -> None:
    [board] = make(seeds([80, 82, 87], set=A))
    cell = board.lines[0].cell
    assert (cell.over, cell.interval.n, cell.interval.mean) == ("seeds", 3, 83.0)
    assert cell.interval.sd == pytest.approx(math.sqrt(13))


def test_two_sets_have_no_interval() -> None:
    [board] = make([*seeds([80, 82], set=A, distil_seed=0), *seeds([84, 86], set=B, distil_seed=1)])
    interval = board.lines[0].cell.interval
    assert (interval.n, interval.mean, interval.bounded) == (2, 83.0, False)


def test_a_failed_row_is_counted_and_its_reason_kept_but_no_part_of_the_mean() -> None:
    bad = {"set": A, "seed": 2, "value": None, "status": "failed", "condition": "the loss is no number"}
    [board] = make([*seeds([80, 82], set=A), bad])
    cell = board.lines[0].cell
    assert cell.interval.mean == 81.0
    assert cell.counts == {"ok": 2, "failed": 1}
    assert cell.reasons == (("failed", "the loss is no number"),)


def test_a_line_without_a_value_stands_last_without_a_rank() -> None:
    skipped = {"method": "z", "set": B, "value": None, "status": "skipped", "condition": "input too small"}
    [board] = make([skipped, *seeds([50], set=A)])
    assert [(line.key.method, line.rank) for line in board.lines] == [("dm", 1), ("z", None)]


def test_ranks_follow_the_means_and_equal_means_share_one() -> None:
    levels = {"a": 70.0, "b": 90.0, "c": 70.0, "d": 60.0}
    [board] = make([{"method": name, "value": value, "set": name * 64} for name, value in levels.items()])
    assert [(line.key.method, line.rank) for line in board.lines] == [("b", 1), ("a", 2), ("c", 2), ("d", 4)]


def test_where_lower_is_better_the_lowest_stands_first() -> None:
    loss: dict[str, Any] = {"metric": "loss", "higher_is_better": False}
    [board] = make(
        [{**loss, "method": name, "set": name * 64, "value": value} for name, value in (("a", 0.5), ("b", 0.2))]
    )
    assert [(line.key.method, line.rank) for line in board.lines] == [("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("dataset", "mnist"),
        ("ipc", 10),
        ("track", "soft"),
        ("evaluator", "another"),
        ("version", 2),
        ("recipe", "dc-2021"),
        ("architecture", "mlp"),
        ("metric", "loss"),
    ],
)
def test_rows_that_differ_in_what_is_measured_never_share_a_board(column: str, other: Any) -> None:
    found = make([{"set": A}, {"set": B, "distil_seed": 1, column: other}])
    assert len(found) == 2
    assert all(len(board.lines) == 1 for board in found)


@pytest.mark.parametrize("field", ["preset", "contributor", "distilled_on"])
def test_sets_that_differ_in_more_than_the_seed_are_lines_of_their_own(field: str) -> None:
    cards = {A: Card({field: "one"}), B: Card({field: "two"})}
    [board] = make([{"set": A, "distil_seed": 0}, {"set": B, "distil_seed": 1}], cards)
    assert len(board.lines) == 2
    [pooled] = make([{"set": A, "distil_seed": 0}, {"set": B, "distil_seed": 1}], {A: cards[A], B: cards[A]})
    assert len(pooled.lines) == 1


def test_sets_of_different_bytes_are_lines_of_their_own() -> None:
    [board] = make([{"set": A, "bytes": 1}, {"set": B, "bytes": 2, "distil_seed": 1}])
    assert len(board.lines) == 2


def test_sets_that_name_no_distillation_seed_are_never_pooled() -> None:
    [board] = make([{"set": A, "distil_seed": None}, {"set": B, "distil_seed": None}])
    assert [line.key.digest for line in board.lines] == [A, B]


def test_full_data_stands_beside_the_ranks_of_every_size_and_track() -> None:
    reference = {"method": "full-data", "recipe": "standard-v1-lite/reference", "set": C, "ipc": None, "value": 98.0}
    found = make([{"set": A}, {"set": B, "ipc": 10}, {"set": B, "track": "soft"}, reference])
    assert len(found) == 3
    for board in found:
        assert [line.key.method for line in board.lines] == ["dm"]
        assert [(line.key.method, line.rank, line.reference) for line in board.references] == [
            ("full-data", None, True)
        ]


@pytest.mark.parametrize("change", [{"recipe": "dc-2021/reference"}, {"architecture": "mlp"}, {"dataset": "mnist"}])
def test_a_reference_of_another_recipe_architecture_or_dataset_stands_elsewhere(change: dict[str, Any]) -> None:
    reference = {"method": "full-data", "recipe": "standard-v1-lite/reference", "set": C, "ipc": None, **change}
    [board] = make([{"set": A}, reference])
    assert board.references == ()


def test_rows_under_a_condition_are_on_no_board() -> None:
    assert make([{"set": A, "condition": "dsa", "evaluator": "augmentation"}]) == []


def test_boards_stand_in_order_of_size_as_a_number() -> None:
    found = make([{"set": A, "ipc": ipc} for ipc in (50, None, 1, 10)])
    assert [board.key.ipc for board in found] == [1, 10, 50, None]


def test_the_board_of_most_methods_is_shown_first() -> None:
    rows = [{"set": A, "architecture": "alexnet"}, {"set": A}, {"set": B, "method": "herding"}]
    found = make(rows)
    assert len(sections(found)) == 1
    assert [board.key.architecture for board in primary(found)] == ["convnet"]


def test_distillation_seeds_that_gave_one_set_count_once() -> None:
    made = [seeds([80, 82, 84], set=A, distil_seed=seed) for seed in (2, 0, 1)]
    [board] = make([row for rows in made for row in rows])
    [line] = board.lines
    assert (line.cell.over, line.cell.interval.n, line.cell.counts) == ("seeds", 3, {"ok": 3})


def test_of_boards_with_as_many_values_the_usual_architecture_is_shown_first() -> None:
    failed = [
        {"set": name * 64, "method": name, "architecture": "alexnet", "value": None, "status": "skipped"}
        for name in "ab"
    ]
    found = make([*failed, {"set": A, "architecture": "a"}, {"set": A}])
    assert [board.key.architecture for board in primary(found)] == ["convnet"]


def test_no_rows_make_no_boards() -> None:
    assert make([]) == []


def test_a_set_that_is_better_than_full_data_is_marked_and_a_near_one_is_not() -> None:
    full = seeds([97.0, 97.2, 96.8], set=C, method="full-data", recipe="standard-v1-lite/reference", ipc=None)
    leaked, near = seeds([99.5, 99.6, 99.4], set=A, method="leak"), seeds([97.1, 97.3, 96.9], set=B, method="near")
    [board] = make([*full, *leaked, *near])
    assert {line.key.method: line.above_reference for line in board.lines} == {"leak": True, "near": False}
    [alone] = make(leaked)
    assert not alone.lines[0].above_reference, "there is no reference to be above"
    [other] = make([{**row, "metric": "worst_class_accuracy"} for row in (*full, *leaked)])
    assert not other.lines[0].above_reference


def test_a_control_has_no_rank_and_takes_none() -> None:
    [board] = make([{"set": A, "method": "noise", "value": 99.0}, {"set": B, "method": "dm", "value": 90.0}])
    assert {line.key.method: line.rank for line in board.lines} == {"noise": None, "dm": 1}


def stated(state: str, reason: str = "") -> Any:
    return SimpleNamespace(state=state, reason=reason)


def with_states(rows: list[dict[str, Any]], states: Mapping[str, Any], cards: Mapping[str, Card]) -> list[Board]:
    return boards(rows_of(frame([{**PLAIN, **row} for row in rows])), cards, states)


def test_ranks_come_with_the_interval_that_the_tests_leave_open() -> None:
    rows = [
        *seeds([90.0, 90.3, 89.9], set=A, method="clear"),
        *seeds([70.1, 70.0, 70.4], set=B, method="tied"),
        *seeds([70.0, 70.2, 70.2], set=C, method="near"),
        {"set": "d" * 64, "method": "single", "value": 60.0},
    ]
    [board] = make(rows)
    assert [(line.key.method, line.rank, line.ranks) for line in board.lines] == [
        ("clear", 1, (1, 2)),  # one value is in no test, so it might be better than all
        ("tied", 2, (2, 4)),
        ("near", 3, (2, 4)),
        ("single", 4, (1, 4)),
    ]
    assert board.comparisons.n_tests == 3


def test_the_difference_to_the_best_carries_its_p_before_and_after_holm() -> None:
    values = {"a": [90.0, 90.3, 89.9], "b": [80.1, 80.3, 80.4], "c": [80.0, 80.2, 80.2]}
    [board] = make([row for name in values for row in seeds(values[name], set=name * 64, method=name)])
    best, second, third = board.lines
    assert best.gap is None and second.gap is not None and third.gap is not None
    worst_first = sorted((found.gap for found in board.lines if found.gap), key=lambda gap: -gap.p)
    between = float(board.comparisons.p[1, 2])
    theirs = scipy.stats.ttest_rel(values["c"], values["a"])
    assert third.gap.p == pytest.approx(theirs.pvalue)
    assert (third.gap.low, third.gap.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert third.gap.mean == pytest.approx(third.cell.interval.mean - best.cell.interval.mean)
    assert between > worst_first[0].p
    assert worst_first[1].adjusted == pytest.approx(3 * worst_first[1].p)
    assert worst_first[0].adjusted == pytest.approx(max(2 * worst_first[0].p, 3 * worst_first[1].p))


@pytest.mark.parametrize("state", ["refused", "needs-review", "retracted", "superseded"])
def test_a_set_that_its_state_takes_out_stays_visible_last_and_unranked(state: str) -> None:
    rows = [*seeds([99, 99.1, 98.9], set=A, method="out"), *seeds([70, 71, 72], set=B, method="in")]
    [board] = with_states(rows, {A: stated(state, "holds test images")}, {})
    assert [(line.key.method, line.rank, line.unranked, line.reason) for line in board.lines] == [
        ("in", 1, "", ""),
        ("out", None, state, "holds test images"),
    ]
    assert board.comparisons.n_tests == 0


def test_a_disputed_set_is_ranked_and_says_so() -> None:
    [board] = with_states(seeds([70, 71, 72], set=A), {A: stated("disputed", "cannot be made again")}, {})
    assert [(line.rank, line.state, line.reason) for line in board.lines] == [(1, "disputed", "cannot be made again")]


def test_a_retracted_set_leaves_the_line_of_its_method() -> None:
    rows = [row for k, name in enumerate("abc") for row in seeds([80.0 + k, 82.0 + k], set=name * 64, distil_seed=k)]
    [board] = with_states(rows, {B: stated("retracted", "a bug")}, {})
    assert [(line.cell.digests, line.rank) for line in board.lines] == [((A, C), 1), ((B,), None)]


def test_a_line_is_verified_when_all_its_sets_are() -> None:
    rows = [*seeds([80, 82], set=A, distil_seed=0), *seeds([84, 86], set=B, distil_seed=1)]
    both = {A: stated("verified", "ours"), B: stated("verified", "ours")}
    assert with_states(rows, both, {})[0].lines[0].state == "verified"
    assert with_states(rows, {A: both[A]}, {})[0].lines[0].state == "scored"


def test_claims_and_sets_without_a_row_stand_beside_the_ranks() -> None:
    claim = {"metric": "accuracy", "value": 99.9, "unit": "percent", "n": 5, "sd": 0.1, "protocol": "theirs"}
    place = {"dataset": "digits", "ipc": 1, "labels": {"kind": "hard"}}
    cards = {
        A: Card({**place, "method": "dm", "claims": [claim, {"metric": "loss", "value": 1}, {"metric": 3}, "x"]}),
        B: Card({**place, "method": "leak"}),
        C: Card({**place, "method": "elsewhere", "ipc": 10}),
    }
    [board] = with_states(
        seeds([70, 71, 72], set=A), {B: stated("refused", "test images"), C: stated("refused")}, cards
    )
    assert [(one.set, one.value, one.sd, one.n, one.protocol) for one in board.claims] == [(A, 99.9, 0.1, 5, "theirs")]
    assert [(one.method, one.state, one.reason) for one in board.unscored] == [("leak", "refused", "test images")]
    assert [line.cell.interval.mean for line in board.lines] == [71.0], "a claim is no value"


@pytest.mark.parametrize("claims", [None, "x", 3, {"metric": "accuracy"}, [[1]], [{"metric": "accuracy"}], [{}] * 99])
def test_claims_of_another_shape_are_left_out(claims: Any) -> None:
    cards = {A: Card({"dataset": "digits", "ipc": 1, "claims": claims})}
    assert with_states(seeds([70], set=A), {}, cards)[0].claims == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, True, "99"])
def test_a_claim_of_no_plain_number_is_left_out(value: Any) -> None:
    cards = {A: Card({"dataset": "digits", "ipc": 1, "claims": [{"metric": "accuracy", "value": value}]})}
    assert with_states(seeds([70], set=A), {}, cards)[0].claims == ()


def test_a_board_of_500_lines_and_10_000_rows_is_reduced_within_two_seconds() -> None:
    draws = random.Random(0)
    rows = [
        {**PLAIN, "method": f"m{k}", "set": f"{k:064x}", "seed": seed, "value": draws.gauss(70 + k / 50, 0.5)}
        for k in range(500)
        for seed in range(20)
    ]
    known = rows_of(frame(rows))
    started = time.process_time()
    [board] = boards(known, {})
    assert len(board.lines) == 500 and len(known) == 10_000
    assert time.process_time() - started < 2
