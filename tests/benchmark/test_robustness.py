"""Corruptions and attacks: properties, closed forms, and a library where there is one."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark import datasets, engine, recipe
from benchmark.corruptions import FAMILIES, corrupt
from benchmark.engine.training import build_network, fit
from benchmark.errors import UsageError
from benchmark.probes import accuracy, attack
from benchmark.store import Store
from benchmark.values import Data, Real

TEST = Real("digits", "test")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> engine.Measurement:
    """A small network trained on digits, before its test images."""
    materials = engine.Materials(Store(Path(tmp_path_factory.mktemp("robust"))), torch.device("cpu"))
    chosen = recipe.load("standard-v1-lite/reference")
    examples = materials.training_examples(Data((Real("digits"),)), chosen)
    network = build_network("convnet:depth=2,width=16", examples, 0, materials.device)
    list(fit(network, examples, chosen, 0))
    return engine.Measurement(network, materials.real_examples(TEST, examples.space))


def share(counts: dict[str, Any]) -> float:
    return 100.0 * float(sum(counts["correct"])) / float(sum(counts["total"]))


def pixels(n: int = 64) -> torch.Tensor:
    return torch.tensor(datasets.load("digits").test.images[:n]).float() / 255


def distance(family: str, severity: int, images: torch.Tensor) -> float:
    found = corrupt(images, family, severity, engine.generator(0, "test"))
    return float((found - images).square().mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_moves_images_further_with_severity_and_keeps_them_in_range(family: str) -> None:
    images = torch.nn.functional.interpolate(pixels(), size=(32, 32), mode="bilinear")
    moved = [distance(family, severity, images) for severity in range(1, 6)]
    assert moved[4] > moved[0] > 0
    if family != "pixelate":  # whose boxes meet the pixels' edges at some sizes
        assert all(after >= before for before, after in pairwise(moved))
    colour = torch.rand(2, 3, 32, 32, generator=engine.generator(1, "test"))
    found = corrupt(colour, family, 3, engine.generator(0, "test"))
    assert found.shape == colour.shape and float(found.min()) >= 0 and float(found.max()) <= 1
    assert torch.equal(found, corrupt(colour, family, 3, engine.generator(0, "test")))


def test_noise_has_the_strength_that_its_source_states() -> None:
    grey = torch.full((4, 3, 64, 64), 0.5)
    draws = engine.generator(0, "test")
    assert float((corrupt(grey, "gaussian-noise", 5, draws) - grey).std()) == pytest.approx(0.10, rel=0.02)
    assert float((corrupt(grey, "shot-noise", 5, draws) - grey).std()) == pytest.approx((0.5 / 50) ** 0.5, rel=0.02)
    assert float((corrupt(grey, "impulse-noise", 5, draws) != grey).float().mean()) == pytest.approx(0.07, rel=0.05)


def test_the_blur_is_that_of_scipy() -> None:
    from scipy.ndimage import gaussian_filter

    image = pixels(1)
    expected = gaussian_filter(image[0, 0].numpy().astype(np.float64), 0.8, mode="nearest", truncate=4.0)
    found = corrupt(image, "gaussian-blur", 4, engine.generator(0, "test"))
    assert np.allclose(found[0, 0].numpy(), expected, atol=1e-5)


def test_pixelation_and_jpeg_are_those_of_pillow() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    images, image = torch.from_numpy(grey)[None, None].float() / 255, Image.fromarray(grey)
    small = image.resize((27, 27), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=58)
    for family, expected in (("pixelate", small), ("jpeg", Image.open(buffer))):
        found = corrupt(images, family, 3, engine.generator(0, "test"))[0, 0].numpy()
        assert np.abs(found * 255 - np.asarray(expected)).max() < 1e-3


def test_contrast_and_brightness_by_hand() -> None:
    image = torch.tensor([[[[0.2, 0.6]]]])
    draws = engine.generator(0, "test")
    assert torch.allclose(corrupt(image, "contrast", 2, draws), torch.tensor([0.3, 0.5]))
    assert torch.allclose(corrupt(image, "brightness", 5, draws), torch.tensor([0.5, 0.9]))


def test_unknown_corruptions_are_refused() -> None:
    with pytest.raises(UsageError, match="gaussian-noise"):
        corrupt(pixels(1), "gausian-noise", 1, engine.generator(0, "test"))
    with pytest.raises(UsageError, match="severity is 6"):
        corrupt(pixels(1), "jpeg", 6, engine.generator(0, "test"))


def test_accuracy_falls_with_severity(seen: engine.Measurement) -> None:
    means = [
        np.mean([share(accuracy.probe(seen, corruption=family, severity=k, subset=2000)) for family in FAMILIES])
        for k in (1, 3, 5)
    ]
    clean = share(accuracy.probe(seen))
    assert clean > means[0] > means[1] > means[2], (clean, means)


def test_a_subset_is_the_same_for_every_network(seen: engine.Measurement) -> None:
    rows = seen.subset(100)
    assert len(rows) == 100 and torch.equal(rows, seen.subset(100)) and bool((rows.diff() > 0).all())
    assert len(seen.subset(2000)) == len(seen.labels) == len(seen.subset(None))
    assert sum(accuracy.probe(seen, subset=100)["total"]) == 100
    assert accuracy.probe(seen, subset=2000) == accuracy.probe(seen)


def test_attacks_harm_and_pgd_harms_most(seen: engine.Measurement) -> None:
    clean = share(accuracy.probe(seen, subset=200))
    fgsm, pgd = (share(attack.probe(seen, method, 16.0, subset=200)) for method in ("fgsm", "pgd"))
    assert clean > fgsm >= pgd
    assert share(attack.probe(seen, "fgsm", 0.0, subset=200)) == pytest.approx(clean)
    with pytest.raises(UsageError, match="unknown attack"):
        attack.probe(seen, "fgms")


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_attacked_images_stay_within_their_bound_and_equal_those_of_a_library(
    seen: engine.Measurement, method: str
) -> None:
    """The Adversarial Robustness Toolbox on the same network, from the same start."""
    pytest.importorskip("art", reason="needs adversarial-robustness-toolbox, of the extra `test`")
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    space = seen.examples.space
    images, labels = space.to_pixel(seen.images[:50]).clamp(0, 1), seen.labels[:50]
    bound, n_steps = 8 / 255, 1 if method == "fgsm" else 10
    size = bound if method == "fgsm" else bound / 4
    start = torch.zeros_like(images)
    found = attack.attacked(seen.network, space, images, start, labels, bound, size, n_steps)
    assert float((found - images).abs().max()) <= bound + 1e-6 and 0 <= float(found.min()) <= float(found.max()) <= 1

    class FromPixels(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = seen.network(space.from_pixel(x))
            return output

    classifier = PyTorchClassifier(
        FromPixels().eval(), torch.nn.CrossEntropyLoss(), tuple(images.shape[1:]), 10, clip_values=(0, 1)
    )
    if method == "fgsm":
        library = FastGradientMethod(classifier, eps=bound)
    else:
        library = ProjectedGradientDescentPyTorch(classifier, eps=bound, eps_step=size, max_iter=10, verbose=False)
    theirs = library.generate(images.numpy(), labels.numpy())
    differing = np.abs(theirs - found.numpy()) > 1e-5
    assert differing.mean() < 0.005, "but for gradients of exactly or nearly zero"
