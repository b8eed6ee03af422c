"""What the numbers mean is measured; a space that they contradict is refused with what they resemble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmark import datasets
from benchmark.convert import Converted, _space
from benchmark.errors import InvalidInput, UsageError
from benchmark.space import PIXEL, Space

Array = npt.NDArray[Any]
Reading = Callable[..., Converted]


@pytest.fixture
def bare(reading: Reading, tmp_path: Path) -> Reading:
    """Convert bare images of digits."""

    def convert(images: Array, y: Array | None = None, **named: Any) -> Converted:
        np.savez(tmp_path / "set.npz", x=images, y=np.arange(10) if y is None else y)
        return reading(tmp_path / "set.npz", **named)

    return convert


def test_the_space_of_floats_is_asked_for_with_what_they_resemble(
    bare: Reading, pixels: Array, standardized: Array
) -> None:
    for images, resembled in ((pixels, "pixel"), (standardized, "standardized"), (pixels * 255, "0-255")):
        with pytest.raises(UsageError, match=f"they resemble {resembled} images.*Add --space, one of pixel, 0-255"):
            bare(images)


def test_a_wrong_space_is_refused_and_named(bare: Reading, pixels: Array, standardized: Array) -> None:
    for images, said, resembled in (
        (standardized, "pixel", "standardized"),
        (pixels, "standardized", "pixel"),
        (pixels * 255, "pixel", "0-255"),
        (pixels, "0-255", "pixel"),
    ):
        with pytest.raises(InvalidInput, match=f"--space {said}: the images resemble {resembled} images"):
            bare(images, space=said)


def test_a_space_can_be_kept_against_the_measurement_and_the_card_says_so(bare: Reading, pixels: Array) -> None:
    with pytest.raises(InvalidInput, match="add --as-declared, and the card will say so"):
        bare(pixels, space="0-255")
    found = bare(pixels, space="0-255", as_declared=True)
    assert "kept as declared" in found.remarks[0]
    assert found.synthetic.card.notes == found.remarks[0]


def test_0_255_becomes_pixels(bare: Reading, pixels: Array) -> None:
    found = bare(pixels * 255, space="0-255")
    np.testing.assert_allclose(found.synthetic.tensors["images"], pixels, rtol=1e-6)
    assert found.synthetic.card.space == PIXEL


def test_bytes_are_pixels_and_nothing_else(bare: Reading, pixels: Array) -> None:
    stored = np.rint(pixels * 255).astype(np.int64)
    images = bare(stored).synthetic.tensors["images"]
    np.testing.assert_array_equal(images, stored)
    assert images.dtype == np.uint8
    with pytest.raises(InvalidInput, match="whole numbers of 0 … 255, so they are pixels"):
        bare(stored, space="standardized")
    with pytest.raises(InvalidInput, match=r"whole numbers of -1 … 254; pixels are 0 … 255"):
        bare(stored - 1)


def test_uint8_says_what_is_lost(bare: Reading, standardized: Array, pixels: Array) -> None:
    found = bare(standardized, space="standardized", dtype="uint8")
    np.testing.assert_array_equal(found.synthetic.tensors["images"], np.rint(pixels * 255).astype(np.uint8))
    assert found.synthetic.card.space == PIXEL and found.synthetic.ledger["total"] == 650
    brighter = bare(pixels * 1.25, space="pixel", dtype="uint8")
    share = (pixels * 1.25 > 1).mean()
    assert f"{share:.1%} of the values lay outside 0 … 1 and were clipped" in brighter.remarks[0]
    assert "0.250 at most" in brighter.remarks[0]
    with pytest.raises(UsageError, match="whitened images are no pixels"):
        bare(standardized, space="zca:kornia", dtype="uint8")
    with pytest.raises(UsageError, match="the images are bytes already"):
        bare(np.rint(pixels * 255).astype(np.uint8), dtype="float32")


def test_normalisations_are_named_never_guessed() -> None:
    cifar = datasets.facts("cifar10")
    with pytest.raises(UsageError, match=r"several normalisations(.|\n)*standardized:vico: mean \[0\.4914"):
        _space.declared("standardized", cifar)
    with pytest.raises(UsageError, match="no normalisation 'imagenet' of cifar10"):
        _space.declared("standardized:imagenet", cifar)
    assert _space.declared("standardized:vico", cifar).space.std == (0.2023, 0.1994, 0.2010)
    written = _space.declared("standardized:0.5,0.5,0.5/0.25,0.2,0.2", cifar).space
    assert written == Space("standardized", (0.5, 0.5, 0.5), (0.25, 0.2, 0.2))
    for text in ("standardized:0.5/0", "zca", "zca:pca", "raw", "pixel:1", "standardized:1e,/2"):
        with pytest.raises(UsageError, match="--space"):
            _space.declared(text, cifar)


def colour(mean: float, sd: float, smooth: int) -> Array:
    """Noise (50, 3, 32, 32) averaged over `smooth` neighbours, with a mean and an SD."""
    noise = np.random.default_rng(0).normal(size=(50, 3, 32, 32 + smooth))
    averaged = np.stack([noise[..., i : i + 32] for i in range(smooth)]).mean(axis=0)
    images: Array = ((averaged - averaged.mean()) / averaged.std() * sd + mean).astype(np.float32)
    return images


def test_whitened_colour_images_are_told_from_standardized_ones() -> None:
    cifar = datasets.facts("cifar10")
    white = _space.measure(colour(0, 0.26, 2), cifar)  # the numbers of CIFAR-10 under kornia's ZCA
    assert white.nearest == "zca"
    with pytest.raises(InvalidInput, match="resemble zca images"):
        _space.check(_space.declared("standardized:vico", cifar), "standardized:vico", white, False)
    smooth = _space.measure(colour(0, 1.2, 12), cifar)
    assert smooth.nearest == "standardized"
    with pytest.raises(InvalidInput, match="resemble standardized images"):
        _space.check(_space.declared("zca:kip", cifar), "zca:kip", smooth, False)
    noise = _space.measure(colour(0, 1, 1), cifar)  # DC begins with this; so may a whitened set end
    for text in ("standardized:vico", "zca:kornia"):
        assert _space.check(_space.declared(text, cifar), text, noise, False) == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bare: Reading, pixels: Array, bad: float) -> None:
    pixels[3, 0, 1, 1] = bad
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        bare(pixels, space="pixel")


def test_shapes_and_labels_that_do_not_fit_are_told(bare: Reading, pixels: Array) -> None:
    with pytest.raises(InvalidInput, match=r"shape \(10, 1, 8, 4\); digits needs \(N, 1, 8, 8\)"):
        bare(pixels[..., :4], space="pixel")
    for labels, message in (
        (np.arange(10) + 0.5, "not whole numbers"),
        (np.arange(10) - 1, "class ids start at 0"),
        (np.zeros((10, 7)), r"shape \(10, 7\); digits needs \(N,\) or \(N, 10\)"),
        (np.full((10, 10), np.nan), "the labels hold values that are NaN"),
        (np.arange(10) + 1, r"E202 .* \(got 10, limit 0 to 9\)"),
        (np.repeat(np.arange(5), 2), "E204 .* limit 1 each"),
    ):
        with pytest.raises(InvalidInput, match=message):
            bare(pixels, labels, space="pixel")
    with pytest.raises(InvalidInput, match="one number an image, so they are hard"):
        bare(pixels, space="pixel", labels="logits")


def test_one_hot_rows_are_ids_and_probabilities_are_kept(bare: Reading, pixels: Array) -> None:
    assert bare(pixels, np.eye(10), space="pixel").synthetic.card.labels.kind == "hard"
    soft = np.full((10, 10), 0.02, dtype=np.float32) + np.eye(10, dtype=np.float32) * 0.8
    with pytest.raises(UsageError, match="they look like probabilities"):
        bare(pixels, soft, space="pixel")
    kept = bare(pixels, soft, space="pixel", labels="probabilities").synthetic
    np.testing.assert_array_equal(kept.tensors["labels"], soft)
    assert kept.card.track == "soft"
