"""RandAugment: torchvision's own operations as the reference, ranges of draws, and gradients."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import autoaugment as reference

from benchmark.augmentation import Shape
from benchmark.augmentations.randaugment import OPERATIONS, RandAugment
from benchmark.errors import UsageError
from tests.benchmark.augmenting import SHAPES, generator

TORCHVISION = {name: name.title().replace("-", "") for name in OPERATIONS} | {"autocontrast": "AutoContrast"}
TO_THE_BIT = ("posterize", "equalize")
"""Operations that torchvision defines on 8-bit images only."""


def byte_images(shape: Shape) -> torch.Tensor:
    """Noise, a dark image, a flat one, one of few values: (4, C, H, W) uint8."""
    noise = torch.randint(0, 256, (4, *shape), generator=generator(3), dtype=torch.uint8)
    return torch.stack([noise[0], noise[1] // 3, torch.full_like(noise[2], 77), noise[3] // 100 * 100])


def one_operation(pixels: torch.Tensor, operation: str, strength: float) -> torch.Tensor:
    """Apply one operation to all pixels (N, C, H, W) in 0..1."""
    n, channels = pixels.shape[:2]
    draws = {"op": torch.full((n, 1), OPERATIONS.index(operation)), "strength": torch.full((n, 1), strength)}
    return RandAugment(num_ops=1).apply(pixels, draws, torch.zeros(channels), torch.ones(channels))


def by_torchvision(images: torch.Tensor, operation: str, magnitude: float) -> torch.Tensor:
    """Apply torchvision's operation to each of the uint8 images by itself; the result is in 0..1."""
    bits = operation in TO_THE_BIT
    magnitude = magnitude / 255 if operation == "solarize" else magnitude
    results = [
        reference._apply_op(
            image if bits else image / 255, TORCHVISION[operation], magnitude, InterpolationMode.NEAREST, None
        )
        for image in images
    ]
    return torch.stack(results) / 255 if bits else torch.stack(results)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_randaugment_operations_equal_those_of_torchvision(operation: str, shape: Shape) -> None:
    images = byte_images(shape)
    space = reference.RandAugment()._augmentation_space(31, shape[1:])
    magnitudes, signed = space[TORCHVISION[operation]]
    for level in (0, 5, 9, 30):
        magnitude = float(magnitudes[level]) if magnitudes.ndim else 0.0
        strength = float(RandAugment(magnitude=level).strengths(shape)[OPERATIONS.index(operation)])
        for sign in (1, -1) if signed else (1,):
            expected = by_torchvision(images, operation, sign * magnitude)
            found = one_operation(images / 255, operation, sign * strength)
            assert torch.allclose(found, expected, atol=2e-6), (level, sign)


def test_randaugment_names_and_order_are_those_of_torchvision() -> None:
    assert [TORCHVISION[name] for name in OPERATIONS] == list(reference.RandAugment()._augmentation_space(31, (8, 8)))
    theirs = reference.RandAugment()
    assert (theirs.num_ops, theirs.magnitude, theirs.num_magnitude_bins) == (2, 9, 31)
    assert RandAugment() == RandAugment(num_ops=2, magnitude=9, bins=31)


def test_randaugment_draws_operations_uniformly_and_signs_evenly() -> None:
    draws = RandAugment().draw(14_000, (3, 32, 32), generator())
    assert draws["op"].shape == draws["strength"].shape == (14_000, 2)
    counts = draws["op"].flatten().bincount(minlength=14)
    assert counts.float() == pytest.approx([2000.0] * 14, abs=175)  # four standard deviations
    # By hand at 9 of 30 steps: shear 0.09, shift int(0.3 * 150/331 * 32) = 4, 9 degrees, blend 0.27, 7 bits, 0.7.
    strengths = {
        name: sorted(set(draws["strength"][draws["op"] == index].tolist())) for index, name in enumerate(OPERATIONS)
    }
    assert strengths["shear-x"] == pytest.approx([-0.09, 0.09])
    assert strengths["translate-y"] == [-4, 4]
    assert strengths["rotate"] == pytest.approx([-9, 9])
    assert strengths["contrast"] == pytest.approx([-0.27, 0.27])
    assert strengths["posterize"] == [7]
    assert strengths["solarize"] == pytest.approx([0.7])
    assert strengths["identity"] == strengths["equalize"] == [0]
    assert (draws["strength"][draws["op"] == OPERATIONS.index("rotate")] > 0).float().mean() == pytest.approx(
        0.5, abs=0.05
    )


def test_randaugment_applies_its_operations_one_after_the_other() -> None:
    pixels = byte_images((3, 8, 8)) / 255
    first, second = OPERATIONS.index("autocontrast"), OPERATIONS.index("brightness")
    draws = {"op": torch.tensor([[first, second]] * 4), "strength": torch.tensor([[0.0, -0.5]] * 4)}
    found = RandAugment().apply(pixels, draws, torch.zeros(3), torch.ones(3))
    assert torch.equal(found, one_operation(one_operation(pixels, "autocontrast", 0.0), "brightness", -0.5))
    assert found.amax() == 0.5  # the other order would stretch it back to 1


def test_randaugment_clamps_what_overshoots_and_returns_to_standardized_space() -> None:
    mean, std = torch.tensor([0.5]), torch.tensor([0.25])
    images = torch.tensor([-3.0, -2.0, 1.0, 4.0]).view(1, 1, 1, 4)  # pixels -0.25, 0, 0.75, 1.5
    draws = {"op": torch.zeros(1, 1, dtype=torch.long), "strength": torch.zeros(1, 1)}
    expected = torch.tensor([-2.0, -2.0, 1.0, 2.0]).view(1, 1, 1, 4)
    assert torch.allclose(RandAugment(num_ops=1).apply(images, draws, mean, std), expected)
    darker = {"op": torch.tensor([[OPERATIONS.index("brightness")]]), "strength": torch.tensor([[-0.5]])}
    expected = torch.tensor([-2.0, -2.0, -0.5, 0.0]).view(1, 1, 1, 4)  # pixels 0, 0, 0.375, 0.5
    assert torch.allclose(RandAugment(num_ops=1).apply(images, darker, mean, std), expected)


def test_randaugment_gradients_reach_the_images_through_smooth_operations() -> None:
    for operation, strength in (("rotate", 9.0), ("contrast", 0.27), ("sharpness", -0.27), ("solarize", 0.7)):
        pixels = (byte_images((3, 8, 8))[:1] / 255).clamp(0.1, 0.9).requires_grad_()
        (found,) = torch.autograd.grad(one_operation(pixels, operation, strength).sum(), pixels)
        assert found.abs().max() > 0 and found.isfinite().all(), operation


def test_randaugment_refuses_other_channel_counts() -> None:
    with pytest.raises(UsageError, match="1 or 3 channels, not 4"):
        RandAugment().draw(2, (4, 8, 8), generator())
