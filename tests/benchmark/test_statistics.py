"""Intervals and differences, against values worked out by hand, tables of Student's t and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.statistics import (
    Published,
    combined_standard_error,
    difference,
    kendall_w,
    mean_ranks,
    paired_difference,
    t_interval,
    z,
)

T_2 = 4.302652730  # Student's t, 97.5 %, 2 degrees of freedom (any printed table: 4.303)
T_4 = 2.776445105


def test_t_interval_of_five_values_is_the_one_worked_out_by_hand() -> None:
    found = t_interval([1, 2, 3, 4, 5])
    half = T_4 * math.sqrt(2.5) / math.sqrt(5)
    assert (found.mean, found.n) == (3.0, 5)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))
    assert found.bounded


def test_level_widens_the_interval() -> None:
    # Student's t, 99.5 %, 4 degrees of freedom: 4.604
    found = t_interval([1, 2, 3, 4, 5], level=0.99)
    assert found.high - found.mean == pytest.approx(4.604095 * math.sqrt(0.5), abs=1e-5)


@pytest.mark.parametrize(("values", "mean"), [([4.0], 4.0), ([4.0, 6.0], 5.0)])
def test_below_three_values_there_is_a_mean_but_no_interval(values: list[float], mean: float) -> None:
    found = t_interval(values)
    assert found.mean == mean
    assert math.isnan(found.low) and math.isnan(found.high)
    assert not found.bounded


def test_two_values_have_a_spread_and_one_has_none() -> None:
    assert t_interval([4.0, 6.0]).sd == pytest.approx(math.sqrt(2))
    assert math.isnan(t_interval([4.0]).sd)


def test_no_values_have_no_mean() -> None:
    found = t_interval([])
    assert found.n == 0
    assert math.isnan(found.mean)


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = t_interval([2.0, 2.0, 2.0])
    assert (found.low, found.high, found.sd) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_finite_number_is_refused_by_its_place(bad: float) -> None:
    with pytest.raises(ValueError, match="value 1 of 3"):
        t_interval([1.0, bad, 2.0])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_0_and_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        t_interval([1.0, 2.0, 3.0], level=level)


def test_t_interval_at_five_seeds_covers_95_percent_of_normal_draws() -> None:
    draws = np.random.default_rng(7).normal(60.0, 1.5, size=(40_000, 5))
    half = t_interval(draws[0]).high - t_interval(draws[0]).mean
    factor = half / draws[0].std(ddof=1)  # the factor of SD is the same for every sample of five
    means, sds = draws.mean(axis=1), draws.std(axis=1, ddof=1)
    assert 0.94 < (np.abs(means - 60.0) <= factor * sds).mean() < 0.96
    # What the docs say of the usual shortcut: it covers too little, so this test can tell the two apart.
    assert (np.abs(means - 60.0) <= 1.96 * sds / math.sqrt(5)).mean() < 0.89


def test_welch_difference_is_the_one_worked_out_by_hand() -> None:
    # variances 1 and 4, n = 3 each: error sqrt(5/3), degrees (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2) = 50/17
    found = difference([9, 10, 11], [4, 6, 8])
    assert found.mean == 4.0
    assert found.standard_error == pytest.approx(math.sqrt(5 / 3))
    assert found.degrees == pytest.approx(50 / 17)
    # Student's t lies between its values at 2 and 3 degrees of freedom, much nearer to the latter (3.182)
    assert T_2 > (found.high - 4) / math.sqrt(5 / 3) > 3.182
    assert (found.high - 4) / math.sqrt(5 / 3) == pytest.approx(3.182 + (T_2 - 3.182) * 3 / 50, abs=0.04)
    assert 4 - found.low == pytest.approx(found.high - 4)


def test_welch_agrees_with_scipy() -> None:
    from scipy import stats

    a, b = [91.2, 90.8, 92.0, 91.1, 90.9], [89.9, 90.2, 90.4, 88.7]
    theirs = stats.ttest_ind(a, b, equal_var=False)
    ours = difference(a, b)
    ends = theirs.confidence_interval(0.95)
    assert (ours.p, ours.degrees) == pytest.approx((theirs.pvalue, theirs.df))
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high))


def test_swapping_the_samples_mirrors_the_difference() -> None:
    there, back = difference([1, 2, 4], [3, 5, 9]), difference([3, 5, 9], [1, 2, 4])
    assert (there.mean, there.low, there.high, there.p) == pytest.approx((-back.mean, -back.high, -back.low, back.p))


def test_paired_difference_ignores_what_the_pairs_share() -> None:
    found = paired_difference([11, 22, 33], [10, 20, 30])
    half = T_2 * 1.0 / math.sqrt(3)
    assert (found.mean, found.degrees) == (2.0, 2.0)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))


def test_paired_difference_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        paired_difference([1, 2, 3], [1, 2])


def test_a_difference_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        difference([], [1.0])
    with pytest.raises(ValueError, match="at least 1"):
        paired_difference([], [])


def test_samples_below_three_values_give_a_difference_without_a_verdict() -> None:
    for found in (difference([5.0, 5.1], [1.0, 1.1, 1.2]), paired_difference([5.0, 5.1], [1.0, 1.1])):
        assert found.mean > 3
        assert not found.superior(by=1)
        assert not found.non_inferior(by=1)


def test_samples_without_spread_differ_surely_or_not_at_all() -> None:
    assert difference([3, 3, 3], [2, 2, 2]).p == 0.0
    assert difference([3, 3, 3], [3, 3, 3]).p == 1.0
    assert difference([3, 3, 3], [2, 2, 2]).superior(by=1)


def test_superior_needs_the_size_and_the_interval() -> None:
    clear = difference([10, 10.1, 9.9], [8, 8.1, 7.9])
    assert clear.superior(by=2.0 - 1e-9)
    assert not clear.superior(by=2.5)
    noisy = difference([14, 6, 10], [8, 12, 4])
    assert noisy.mean == pytest.approx(2.0)
    assert not noisy.superior(by=1)


def test_non_inferior_needs_the_lower_end_above_minus_the_margin() -> None:
    worse = difference([9.5, 9.6, 9.4], [10, 10.1, 9.9])
    assert worse.mean == pytest.approx(-0.5)
    assert worse.low == pytest.approx(-0.5 - T_4 * math.sqrt(2 * 0.01 / 3))
    assert worse.non_inferior(by=0.75)
    assert not worse.non_inferior(by=0.7)


def test_combined_standard_error_adds_both_sides() -> None:
    # ours: SD 1, n = 4 -> 1/4; published 14.4 ± 2.0 with n = 5 -> 4/5
    ours = [14 - math.sqrt(1.5), 14, 14, 14 + math.sqrt(1.5)]
    assert combined_standard_error(ours, Published(14.4, 2.0)) == pytest.approx(math.sqrt(0.25 + 0.8))
    assert z(ours, Published(14.4, 2.0)) == pytest.approx(-0.4 / math.sqrt(1.05))


def test_a_stated_n_is_used() -> None:
    assert combined_standard_error([1, 1], Published(1, 3, n=9)) == pytest.approx(1.0)


def test_z_without_any_spread_is_zero_or_infinite() -> None:
    assert z([5, 5, 5], Published(5, 0)) == 0.0
    assert z([4, 4, 4], Published(5, 0)) == -math.inf
    assert math.isnan(z([4], Published(5, 1)))


def test_concordance_equals_that_of_friedmans_test_with_ties() -> None:
    from scipy.stats import friedmanchisquare

    draws = np.random.default_rng(0)
    for _ in range(20):
        table = draws.integers(0, 6, size=(5, 7)).astype(float)
        expected = friedmanchisquare(*table.T).statistic / (5 * 6)
        assert kendall_w(table.tolist()) == pytest.approx(expected)


def test_concordance_by_hand() -> None:
    """The last: rank sums 4, 5, 9 around their mean 6, so 12 (4 + 1 + 9) / (9 * 24)."""
    assert kendall_w([[1, 2, 3], [1, 2, 3]]) == 1
    assert kendall_w([[1, 2], [2, 1]]) == 0
    with pytest.raises(ValueError, match="two rankings"):
        kendall_w([[1, 2, 3]])
    assert kendall_w([[1, 2, 4], [1, 2, 4], [1, 3, 4]]) == 1
    assert kendall_w([[1, 2, 3], [1, 2, 3], [2, 1, 3]]) == pytest.approx(12 * ((4 - 6) ** 2 + (5 - 6) ** 2 + 9) / 216)


def test_ranks_are_scipys_with_ties_infinities_and_nothing_ranked() -> None:
    from scipy.stats import rankdata

    table = np.random.default_rng(0).integers(0, 5, size=(3, 4, 9)).astype(float)
    table[0, 0, :2] = -math.inf
    assert np.array_equal(mean_ranks(table), rankdata(table, axis=-1))
    assert np.isnan(mean_ranks(np.array([1.0, math.nan, 2.0]))).all()
    assert mean_ranks(np.array([])).shape == (0,)
