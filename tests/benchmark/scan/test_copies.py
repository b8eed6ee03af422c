"""The search for copies finds what a comparison of all pairs finds, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchmark import datasets
from benchmark.scan.copies import TURNS, Copies

Bytes = npt.NDArray[np.uint8]


def by_comparing_all(images: Bytes, reference: Bytes) -> dict[int, int]:
    """Least difference to any reference image, turned in any way, of each image where it is 0 or 1."""
    found = {}
    for row, image in enumerate(images):
        turned = np.stack([turn(image) for turn in TURNS.values()]).astype(int)  # (turns, C, H, W)
        least = int(np.abs(turned[:, None] - reference[None].astype(int)).max(axis=(2, 3, 4)).min())
        if least <= 1:
            found[row] = least
    return found


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 2, 3)])
def test_it_finds_what_a_comparison_of_all_pairs_finds(shape: tuple[int, int, int]) -> None:
    """Few levels and nearby images, so that many pairs are almost copies."""
    draws = np.random.default_rng(0)
    reference = draws.integers(0, 3, (200, *shape), dtype=np.uint8)
    images = reference[draws.integers(0, 200, 300)].astype(int)
    images += draws.choice([-1, 0, 1, 2], images.shape, p=[0.1, 0.8, 0.095, 0.005])
    images = np.clip(images, 0, 255).astype(np.uint8)
    images[::2] = images[::2, :, ::-1, ::-1]
    expected = by_comparing_all(images, reference)
    found = list(Copies(reference).find(images))
    assert {copy.image: copy.levels for copy in found} == expected
    assert 10 < len(expected) < 300
    for copy in found:
        turned = TURNS[copy.turn](images[copy.image]).astype(int)
        assert np.abs(turned - reference[copy.reference].astype(int)).max() == copy.levels


@pytest.mark.parametrize("turn", TURNS)
def test_every_test_image_is_found_under_every_turn_a_level_off(turn: str) -> None:
    test = datasets.load("digits").test.images
    off = np.random.default_rng(1).integers(-1, 2, test.shape)
    changed = np.asarray(TURNS[turn](np.clip(test + off, 0, 255).astype(np.uint8)))
    assert [copy.image for copy in Copies(test).find(changed)] == list(range(len(test)))


def test_two_levels_in_one_pixel_are_no_copy() -> None:
    reference = np.full((1, 1, 8, 8), 100, dtype=np.uint8)
    image = reference.copy()
    image[0, 0, 3, 4] = 102
    assert not list(Copies(reference).find(image))
    image[0, 0, 3, 4] = 101
    (copy,) = Copies(reference).find(image)
    assert (copy.levels, copy.turn) == (1, "as it is")


def test_the_ends_of_the_scale_do_not_wrap() -> None:
    black, white = np.zeros((1, 1, 8, 8), dtype=np.uint8), np.full((1, 1, 8, 8), 255, dtype=np.uint8)
    assert not list(Copies(black).find(white))
    assert not list(Copies(white).find(black))


def test_no_images_have_no_copies() -> None:
    reference = datasets.load("digits").test.images
    assert not list(Copies(reference).find(reference[:0]))
