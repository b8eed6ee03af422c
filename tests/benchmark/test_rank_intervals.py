"""Rank intervals: Holm and the tests against libraries and hand values, ranks by counting, coverage by simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from benchmark.rank_intervals import FEWEST, PRIOR, Sample, compare, holm, moderated, rank_intervals


def by_seed(*values: float) -> Sample:
    return Sample("seeds", dict(enumerate(values)))


def apart(*values: float, at: int = 100) -> Sample:
    """A sample that shares no seed with another."""
    return Sample("seeds", {at + k: value for k, value in enumerate(values)})


def test_holm_by_hand() -> None:
    """Four tests: 4 x 0.01, 3 x 0.02, then 2 x 0.03 raised to the one before, then 1 x 0.5."""
    assert holm(np.array([0.03, 0.01, 0.5, 0.02])) == pytest.approx([0.06, 0.04, 0.5, 0.06])


def test_holm_agrees_with_statsmodels_and_leaves_absent_tests_out() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(50) ** 4
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    with_gaps = np.insert(p, [3, 20], math.nan)
    assert holm(with_gaps)[~np.isnan(with_gaps)] == pytest.approx(holm(p))


def test_of_two_samples_with_the_same_seeds_the_test_is_the_paired_one() -> None:
    a, b = [91.2, 90.8, 92.0, 91.1], [90.9, 90.1, 91.5, 91.0]
    found = compare([by_seed(*a), by_seed(*b)])
    assert found.p[0, 1] == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.degrees[0, 1] == 3 and found.paired[0, 1]
    assert found.n_tests == 1 and math.isnan(found.p[0, 0])


def test_of_two_samples_with_different_seeds_the_test_is_welchs() -> None:
    a, b = [91.2, 90.8, 92.0, 91.1, 90.9], [89.9, 90.2, 90.4, 88.7]
    found = compare([by_seed(*a), apart(*b)])
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert found.p[0, 1] == pytest.approx(theirs.pvalue)
    assert found.degrees[0, 1] == pytest.approx(theirs.df)
    assert not found.paired.any()


def test_sets_are_never_paired_with_seeds_of_the_same_number() -> None:
    found = compare([by_seed(1, 2, 4), Sample("sets", {0: 1.5, 1: 2.5, 2: 4.4})])
    assert not found.paired.any() and found.n_tests == 1


def test_a_difference_of_what_seeds_share_is_clear_only_in_pairs() -> None:
    shared = np.random.default_rng(1).normal(0, 5, 5)
    noise = np.random.default_rng(2).normal(0, 0.1, (2, 5))
    first, second = 80 + shared + noise[0], 79 + shared + noise[1]
    assert compare([by_seed(*first), by_seed(*second)]).p[0, 1] < 0.01
    assert compare([by_seed(*first), apart(*second)]).p[0, 1] > 0.5


def test_samples_below_three_values_are_in_no_test_and_may_have_any_rank() -> None:
    found = compare([by_seed(9, 9.1, 9.2), by_seed(1, 1.1, 1.2), by_seed(5, 5), by_seed()])
    assert found.n_tests == 1
    assert np.isnan(found.p[2]).all() and np.isnan(found.difference[3]).all()
    assert rank_intervals(found) == [(1, 3), (2, 4), (1, 4), (1, 4)]


def test_ranks_count_those_significantly_better_and_worse() -> None:
    clear = [by_seed(*(level + np.array([-0.1, 0.02, 0.0, 0.12, -0.04]))) for level in (90, 80, 79.99)]
    clear[2] = by_seed(80.05, 79.9, 80.1, 79.93, 80.0)
    found = compare(clear)
    assert rank_intervals(found) == [(1, 1), (2, 3), (2, 3)]
    assert rank_intervals(found, higher_is_better=False) == [(3, 3), (1, 2), (1, 2)]


def test_equal_samples_tie_and_samples_without_spread_differ_surely() -> None:
    assert rank_intervals(compare([by_seed(3, 3, 3), by_seed(3, 3, 3)])) == [(1, 2), (1, 2)]
    assert rank_intervals(compare([by_seed(3, 3, 3), by_seed(2, 2, 2)])) == [(1, 1), (2, 2)]


def test_a_value_that_is_no_finite_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        compare([by_seed(1, 2, math.nan), by_seed(1, 2, 3)])


def test_nothing_to_compare_gives_nothing() -> None:
    assert rank_intervals(compare([])) == []
    assert rank_intervals(compare([by_seed(1, 2, 3)])) == [(1, 1)]


def test_variances_that_differ_by_chance_alone_are_drawn_together() -> None:
    """Spreads of a chi-square look no more different than chance: the prior's weight is all that is allowed."""
    degrees = np.full(40, 4.0)
    own = stats.chi2.ppf((np.arange(40) + 0.5) / 40, 4) / 4
    variance, free = moderated(own, degrees)
    assert np.ptp(variance) < 0.1 * np.ptp(own)
    assert free[0] > 40


