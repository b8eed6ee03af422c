"""Sets that hold test images: what a board can see of them, and what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from benchmark import datasets, recipe
from benchmark.plan import Job
from benchmark.runner import Runner
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import Card, SyntheticSet
from benchmark.values import Budget, Made, Real
from leaderboard.boards import boards
from leaderboard.sources import rows_of

DIGITS = datasets.load("digits")
Indices = np.ndarray[Any, np.dtype[np.int64]]


def of_test_images(rows: Indices) -> SyntheticSet:
    """Behind a little noise, without which the scan refuses them (tests/benchmark/test_canaries.py)."""
    noise = np.random.default_rng(0).normal(0, 8, (len(rows), *DIGITS.facts.shape))
    images = np.clip((DIGITS.test.images[rows] + noise) / 255, 0, 1).astype(np.float32)
    card = Card(dataset="digits", dataset_digest=DIGITS.facts.digest, space=PIXEL, method="leak")
    return SyntheticSet({"images": images, "labels": DIGITS.test.labels[rows]}, card)


def test_the_whole_test_split_as_a_set_is_above_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = recipe.load
    monkeypatch.setattr(recipe, "load", lambda name: load(name).vary(name=name, n_seeds=3))
    store = Store(tmp_path / "store")
    leaked = store.write_set(of_test_images(np.arange(len(DIGITS.test.labels))))
    full = Made("full-data", "default", Real("digits"), Budget(), 0)
    options = (("architectures", ("mlp",)),)
    jobs = [Job(images, "cross-architecture", "standard-v1-lite", options) for images in (leaked, full)]
    report = Runner(store, "cpu", workers=1).evaluate(jobs)
    assert report.problems == []
    [board] = boards(rows_of(store.results()), {})
    assert [(line.key.method, line.above_reference) for line in board.lines] == [("leak", True)]
    assert [line.above_reference for line in board.references] == [False]


def test_ten_test_images_a_class_do_not_stand_out() -> None:
    """1-NN on pixels over 50 draws: test images as a set gain about as much as two draws of training images differ."""
    leaked, fair = (np.array([nearest(split, seed) for seed in range(50)]) for split in ("test", "train"))
    gain, spread = leaked.mean() - fair.mean(), fair.std(ddof=1)
    assert 91 < fair.mean() < 92 < leaked.mean() < 94
    assert 0 < gain < 1.5 * spread, (gain, spread)


def nearest(split: str, seed: int) -> float:
    """Accuracy on the test split, in percent, of the nearest of ten random images a class of a split."""
    draws, source = np.random.default_rng(seed), DIGITS.split(split)
    rows = np.concatenate([draws.choice(np.flatnonzero(source.labels == c), 10, replace=False) for c in range(10)])
    classifier = KNeighborsClassifier(1).fit(source.images[rows].reshape(100, -1), source.labels[rows])
    return 100 * float(classifier.score(DIGITS.test.images.reshape(len(DIGITS.test.labels), -1), DIGITS.test.labels))
