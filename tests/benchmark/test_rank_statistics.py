"""Rank statistics against scipy, hand-worked rankings and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmark.rank_statistics import (
    Array,
    bootstrap,
    kendall,
    mean_ceiling,
    null_bound,
    partial_spearman,
    precision,
    regret,
    spearman,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def values(*numbers: float) -> Array:
    return np.array(numbers, dtype=np.float64)


@pytest.mark.parametrize("n", [5, 36, 200])
@pytest.mark.parametrize("steps", [1000, 6], ids=["hardly a tie", "many ties"])
def test_correlations_are_scipys_ties_included(n: int, steps: int) -> None:
    draws = rng(n)
    x, y = (draws.integers(steps, size=n).astype(np.float64) for _ in range(2))
    y += x / 2
    assert float(spearman(x, y)) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert float(kendall(x, y)) == pytest.approx(stats.kendalltau(x, y).statistic)


def test_a_batch_gives_what_its_members_give() -> None:
    x, y = rng(1).normal(size=(7, 150)), rng(2).normal(size=(7, 150))
    for statistic in (spearman, kendall):
        np.testing.assert_allclose(statistic(x, y), [float(statistic(a, b)) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(kendall(x[0], y), [float(kendall(x[0], b)) for b in y])


def test_a_turned_ranking_is_minus_one_and_a_constant_is_none() -> None:
    up = values(1, 2, 3, 4)
    assert float(spearman(up, -up)) == float(kendall(up, -up)) == -1
    assert math.isnan(float(spearman(up, values(2, 2, 2, 2)))) and math.isnan(float(kendall(values(2, 2, 2, 2), up)))


def test_what_ranks_last_may_be_minus_infinity() -> None:
    assert float(kendall(values(-math.inf, 1, 2), values(0, 5, 9))) == 1


def test_the_partial_correlation_is_that_of_what_the_ranks_do_not_share() -> None:
    # By hand: rho(xy) = .8, rho(xz) = .6, rho(yz) = .8 give (.8 - .48) / sqrt(.64 * .36) = 2 / 3.
    x, y, z = values(1, 2, 3, 4), values(1, 2, 4, 3), values(2, 1, 4, 3)
    assert [float(spearman(x, y)), float(spearman(x, z)), float(spearman(y, z))] == pytest.approx([0.8, 0.6, 0.8])
    assert float(partial_spearman(x, y, z)) == pytest.approx(2 / 3)
    assert math.isnan(float(partial_spearman(x, y, x)))


def test_an_interval_covers_the_population_value() -> None:
    """rho of a normal pair with correlation r is 6 / pi asin(r / 2); nominal 95 %, n = 40."""
    expected, covered = 6 / math.pi * math.asin(0.3), 0
    for trial in range(200):
        x, noise = rng(trial).normal(size=(2, 40))
        low, high = bootstrap(spearman, x[:, None], 0.6 * x + 0.8 * noise, n_resamples=300, seed=trial)
        covered += low <= expected <= high
    assert 178 <= covered <= 199


def test_seeds_are_drawn_too() -> None:
    truth = np.arange(30.0)
    good, bad = truth, rng(3).permutation(truth)
    alone = bootstrap(spearman, good[:, None], truth)
    both = bootstrap(spearman, np.stack([good, bad], axis=1), truth)
    assert alone == (1.0, 1.0) and both[0] < 0.5 and both[1] == 1.0
    assert both == bootstrap(spearman, np.stack([good, bad], axis=1), truth), "the same seed gave another interval"


def test_what_ranks_nothing_has_no_interval() -> None:
    assert all(math.isnan(end) for end in bootstrap(spearman, np.ones((5, 1)), np.arange(5.0)))


def test_the_ceiling_is_what_a_perfect_score_reaches() -> None:
    draws = rng(5)
    perfect = draws.normal(size=4000)
    first, second = (perfect + draws.normal(size=4000) for _ in range(2))
    assert mean_ceiling(first, second) == pytest.approx(float(spearman(perfect, first + second)), abs=0.02)
    assert math.isnan(mean_ceiling(perfect, -perfect))


def test_random_rankings_stay_within_the_null_bound() -> None:
    truth = np.arange(36.0)
    shuffled = np.stack([rng(seed).permutation(truth) for seed in range(2000)])
    inside = np.abs(spearman(shuffled, truth)) <= null_bound(36)
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
    assert null_bound(3) == 1.0


def test_regret_is_what_the_best_of_k_falls_short_of() -> None:
    truth, scores = values(90, 94, 93, 92), values(4, 1, 2, 3)
    assert [regret(scores, truth, k) for k in (1, 2, 3, 4)] == [4, 2, 1, 0]
    assert regret(values(1, 1, 0, 0), truth, 1) == pytest.approx(2, abs=0.3), "ties are taken at random"


def test_precision_counts_the_truly_best_among_the_chosen() -> None:
    truth = np.arange(20.0)
    assert precision(truth, truth) == 1 and precision(-truth, truth) == 0
    half = truth.copy()
    half[0] = 100
    assert precision(half, truth) == 0.5
    assert precision(np.zeros(20), truth) == pytest.approx(0.1, abs=0.04)
