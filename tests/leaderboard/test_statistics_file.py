"""statistics.json and agreements: every p-value of every family, plain JSON, and orders that agree or do not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from benchmark.rank_intervals import TEST
from benchmark.results import frame
from leaderboard.aggregates import aggregate_boards
from leaderboard.agreements import agreements
from leaderboard.boards import Board, boards
from leaderboard.costs import cost_boards
from leaderboard.equal_bytes import equal_bytes
from leaderboard.fronts import fronts
from leaderboard.sources import Card, Row, rows_of
from leaderboard.statistics_file import statistics_json
from tests.leaderboard.conftest import PLAIN

LEVELS = {"a": 90.0, "b": 80.0, "c": 79.9, "d": 60.0}


def rows(levels: Mapping[str, float] = LEVELS, **same: Any) -> list[dict[str, Any]]:
    """Five seeds of one set of each method."""
    steps = (-0.2, 0.1, 0.0, 0.3, -0.2)
    return [
        {**PLAIN, "method": name, "set": name * 64, "seed": seed, "value": level + step * (1 + k / 5), **same}
        for k, (name, level) in enumerate(levels.items())
        for seed, step in enumerate(steps)
    ]


def known(*given: list[dict[str, Any]]) -> list[Row]:
    return rows_of(frame([row for part in given for row in part]))


def told(found: list[Board], **more: Any) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(statistics_json(found, **more))
    return stored


def test_a_board_tells_its_whole_family() -> None:
    found = boards(known(rows()), {})
    stored = told(found)
    assert (stored["format"], stored["alpha"], stored["test"]) == (1, 0.05, TEST)
    [board] = stored["boards"]
    pairs = board["pairs"]
    assert board["n_tests"] == 6 and len(pairs["p"]) == len(pairs["p_holm"]) == 6
    assert list(zip(pairs["first"], pairs["second"], strict=True))[:3] == [(0, 1), (0, 2), (0, 3)]
    assert pairs["ranked"] == ["a", "b", "c", "d"] and set(pairs["paired"]) == {1}
    assert pairs["p"][5] == pytest.approx(float(found[0].comparisons.p[2, 3]), rel=1e-5)
    first = board["lines"][0]
    assert [first[name] for name in ("rank", "rank_low", "rank_high", "n", "n_counts")] == [1, 1, 1, 5, "seeds"]
    assert first["sd_distillation"] is None, "one set says nothing of another"


def test_lines_of_several_sets_tell_their_components_of_variance() -> None:
    given = [
        {**row, "set": digest * 64, "distil_seed": k, "value": row["value"] + k}
        for k, digest in enumerate("ef")
        for row in rows({"a": 70.0})
    ]
    [board] = told(boards(known(given), {}))["boards"]
    assert board["lines"][0]["sd_distillation"] == pytest.approx(math.sqrt(0.5))
    assert board["lines"][0]["sd_training"] == pytest.approx(0, abs=1e-6)


def test_every_part_is_plain_json_in_ascii() -> None:
    full = [{**PLAIN, "method": "full-data", "recipe": "standard-v1-lite/reference", "ipc": None, "set": "f" * 64}]
    given = known(rows(), rows(ipc=10, bytes=6500), full)
    digests = {row.set for row in given}
    cards = {digest: Card({"cost": {"seconds": 3, "image_passes": 10**9}, "preset": "ü\u202e"}) for digest in digests}
    found = boards(given, cards)
    content = statistics_json(
        found,
        equal_bytes(given, cards),
        fronts(given, cards),
        cost_boards(found, cards),
        aggregate_boards(found),
        agreements(found),
    )
    stored = json.loads(content.decode("ascii"))
    assert len(stored["boards"]) == 2 and len(stored["equal_bytes"]) == 3
    assert stored["equal_bytes"][0]["budget"] == {"ipc": 1, "bytes": 650}
    assert 0 < stored["fronts"][0]["hypervolume"] < 1
    assert stored["costs"][0]["lines"][0]["break_even"] > 1
    assert stored["aggregates"][0]["no_tests_because"] == "too few tasks: 2 of at least 6"
    assert content == statistics_json(
        found,
        equal_bytes(given, cards),
        fronts(given, cards),
        cost_boards(found, cards),
        aggregate_boards(found),
        agreements(found),
    )


def test_nothing_at_all_is_a_whole_file() -> None:
    assert told([])["boards"] == []


def test_architectures_that_agree_and_one_that_does_not() -> None:
    turned = {name: 150 - level for name, level in LEVELS.items()}
    given = known(rows(), rows(architecture="mlp"), rows(turned, architecture="lenet"))
    [one] = agreements(boards(given, {}))
    assert (one.what, sorted(one.columns)) == ("architectures", ["convnet", "lenet", "mlp"])
    assert one.found.worst == pytest.approx(-1) and "lenet" in one.least
    assert one.found.w == pytest.approx(1 / 9)  # rank sums 7, 8, 7, 8 or so: two agree, one opposes
    best = next(method for method in one.methods if method.key.method == "a")
    assert best.worst_column == "lenet"
    assert best.worst == pytest.approx(60.0)
    assert best.median == pytest.approx(90.0)


def test_lite_and_full_are_compared_by_name() -> None:
    given = known(rows(), rows(recipe="standard-v1"), rows({"a": 1.0, "b": 2.0, "c": 3.0}, recipe="dc-2021"))
    found = {one.what: one for one in agreements(boards(given, {}))}
    assert set(found) == {"recipes", "lite and full"}
    assert found["lite and full"].found.w == pytest.approx(1)
    assert len(found["recipes"].columns) == 3 and len(found["recipes"].methods) == 3


def test_recipes_and_architectures_stand_together_only_where_both_vary() -> None:
    both = known(rows(), rows(architecture="mlp"), rows(recipe="standard-v1"))
    [one] = [one for one in agreements(boards(both, {})) if one.what == "recipes and architectures"]
    assert len(one.columns) == 3
    assert all(one.what == "architectures" for one in agreements(boards(known(rows(), rows(architecture="mlp")), {})))


def test_two_methods_make_no_agreement() -> None:
    two = {"a": 1.0, "b": 2.0}
    assert agreements(boards(known(rows(two), rows(two, architecture="mlp")), {})) == []
