"""Parts of datasets: holdouts, halves and folds with their share of every class, and the indices of a selection."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from benchmark import datasets
from benchmark.datasets._parts import draw, members, quota
from benchmark.errors import UsageError

pytestmark = pytest.mark.usefixtures("own_data_root")


def test_the_holdout_is_a_tenth_of_every_class_and_the_rest_is_the_rest() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [100, 94, 95, 2, 1])
    holdout, rest = members("holdout", labels), members("minus-holdout", labels)
    assert np.bincount(labels[holdout], minlength=5).tolist() == [10, 9, 10, 1, 0]
    assert sorted([*holdout, *rest]) == list(range(len(labels)))
    assert holdout.dtype == rest.dtype == np.int64


def test_halves_hold_half_of_every_class_and_are_sixteen_different_draws() -> None:
    labels = np.repeat([0, 1], [40, 5])
    halves = [members(part, labels) for part in datasets.PARTS if part.startswith("half-")]
    assert len({half.tobytes() for half in halves}) == 16
    for number, half in enumerate(halves):
        assert np.bincount(labels[half]).tolist() == [20, 2 + number % 2]
        assert np.all(np.diff(half) > 0)
    held_by = np.bincount(np.concatenate(halves), minlength=45)
    assert held_by[:40].mean() == 8
    assert held_by.min() >= 2 and held_by.max() <= 14  # each image is in and out often enough to be attacked


def test_a_draw_follows_from_its_text_alone() -> None:
    labels = np.array([5, 3, 5, 5])
    numbers = np.frombuffer(hashlib.shake_256(b"distillbench part try, label 5").digest(24), dtype="<u8")
    assert draw(labels, {5: 1}, "try").tolist() == [[0, 2, 3][int(numbers.argmin())]]


def test_a_quota_gives_the_largest_remainders_first() -> None:
    assert quota(np.repeat([0, 1, 2], [5, 3, 2]), 4) == {0: 2, 1: 1, 2: 1}  # shares 2.0, 1.2, 0.8
    assert quota(np.repeat([0, 1], [3, 3]), 3) == {0: 2, 1: 1}  # equal remainders: the lower label


def test_indices_take_a_part_and_classes_together() -> None:
    dataset = datasets.load("digits")
    both = dataset.indices("train", "holdout", (3, 7))
    assert set(dataset.train.labels[both]) == {3, 7}
    assert set(both) == set(dataset.indices("train", "holdout")) & set(dataset.indices("train", None, (7, 3)))
    assert dataset.indices().tolist() == list(range(1000))
    assert dataset.indices("test", classes=()).size == 0
    assert both.dtype == np.int64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tset", None, None), "unknown split 'tset'. Did you mean 'test'"),
        (("train", "holdot", None), "unknown part 'holdot'. Did you mean 'holdout'"),
        (("train", "half-16", None), "unknown part"),
        (("test", "holdout", None), "the test split has no parts"),
        (("train", None, (10,)), "classes 0 to 9; there is no 10"),
        (("train", None, (-1,)), "there is no -1"),
    ],
)
def test_indices_that_cannot_be_had_are_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        datasets.load("digits").indices(*arguments)


def test_folds_are_a_stratified_partition() -> None:
    labels = np.repeat(np.arange(3), (10, 11, 14))
    folds = [members(f"fold-{k}", labels) for k in range(5)]
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(35))
    for fold in folds:
        assert set(np.bincount(labels[fold], minlength=3)) <= {2, 3}
    rest = members("minus-fold-2", labels)
    assert np.array_equal(np.sort(np.concatenate([rest, folds[2]])), np.arange(35))
