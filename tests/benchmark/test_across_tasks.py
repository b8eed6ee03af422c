"""Aggregates and tests over several tasks, against hand-computed values and scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.across_tasks import across_tasks, aggregate, interquartile_mean, leave_one_out_ranks, ties_of


def test_the_interquartile_mean_by_hand() -> None:
    """Of 1..8 the middle is 3, 4, 5, 6; of 1..5 it is 3 whole, and 2 and 4 by three quarters."""
    assert interquartile_mean(np.arange(1.0, 9), np.ones(8)) == 4.5
    assert interquartile_mean(np.array([9.0, 1, 2, 3, 4]), np.ones(5)) == pytest.approx((0.75 * 2 + 3 + 0.75 * 4) / 2.5)


def test_the_interquartile_mean_is_scipys_trimmed_mean_where_a_quarter_is_whole() -> None:
    values = np.random.default_rng(0).normal(size=(7, 20))
    assert interquartile_mean(values, np.ones(20)) == pytest.approx(stats.trim_mean(values, 0.25, axis=1))


def test_every_task_has_the_same_weight_however_many_values_it_has() -> None:
    """Half the weight at 0, a sixth each at 1, 2, 3: between the quartiles lie 0 (1/4), 1 (1/6) and 2 (1/12)."""
    found = aggregate([[0.0, 0, 0, 0, 0, 0], [1.0, 2.0, 3.0]], ["a", "b"], n_resamples=10)
    assert found.mean == pytest.approx((1 * 1 / 6 + 2 * 1 / 12) / 0.5)


def test_the_bootstrap_draws_within_each_task() -> None:
    """Tasks without spread leave nothing to draw, however far apart they are."""
    found = aggregate([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]], ["a", "b"])
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))


def test_the_interval_of_one_task_is_scipys_percentile_bootstrap_of_the_trimmed_mean() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.1, 16)

    def trimmed(sample: Any, axis: int) -> Any:
        return stats.trim_mean(sample, 0.25, axis=axis)

    draws = np.random.default_rng(1)
    theirs = stats.bootstrap((values,), trimmed, method="percentile", n_resamples=20_000, rng=draws).confidence_interval
    found = aggregate([list(values)], ["a"], n_resamples=20_000)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_groups_of_tasks_are_drawn_from_six_groups_up_and_widen_the_interval() -> None:
    tasks = [[level - 0.01, level, level + 0.01] for level in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)]
    assert aggregate(tasks, ["a", "a", "b", "c", "d", "e"]).wide is None
    found = aggregate(tasks, list("abcdef"))
    assert found.wide is not None
    assert found.wide[0] < found.low - 0.05 and found.wide[1] > found.high + 0.05


def test_sizes_of_one_dataset_are_drawn_together() -> None:
    """Twelve tasks in six groups of two equal ones are as six tasks: a wider interval than twelve would have."""
    levels = [0.1, 0.2, 0.4, 0.5, 0.7, 0.8]
    tasks = [[level] * 3 for level in levels for _ in range(2)]
    together = aggregate(tasks, [k // 2 for k in range(12)]).wide
    alone = aggregate(tasks, list(range(12))).wide
    assert together is not None and alone is not None
    assert together[1] - together[0] > 1.2 * (alone[1] - alone[0])


def test_an_aggregate_needs_a_value_in_every_task() -> None:
    with pytest.raises(ValueError, match="every task"):
        aggregate([[1.0], []], ["a", "b"])


def test_leaving_a_task_out_shows_a_rank_that_rests_on_it() -> None:
    """The first is best in the first task by far; without it it is last."""
    methods = [[[9.0], [1.0], [1.0]], [[2.0], [2.0], [2.0]], [[1.9], [1.9], [1.9]]]
    assert leave_one_out_ranks(methods) == [(1, 3), (1, 2), (2, 3)]
    assert leave_one_out_ranks([[[1.0]], [[2.0]]]) == [(1, 2), (1, 2)]


def test_tests_across_tasks_agree_with_scipy() -> None:
    scores = np.random.default_rng(5).normal(size=(4, 9)) + np.arange(4)[:, None]
    found = across_tasks(scores)
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*scores).pvalue)
    assert found.p[0, 3] == pytest.approx(stats.wilcoxon(scores[0], scores[3], method="exact").pvalue)
    assert found.mean_ranks == pytest.approx(stats.rankdata(-scores, axis=0).mean(axis=1))
    assert (found.adjusted >= found.p)[~np.isnan(found.p)].all()


def test_six_tasks_give_wilcoxon_its_least_p_of_one_in_32() -> None:
    scores = np.array([np.arange(6.0), np.arange(0.0, 12, 2) + 1])
    found = across_tasks(scores)
    assert found.p[0, 1] == 2 / 2**6
    assert found.order == (1, 0) and math.isnan(found.friedman_p)


def test_tied_differences_and_methods_that_are_alike_are_exact() -> None:
    """Six differences of one size, five of them positive: 7 of 64 signs are as extreme on either side."""
    scores = np.array([[1.0, 1, 1, 1, 1, -1], [0.0] * 6, [0.0] * 6])
    found = across_tasks(scores)
    assert found.p[0, 1] == pytest.approx(14 / 64)
    assert found.p[1, 2] == 1.0
    assert across_tasks(np.zeros((3, 6))).friedman_p == 1.0


@pytest.mark.parametrize("n", [6, 13, 40])
def test_signed_ranks_are_exact_for_any_number_of_tasks(n: int) -> None:
    scores = np.random.default_rng(5).normal(size=(2, n))
    theirs = stats.wilcoxon(scores[0] - scores[1], method="exact").pvalue
    assert across_tasks(scores).p[0, 1] == pytest.approx(theirs)


def test_friedmans_test_with_ties_is_scipys() -> None:
    scores = np.random.default_rng(5).integers(0, 4, size=(5, 8)).astype(float)
    assert across_tasks(scores).friedman_p == pytest.approx(stats.friedmanchisquare(*scores).pvalue)


def test_five_tasks_are_too_few_for_a_test() -> None:
    with pytest.raises(ValueError, match="6 tasks"):
        across_tasks(np.zeros((3, 5)))


def test_ties_are_the_largest_runs_without_a_significant_pair() -> None:
    p = np.ones((4, 4))
    p[0, 2] = p[2, 0] = p[0, 3] = p[3, 0] = 0.01
    assert ties_of((0, 1, 2, 3), p) == ((0, 1), (1, 3))
    assert ties_of((0, 1, 2, 3), np.ones((4, 4))) == ((0, 3),)
    assert ties_of((0, 1), np.zeros((2, 2))) == ()
