"""Components of variance: a table worked out by hand, sums of squares by least squares, and a simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmark.variance_components import Components, components

Array = np.ndarray[Any, Any]


def of(table: Array) -> list[dict[int | None, float]]:
    return [{seed: float(value) for seed, value in enumerate(row)} for row in table]


def test_components_of_a_table_worked_out_by_hand() -> None:
    """Sets 10 and 20 apart from a residual of +-1: MS sets 200, MS seeds 0, MS rest 4."""
    found = components(of(np.array([[11.0, 9.0], [19.0, 21.0]])))
    assert found.training == pytest.approx(2.0)
    assert found.distillation == pytest.approx(math.sqrt((100 - 4) / 2))  # set means 10 and 20: MS = 2 * 50
    assert found.seed == 0.0, "an estimate below 0 is cut off"
    assert (found.n_sets, found.n_seeds) == (2, 2)


def squares_left(table: Array, *factors: Array) -> float:
    """Sum of squares of a table that dummy variables of some factors leave unexplained."""
    columns = [np.ones(table.size), *(factor.reshape(-1) == level for factor in factors for level in np.unique(factor))]
    design = np.array(columns, dtype=np.float64).T
    fitted = design @ np.linalg.lstsq(design, table.reshape(-1), rcond=None)[0]
    return float(((table.reshape(-1) - fitted) ** 2).sum())


def test_mean_squares_are_those_that_least_squares_leave() -> None:
    draws = np.random.default_rng(0)
    table = draws.normal(size=(4, 1)) * 2 + draws.normal(size=6) + draws.normal(size=(4, 6))
    places: Array = np.indices(table.shape)
    rows, columns = places[0], places[1]
    rest = squares_left(table, rows, columns)
    between = (squares_left(table, columns) - rest) / 3
    common = (squares_left(table, rows) - rest) / 5
    found = components(of(table))
    assert found.training**2 == pytest.approx(rest / 15)
    assert found.distillation**2 == pytest.approx((between - rest / 15) / 6)
    assert found.seed**2 == pytest.approx(max(0.0, (common - rest / 15) / 4))


def test_what_a_simulation_put_in_comes_out() -> None:
    draws = np.random.default_rng(1)
    table = 3 * draws.normal(size=(300, 1)) + 2 * draws.normal(size=300) + 1 * draws.normal(size=(300, 300))
    found = components(of(table))
    assert (found.distillation, found.seed, found.training) == pytest.approx((3, 2, 1), rel=0.12)


def test_seeds_that_one_set_lacks_are_left_out() -> None:
    whole = of(np.array([[11.0, 9.0], [19.0, 21.0]]))
    assert components([{**whole[0], 7: 99.0}, {**whole[1], None: 3.0}]) == components(whole)


def test_one_set_or_one_seed_says_nothing() -> None:
    nothing: list[list[dict[int | None, float]]] = [[], [{0: 1.0, 1: 2.0}], [{0: 1.0}, {0: 2.0}], [{0: 1.0}, {2: 1.0}]]
    for sets in nothing:
        assert math.isnan(components(sets).distillation)


def test_the_error_of_a_mean_by_hand() -> None:
    """Components 3, 2, 1 with 4 sets and 5 seeds: 9/4 + 4/5 + 1/20."""
    assert Components(3, 2, 1, 4, 5).error == pytest.approx(math.sqrt(9 / 4 + 4 / 5 + 1 / 20))
