"""random-real, herding, k-center and full-data: which real images they choose, and in what order."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from baselines.full_data import FullData
from baselines.herding import Herding
from baselines.k_center import KCenter
from baselines.random_real import RandomReal
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.synthetic_set import Array
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
RECIPE = "standard-v1-lite/reference"


def cloud(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, 3))


def indices(made: object) -> list[list[int]]:
    """The indices of a set, class by class."""
    tensors = made.tensors  # type: ignore[attr-defined]
    return [tensors["indices"][tensors["labels"] == c].tolist() for c in np.unique(tensors["labels"])]


# random-real


def test_random_images_are_distinct_and_of_their_class(new_run: RunMaker) -> None:
    made = RandomReal().distill(Real("digits"), Budget(ipc=50), new_run())
    assert len(set(made.tensors["indices"])) == 500
    assert (new_run().dataset.train.labels[made.tensors["indices"]] == made.tensors["labels"]).all()


def test_the_same_seed_draws_the_same_set_and_another_seed_another(new_run: RunMaker) -> None:
    one, again, other = (RandomReal().distill(Real("digits"), Budget(ipc=2), new_run(s)).digest for s in (0, 0, 1))
    assert one == again != other


def test_a_smaller_random_set_is_the_beginning_of_a_larger_one(new_run: RunMaker) -> None:
    few, many = (indices(RandomReal().distill(Real("digits"), Budget(ipc=n), new_run())) for n in (2, 9))
    assert few == [rows[:2] for rows in many]


def test_random_images_come_from_the_whole_class(new_run: RunMaker) -> None:
    drawn = {indices(RandomReal().distill(Real("digits"), Budget(ipc=1), new_run(s)))[0][0] for s in range(200)}
    # 200 draws of one image in 99 leave 1 - (98 / 99)^200 = 87 % of them seen at least once.
    assert len(drawn) > 75


# herding


def herding_by_brute_force(features: Array, n: int) -> list[int]:
    """The definition in loops: at step i+1 the image that brings the sum nearest to (i+1) means."""
    mean = [sum(column) / len(features) for column in features.T]
    chosen: list[int] = []
    for step in range(1, n + 1):
        errors = {}
        for candidate in set(range(len(features))) - set(chosen):
            total = [sum(features[i][d] for i in [*chosen, candidate]) for d in range(len(mean))]
            errors[candidate] = sum((step * m - t) ** 2 for m, t in zip(mean, total, strict=True))
        chosen.append(min(errors, key=lambda candidate: errors[candidate]))
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_herding_is_the_greedy_argmin(seed: int) -> None:
    features = cloud(12, seed)
    assert Herding().select(features, 12).tolist() == herding_by_brute_force(features, 12)


def test_herding_takes_no_outliers() -> None:
    # Mean (2.2, 0): the nearest is 2; then 2 + x nearest to 4.4 is 3; then 5 + x nearest to 6.6 is 1.
    line = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [5, 0]])
    assert Herding().select(line, 3).tolist() == [2, 3, 1]
    # An argmax of the same distances, the error of DeepCore, begins with the outlier at 5.
    assert int(np.linalg.norm(line.mean(axis=0) - line, axis=1).argmax()) == 4


def test_the_mean_of_what_herding_selects_converges_faster_than_that_of_random_images() -> None:
    features = cloud(500)
    order = Herding().select(features, 50)

    def error(rows: Array) -> float:
        return float(np.linalg.norm(features[rows].mean(axis=0) - features.mean(axis=0)))

    drawn = [error(np.random.default_rng(seed).permutation(500)[:50]) for seed in range(20)]
    assert error(order) < min(drawn)
    assert error(order) < error(order[:5]) / 4


# k-center


def test_k_center_begins_at_the_mean_and_goes_on_to_the_farthest() -> None:
    points = np.array([[0.0, 0], [8, 0], [0, 6], [3, 2], [4, 1]])
    # Mean (3, 1.8): nearest is (3, 2). Squared distances to it: 13, 29, 25, -, 2: (8, 0). Then the distances to the
    # nearer of both are 13, -, 25, -, 2: (0, 6). Then 13, 2: (0, 0). Then (4, 1).
    assert KCenter().select(points, 5).tolist() == [3, 1, 2, 0, 4]


def test_a_smaller_k_center_selection_is_the_beginning_of_a_larger_one() -> None:
    features = cloud(40)
    assert KCenter().select(features, 7).tolist() == KCenter().select(features, 30)[:7].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_k_center_is_at_most_twice_as_far_as_the_best_choice(seed: int) -> None:
    features = cloud(9, seed)
    apart = np.linalg.norm(features[:, None] - features[None], axis=2)
    best = min(apart[list(rows)].min(axis=0).max() for rows in itertools.combinations(range(9), 3))
    assert apart[KCenter().select(features, 3)].min(axis=0).max() <= 2 * best


def test_k_center_repeats_no_image_even_among_copies() -> None:
    assert sorted(KCenter().select(np.ones((6, 2)), 6)) == [0, 1, 2, 3, 4, 5]


# Both, on the features of a trained network


@pytest.mark.parametrize("kind", [Herding, KCenter])
def test_selections_are_made_by_class_in_the_features_of_a_network_trained_on_the_real_data(
    kind: type[Herding] | type[KCenter], new_run: RunMaker
) -> None:
    real = Real("digits", part="minus-holdout")
    built, run = kind(architecture="mlp", recipe=RECIPE), new_run(seed=1, real=real)
    chosen = indices(built.distill(real, Budget(ipc=3), run))
    (cell,) = built.needs(real, seed=1)
    assert cell.seeds == (1,) and cell.training.stages[0].stream.images == (real,)
    (outcome,) = run.outcomes(cell)  # stored by now
    features, rows = outcome.at_end()["embeddings"].astype(np.float64), run.rows()
    assert features.shape == (900, 128)
    for c in range(10):
        of_class = np.flatnonzero(run.dataset.train.labels[rows] == c)
        assert chosen[c] == rows[of_class[built.select(features[of_class], 3)]].tolist()


def test_another_seed_selects_by_another_network() -> None:
    assert Herding().needs(Real("digits"), 0)[0].seeds != Herding().needs(Real("digits"), 1)[0].seeds


# full-data


def test_full_data_names_every_image_once(new_run: RunMaker) -> None:
    made = FullData().distill(Real("digits"), Budget(), new_run())
    made.validate()
    assert sorted(made.tensors["indices"]) == list(range(1000))
    assert made.card.ipc is None


def test_full_data_refuses_a_budget(new_run: RunMaker) -> None:
    with pytest.raises(UsageError, match="cannot keep a budget of 1 per class"):
        FullData().distill(Real("digits"), Budget(ipc=1), new_run())
