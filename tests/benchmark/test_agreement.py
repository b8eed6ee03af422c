"""Agreement of rankings, by hand."""

from __future__ import annotations

import math

import pytest

from benchmark.agreement import agreement


def test_one_order_throughout_agrees_wholly() -> None:
    found = agreement([[1, 2, 3], [10, 20, 30], [4, 5, 6]])
    assert found is not None
    assert (found.w, found.median, found.worst, found.n_rankings, found.n_things) == (1, 1, 1, 3, 3)


def test_the_pair_that_agrees_least_is_told_beside_the_median() -> None:
    """Of three things tau is 1, 1/3, -1/3 or -1: the second ranking swaps the first two, the third the last two."""
    found = agreement([[1, 2, 3], [2, 1, 3], [1, 3, 2]])
    assert found is not None
    assert found.pair == (1, 2)
    assert found.worst == pytest.approx(-1 / 3)
    assert found.median == pytest.approx(1 / 3)


def test_a_ranking_that_ties_everything_agrees_with_nothing_that_can_be_told() -> None:
    found = agreement([[1, 2, 3], [5, 5, 5]])
    assert found is not None and math.isnan(found.worst) and math.isnan(found.median)


@pytest.mark.parametrize("scores", [[], [[1, 2, 3]], [[1, 2], [1, 2]]])
def test_too_few_rankings_or_things_give_no_answer(scores: list[list[float]]) -> None:
    assert agreement(scores) is None
