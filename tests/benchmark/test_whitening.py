"""Whitening: white by the formula, undone by its inverse, alike in numpy and torch, kept on disk for larger images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import datasets, whitening
from benchmark.datasets import _place
from benchmark.errors import InvalidInput
from benchmark.space import Space


@pytest.fixture(scope="module")
def space() -> Space:
    return Space("zca", variant="kornia", eps=0.1).bound(datasets.load("digits"))


def pixels() -> np.ndarray:
    return (datasets.load("digits").train.images / 255).astype(np.float32)


def test_the_covariance_of_whitened_images_is_what_the_formula_says(space: Space) -> None:
    """In the basis of eigenvectors a variance of s becomes s / (s + eps), so the covariance is C (C + eps)^-1."""
    flat = pixels().reshape(1000, 64).astype(np.float64)
    covariance = np.cov(flat, rowvar=False)  # divides by n - 1
    white = space.from_pixel(pixels()).reshape(1000, 64)
    expected = covariance @ np.linalg.inv(covariance + 0.1 * np.eye(64))
    assert np.allclose(np.cov(white, rowvar=False), expected, atol=1e-4)
    assert np.allclose(white.mean(axis=0), 0, atol=1e-4)


def test_the_matrix_is_the_symmetric_root(space: Space) -> None:
    """kornia's form U diag(1 / √(s + eps)) Uᵀ is the one symmetric positive root of (C + eps)^-1."""
    assert space.whitening is not None
    forward = space.whitening.forward.astype(np.float64)
    covariance = np.cov(pixels().reshape(1000, 64).astype(np.float64), rowvar=False)
    assert np.allclose(forward, forward.T, atol=1e-5) and np.linalg.eigvalsh(forward).min() > 0
    assert np.allclose(forward @ forward @ (covariance + 0.1 * np.eye(64)), np.eye(64), atol=1e-4)


def test_numpy_and_torch_agree_and_the_way_back_gives_the_pixels(space: Space) -> None:
    some = pixels()[:50]
    white = space.from_pixel(some)
    assert white.shape == some.shape and white.dtype == np.float32
    assert np.allclose(space.from_pixel(torch.from_numpy(some)).numpy(), white, atol=1e-5)
    assert np.allclose(space.to_pixel(white), some, atol=1e-4)
    assert np.allclose(space.to_pixel(torch.from_numpy(white)).numpy(), some, atol=1e-4)


def test_a_gradient_goes_through_the_whitening(space: Space) -> None:
    image = torch.from_numpy(pixels()[:1]).requires_grad_()
    (gradient,) = torch.autograd.grad(space.from_pixel(image)[0, 0, 3, 4], image)
    assert space.whitening is not None
    assert np.allclose(gradient.flatten().numpy(), space.whitening.forward[:, 3 * 8 + 4], atol=1e-6)


def test_a_bound_space_is_the_space_that_the_card_names(space: Space) -> None:
    named = Space("zca", variant="kornia", eps=0.1)
    assert space == named and hash(space) == hash(named)
    assert space.to_json() == {"kind": "zca", "variant": "kornia", "eps": 0.1}
    assert Space("pixel").bound(datasets.load("digits")) == Space("pixel")


def test_a_space_without_its_matrix_and_one_that_cannot_be_undone_say_so() -> None:
    with pytest.raises(InvalidInput, match=r"not its matrix. Fix: convert by `space.bound\(dataset\)`"):
        Space("zca", variant="kornia", eps=0.1).to_pixel(np.zeros((1, 1, 8, 8)))
    with pytest.raises(InvalidInput, match="whitened as 'kip' does it are stored and listed, but not trained on"):
        Space("zca", variant="kip", eps=0.1).bound(datasets.load("digits"))
    with pytest.raises(InvalidInput, match=r"eps is 0.0; it must be above 0"):
        Space.from_json({"kind": "zca", "variant": "kornia", "eps": 0})


def test_the_matrix_of_larger_images_is_kept_and_a_damaged_one_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_place.ENVIRONMENT, str(tmp_path))
    monkeypatch.setattr(whitening, "KEPT_FROM", 64)
    whitening._of.cache_clear()
    first = whitening.of(datasets.load("digits"), 0.1)
    (file,) = tmp_path.glob("whitening/*-0.1.safetensors")
    monkeypatch.setattr(whitening, "fit", lambda images, eps: pytest.fail("it was kept"))
    whitening._of.cache_clear()
    assert np.array_equal(whitening.of(datasets.load("digits"), 0.1).forward, first.forward)
    monkeypatch.undo()
    monkeypatch.setenv(_place.ENVIRONMENT, str(tmp_path))
    monkeypatch.setattr(whitening, "KEPT_FROM", 64)
    file.write_bytes(file.read_bytes()[:1000])
    whitening._of.cache_clear()
    assert np.array_equal(whitening.of(datasets.load("digits"), 0.1).forward, first.forward)
    whitening._of.cache_clear()
