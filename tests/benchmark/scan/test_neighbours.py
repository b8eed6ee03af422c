"""Neighbours and their calibration, against distances computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from benchmark import datasets
from benchmark.scan.neighbours import neighbours_of, thumbnails


def test_a_thumbnail_is_the_mean_of_squares_centred_and_of_length_one() -> None:
    image = np.arange(32 * 32, dtype=np.float32).reshape(1, 1, 32, 32)
    # 16x16 squares of 2x2; their means rise by 2 along a row and by 64 down a column
    means = 2.0 * np.arange(16)[None] + 64.0 * np.arange(16)[:, None]
    expected = (means - means.mean()) / np.linalg.norm(means - means.mean())
    assert thumbnails(image)[0] == pytest.approx(expected.reshape(-1), abs=1e-6)


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [((1, 8, 8), 64), ((1, 28, 28), 196), ((3, 32, 32), 192), ((3, 64, 48), 240), ((300, 1, 1), 300)],
)
def test_a_thumbnail_has_at_most_256_numbers_where_it_can(shape: tuple[int, int, int], numbers: int) -> None:
    assert thumbnails(np.random.default_rng(0).random((2, *shape))).shape == (2, numbers)


def test_brightness_and_contrast_change_no_thumbnail_and_blank_images_have_none() -> None:
    images = datasets.load("digits").test.images[:20].astype(np.float32)
    assert thumbnails(images * 0.01 - 40) == pytest.approx(thumbnails(images), abs=1e-4)
    assert not thumbnails(np.full((2, 1, 8, 8), 127.0)).any()


def test_ratios_are_those_of_distances_computed_one_by_one() -> None:
    dataset = datasets.load("digits")
    images = np.random.default_rng(2).normal(128, 60, (30, 1, 8, 8)).astype(np.float32)
    images[:10] = dataset.test.images[:10] * 0.7 + images[:10] * 0.2
    both = np.stack([thumbnails(images), thumbnails(images[..., ::-1])])
    apart = {
        name: np.stack([cdist(view, thumbnails(dataset.split(name).images)) for view in both])  # (turns, N, M)
        for name in ("test", "train")
    }
    found = neighbours_of(dataset).nearest(images)
    least = {name: distances.min(axis=(0, 2)) for name, distances in apart.items()}
    assert found.ratio == pytest.approx(least["test"] / least["train"], rel=1e-3)
    assert (found.test == apart["test"].min(axis=0).argmin(axis=1)).all()
    assert (found.train == apart["train"].min(axis=0).argmin(axis=1)).all()


def test_real_training_images_are_calibrated_without_themselves() -> None:
    dataset = datasets.load("digits")
    train, test = (thumbnails(dataset.split(name).images) for name in ("train", "test"))
    mirrored = thumbnails(dataset.train.images[..., ::-1])
    among = np.stack([cdist(train, train), cdist(mirrored, train)])
    among[:, np.arange(len(train)), np.arange(len(train))] = np.inf
    ratio = np.minimum(cdist(train, test), cdist(mirrored, test)).min(axis=1) / among.min(axis=(0, 2))
    natural = neighbours_of(dataset).natural
    assert natural.n == 1000
    assert natural.cut == pytest.approx(np.quantile(ratio, 0.01), rel=1e-3)
    assert natural.share_nearer_test == pytest.approx((ratio < 1).mean(), abs=0.002)
    # the splits are drawn at random, so it is about the share of the other images that are test images
    assert natural.share_nearer_test == pytest.approx(797 / 1796, abs=0.05)


def test_an_image_of_train_is_nearer_to_itself_than_to_any_test_image() -> None:
    dataset = datasets.load("digits")
    found = neighbours_of(dataset).nearest(dataset.train.images[:50])
    assert (found.ratio > 1).all() and (found.train == np.arange(50)).all()
    assert (neighbours_of(dataset).nearest(dataset.test.images[:50, :, :, ::-1].copy()).mirrored).all()


def test_blank_images_lie_on_neither_side() -> None:
    assert (neighbours_of(datasets.load("digits")).nearest(np.full((3, 1, 8, 8), 9, dtype=np.uint8)).ratio == 1).all()
