"""Equal bytes, fronts and costs: what fits, what is ranked, and volumes and break-even points worked out by hand."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest

from benchmark import recipe
from benchmark.results import frame
from leaderboard import costs
from leaderboard.boards import boards
from leaderboard.costs import break_even, cost_boards
from leaderboard.equal_bytes import SMALLER, equal_bytes
from leaderboard.facts import budgets, chance, facts, whole
from leaderboard.fronts import fronts, hypervolume
from leaderboard.sources import Card, Row, rows_of
from tests.leaderboard.conftest import PLAIN


def rows(*given: dict[str, Any]) -> list[Row]:
    return rows_of(frame([{**PLAIN, **row} for row in given]))


def line(method: str, ipc: int, size: int, level: float, **more: Any) -> list[dict[str, Any]]:
    """One set with three training seeds."""
    digest = hashlib.sha256(f"{(method, ipc)}".encode()).hexdigest()
    shared = {"method": method, "ipc": ipc, "bytes": size, "set": digest, **more}
    return [{**shared, "seed": seed, "value": level + step} for seed, step in enumerate((-0.1, 0.0, 0.1))]


SIZES = [
    *line("real", 1, 650, 60.0),
    *line("real", 10, 6500, 90.0),
    *line("float", 1, 2570, 80.0),
    *line("float", 10, 25_700, 95.0),
    *line("noise", 1, 650, 10.0),
]


def test_budgets_are_the_bytes_of_uint8_images_with_their_labels() -> None:
    assert budgets("digits") == ((1, 650), (10, 6500), (50, 32_500))  # 8 x 8 pixels and a label, 10 classes
    assert budgets("cifar100")[0].bytes == 100 * (3 * 32 * 32 + 1)
    assert chance("cifar100") == 1.0
    known = facts("digits")
    assert known is not None and whole("digits") == known.n_train * 65


@pytest.mark.parametrize("name", ["mine-1a2b3c4d", "../../etc/passwd", "", "DIGITS"])
def test_a_dataset_that_is_not_registered_has_no_budget_and_no_path_is_tried(name: str) -> None:
    assert budgets(name) == () and whole(name) is None and chance(name) is None


def test_a_set_stands_on_every_budget_it_fits_and_the_largest_of_a_method_is_ranked() -> None:
    found = {board.budget.ipc: board for board in equal_bytes(rows(*SIZES), {})}
    stands = {
        ipc: [(one.key.method, board.ipcs[one.key], one.rank) for one in board.lines] for ipc, board in found.items()
    }
    assert stands[1] == [("real", 1, 1), ("noise", 1, None)]
    assert stands[10] == [("real", 10, 1), ("float", 1, 2), ("real", 1, None), ("noise", 1, None)]
    assert stands[50][:2] == [("float", 10, 1), ("real", 10, 2)]
    assert [one.unranked for one in found[10].lines] == ["", "", SMALLER, "control"]
    assert found[50].comparisons.n_tests == 1, "only what is ranked is tested"


def test_tracks_recipes_and_architectures_never_share_a_budget() -> None:
    for name, other in (("track", "soft"), ("recipe", "standard-v1"), ("architecture", "mlp")):
        mixed = rows(*line("a", 1, 650, 60.0), *line("b", 1, 650, 61.0, **{name: other}))
        assert equal_bytes(mixed, {}) == []


def test_one_method_with_two_sizes_of_equal_bytes_is_two_lines() -> None:
    given = rows(*line("a", 1, 650, 60.0), *line("a", 2, 650, 70.0))
    [board, *_] = equal_bytes(given, {})
    assert sorted(ipc or 0 for ipc in board.ipcs.values()) == [1, 2]


def test_the_front_holds_what_no_smaller_set_reaches() -> None:
    given = rows(*SIZES, *line("worse", 10, 25_700, 89.0))
    [front] = fronts(given, {})
    assert [(point.key.method, point.bytes) for point in front.points if point.on_front] == [
        ("real", 650),
        ("float", 2570),
        ("real", 6500),
        ("float", 25_700),
    ]
    assert all(point.key.method != "noise" for point in front.points)


def test_the_hypervolume_by_hand() -> None:
    """Bytes 1 to 100, two decades: half of 90 points over the first, all of it over the second."""
    assert hypervolume([(1, 55.0), (10, 100.0)], 1, 100, 10.0) == pytest.approx((0.5 + 1) / 2)
    assert hypervolume([(1, 55.0), (10, 50.0)], 1, 100, 10.0) == pytest.approx(0.5)
    assert hypervolume([], 1, 100, 10.0) == 0
    assert hypervolume([(1000, 99.0)], 1, 100, 10.0) == 0
    assert hypervolume([(1, 5.0)], 1, 100, 10.0) == 0, "worse than chance holds nothing"
    assert hypervolume([(1, 100.0)], 10, 100, 10.0) == pytest.approx(1)


def test_the_front_of_two_sizes_has_the_volume_worked_out_by_hand() -> None:
    full = whole("digits")
    assert full is not None
    [front] = fronts(rows(*line("real", 1, 650, 55.0), *line("real", 10, 6500, 100.0)), {})
    expected = (0.5 * math.log(10) + math.log(full / 6500)) / math.log(full / 650)
    assert front.hypervolume == pytest.approx(expected)
    [(key, share)] = front.by_method
    assert key.bytes is None and share == pytest.approx(expected)


def test_break_even_by_hand() -> None:
    assert break_even(82_500, 600, 10_000) == 9  # 82,500 / 9,400 = 8.8
    assert break_even(0, 600, 10_000) == 0
    assert break_even(100, 10_000, 600) == math.inf
    assert break_even(math.nan, 600, 10_000) is None
    assert break_even(100, None, 10_000) is None


def test_costs_are_those_of_every_run_that_made_a_set_else_the_cards() -> None:
    given = rows(*line("dm", 1, 650, 60.0), *line("herding", 1, 650, 50.0), *line("mine", 1, 650, 40.0))
    digests = {row.method: row.set for row in given}
    cards = {digests["dm"]: Card({"cost": {"seconds": 9, "image_passes": 82_500, "device": "cpu"}})}
    made = {digests["herding"]: [{"seconds": seconds, "image_passes": 0, "numerics": "cpu"} for seconds in (1, 2, 6)]}
    [board] = cost_boards(boards(given, cards), cards, made)
    plain, known = recipe.load("standard-v1-lite"), facts("digits")
    assert known is not None
    full = plain.on_full_data().n_epochs(known.n_train) * known.n_train
    assert (board.set_passes, board.full_passes) == (10 * plain.n_epochs(10), full)
    told = [(one.line.key.method, one.seconds.mean, one.seconds.n, one.where) for one in board.lines]
    assert told[:2] == [("herding", 3.0, 3, ("cpu",)), ("dm", 9.0, 1, ("cpu",))]
    assert board.lines[1].break_even == math.ceil(82_500 / (full - 10 * plain.n_epochs(10)))
    assert math.isnan(board.lines[2].seconds.mean) and board.lines[2].break_even is None


def test_a_recipes_teacher_counts_where_trainings_are_to_pay_for_what_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    given = rows(*line("real", 1, 650, 60.0))
    made = {given[0].set: [{"seconds": 1, "image_passes": 0}]}
    taught = recipe.load("standard-v1-lite").vary(teacher="mlp")
    monkeypatch.setattr(costs, "_recipe", lambda name: taught)
    [board] = cost_boards(boards(given, {}), {}, made)
    assert board.full_passes is not None and board.set_passes is not None
    assert board.lines[0].break_even == math.ceil(board.full_passes / (board.full_passes - board.set_passes)) == 2


@pytest.mark.parametrize("bad", [True, "9", -1, math.nan, 1e30, None, [1]])
def test_a_cost_that_is_no_number_is_left_out(bad: Any) -> None:
    given = rows(*line("dm", 1, 650, 60.0))
    cards = {given[0].set: Card({"cost": {"seconds": bad, "image_passes": 1}})}
    [board] = cost_boards(boards(given, cards), cards)
    assert board.lines[0].seconds.n == 0


def test_where_nothing_states_a_cost_there_is_no_board() -> None:
    assert cost_boards(boards(rows(*line("dm", 1, 650, 60.0)), {}), {}) == []