def test_moderation_is_smyths_with_a_quarter_of_the_weight() -> None:
    """Two groups of variances, 0.1 and 10, 4 degrees each: log variances +-ln 10, variance ln(10)^2 * 10/9."""
    degrees, own = np.full(10, 4.0), np.array([0.1, 10.0] * 5)
    excess = math.log(10) ** 2 * 10 / 9 - (math.pi**2 / 6 - 1)  # trigamma(2) = pi^2/6 - 1
    half = brentq(lambda x: polygamma(1, x) - excess, 0.1, 5)  # trigamma(d0 / 2) = excess
    usual = math.exp(-(digamma(2) - math.log(2)) + digamma(half) - math.log(half))
    variance, free = moderated(own, degrees)
    weight = PRIOR * 2 * half
    assert free == pytest.approx(4 + weight, rel=1e-4)
    assert variance == pytest.approx((weight * usual + 4 * own) / (weight + 4), rel=1e-4)


def test_few_variances_and_none_above_zero_stay_as_they_are() -> None:
    few = np.array([1.0, 4.0, 9.0, 2.0])
    assert len(few) < FEWEST
    assert moderated(few, np.full(4, 2.0))[0] is few
    zeros = np.zeros(8)
    assert moderated(zeros, np.full(8, 2.0))[0] is zeros


def test_500_samples_are_compared_within_two_seconds() -> None:
    draws = np.random.default_rng(0).normal(size=(500, 20))
    started = time.process_time()
    found = compare([by_seed(*row) for row in draws])
    rank_intervals(found)
    assert found.n_tests == 500 * 499 // 2
    assert time.process_time() - started < 2


def simulate(means: np.ndarray, sds: np.ndarray, n: int, n_runs: int, shared: float = 0.0) -> tuple[float, float]:
    """Share of runs whose every rank interval holds the true ranks, and share in which the first two are separated."""
    draws = np.random.default_rng(11)
    ranks = [(1 + int((means > mean).sum()), int((means >= mean).sum())) for mean in means]
    covered = separated = 0
    for _ in range(n_runs):
        values = means[:, None] + sds[:, None] * (
            math.sqrt(shared) * draws.normal(size=n) + math.sqrt(1 - shared) * draws.normal(size=(len(means), n))
        )
        found = compare([by_seed(*row) for row in values])
        covered += all(
            low <= first and last <= high
            for (low, high), (first, last) in zip(rank_intervals(found), ranks, strict=True)
        )
        separated += bool(found.adjusted[0, 1] <= 0.05)
    return covered / n_runs, separated / n_runs


def test_rank_intervals_hold_all_true_ranks_in_95_percent_of_boards_whose_spreads_differ() -> None:
    """A small version of tests/evidence/coverage.py; 95 % less two standard errors of 250 runs is 92.2 %."""
    spreads = np.array([0.5, 0.1, 2.3, 0.4, 1.1, 1.8, 0.8, 3.9, 4.8, 0.7])
    covered, _ = simulate(np.full(10, 80.0), spreads, n=5, n_runs=250)
    assert covered >= 0.92


def test_two_entries_1_5_apart_among_twenty_are_separated_at_ten_seeds() -> None:
    """A small version of tests/evidence/power.py."""
    means = np.full(20, 70.0)
    means[0] = 71.5
    covered, separated = simulate(means, np.full(20, 0.5), n=10, n_runs=100)
    assert separated >= 0.8
    assert covered >= 0.9
