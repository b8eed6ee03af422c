"""Scales and the geometry of small drawings."""

from __future__ import annotations

import pytest

from benchmark.results import frame
from leaderboard.cells import Cell, cell
from leaderboard.marks import EDGE, Scale, mark, scale_of
from leaderboard.sources import rows_of
from tests.leaderboard.conftest import PLAIN


def of(values: list[float]) -> Cell:
    return cell(rows_of(frame([{**PLAIN, "seed": seed, "value": value} for seed, value in enumerate(values)])))


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([71.0, 93.0], 70.0, 95.0), ([0.2, 99.9], 0.0, 100.0), ([98.0, 99.99], 98.0, 100.0), ([50.0], 40.0, 60.0)],
)
def test_a_scale_ends_at_round_numbers(values: list[float], low: float, high: float) -> None:
    scale = scale_of([of([value]) for value in values], "percent")
    assert (scale.low, scale.high) == pytest.approx((low, high))


def test_an_interval_may_widen_the_scale_but_a_percentage_ends_at_100() -> None:
    scale = scale_of([of([95.0, 99.0, 99.5])], "percent")
    assert scale.high == 100.0
    assert scale.low <= 91.0


@pytest.mark.parametrize("values", [[0.0], [-3.0, 4.0], [1e-9], [1e12, 1e12]])
def test_any_values_have_a_scale_that_holds_them(values: list[float]) -> None:
    scale = scale_of([of([value]) for value in values], "seconds")
    assert scale.low < scale.high
    assert scale.low <= min(values) <= max(values) <= scale.high


def test_nothing_has_a_scale_too() -> None:
    assert scale_of([], "percent") == Scale(0.0, 1.0)


def test_pixels_run_from_edge_to_edge() -> None:
    scale = Scale(50.0, 100.0)
    assert (scale.x(50.0, 120), scale.x(75.0, 120), scale.x(100.0, 120)) == (EDGE, EDGE + 60, EDGE + 120)
    assert scale.x(120.0, 120) == EDGE + 120


def test_a_mark_has_an_interval_only_where_the_cell_has() -> None:
    scale = Scale(0.0, 100.0)
    two, three = mark(of([40.0, 60.0]), scale, 100), mark(of([40.0, 50.0, 60.0]), scale, 100)
    assert two is not None
    assert three is not None
    assert (two.mean, two.low) == (EDGE + 50, None)
    assert three.low is not None
    assert three.low < three.mean
    assert three.dots == (EDGE + 40, EDGE + 50, EDGE + 60)


def test_no_value_has_no_mark() -> None:
    empty = cell(rows_of(frame([{**PLAIN, "value": None, "status": "failed"}])))
    assert mark(empty, Scale(0.0, 1.0), 100) is None
