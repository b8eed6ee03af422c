"""Augmentations: hand-computed images, ranges of draws, gradients, the siamese form, torchvision as the reference."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import autoaugment as reference

from benchmark import registry
from benchmark.augmentation import Augmentation, Draws, Shape, build, move
from benchmark.augmentations.crop_flip import CropFlip
from benchmark.augmentations.dsa import DSA
from benchmark.augmentations.randaugment import OPERATIONS, RandAugment
from benchmark.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "augmentations.md").read_text(encoding="utf-8")
NAMES = registry.names("augmentation")
SHAPES: list[Shape] = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 32)]
DSA_OPERATIONS = DSA().operations


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def statistics(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full(shape[:1], 0.45), torch.full(shape[:1], 0.25)


def images_of(n: int, shape: Shape, seed: int = 1) -> torch.Tensor:
    """Standardized images that overshoot 0..1 here and there, as learned ones do."""
    return torch.randn(n, *shape, generator=generator(seed))


def run(augmentation: Augmentation, images: torch.Tensor, draws: Draws) -> torch.Tensor:
    mean, std = statistics((images.shape[1], images.shape[2], images.shape[3]))
    return augmentation.apply(images, draws, mean, std)


# Every registered augmentation.


def test_the_built_in_ones_are_found() -> None:
    assert {"none", "dsa", "crop-flip", "randaugment"} <= set(NAMES)
    assert all(issubclass(registry.load("augmentation", name), Augmentation) for name in NAMES)
    assert all(registry.version("augmentation", name) >= 1 and registry.summary("augmentation", name) for name in NAMES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_shape_dtype_and_input_are_kept(name: str, shape: Shape) -> None:
    augmentation, images = build(name), images_of(6, shape)
    before = images.clone()
    for seed in range(4):
        for dtype in (torch.float32, torch.float64):
            draws = augmentation.draw(6, shape, generator(seed))
            kept = {key: drawn.clone() for key, drawn in draws.items()}
            result = run(augmentation, images.to(dtype), draws)
            assert result.shape == images.shape and result.dtype == dtype and result.isfinite().all()
            assert all(torch.equal(draws[key], kept[key]) for key in kept)
    assert torch.equal(images, before)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_one_generator_state_gives_one_result_and_the_global_one_is_left_alone(name: str, shared: bool) -> None:
    augmentation, shape = build(name), (3, 8, 8)
    state = torch.random.get_rng_state()
    first, second, *others = (augmentation.draw(5, shape, generator(seed), shared) for seed in (7, 7, 8, 9, 10, 11))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not first or any(not torch.equal(first[key], other[key]) for other in others for key in first)
    results = [run(augmentation, images_of(5, shape), draws) for draws in (first, second)]
    assert torch.equal(*results)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_shared_draws_do_the_same_to_every_image_of_two_batches(name: str) -> None:
    augmentation, shape = build(name), (3, 8, 8)
    image = images_of(1, shape)
    for seed in range(12):  # several, so that several operations are drawn
        draws, same = (augmentation.draw(n, shape, generator(seed), shared=True) for n in (2, 9))
        assert all(torch.equal(draws[key], same[key]) for key in draws)
        real = run(augmentation, image.expand(2, -1, -1, -1), draws)
        synthetic = run(augmentation, image.expand(9, -1, -1, -1), draws)
        assert torch.equal(real, real[:1].expand_as(real))
        assert torch.equal(synthetic, real[:1].expand_as(synthetic))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_draws_differ_between_images_unless_shared(name: str) -> None:
    augmentation, image = build(name), images_of(1, (3, 8, 8)).expand(32, -1, -1, -1)
    results = run(augmentation, image, augmentation.draw(32, (3, 8, 8), generator(2)))
    assert len(torch.unique(results.flatten(1), dim=0)) > 1


@pytest.mark.parametrize("name", NAMES)
def test_draws_of_many_batches_can_be_stacked(name: str) -> None:
    augmentation, source = build(name), generator()
    batches = [augmentation.draw(4, (3, 8, 8), source) for _ in range(20)]
    for key in batches[0]:
        assert torch.stack([draws[key] for draws in batches]).shape[0] == 20
    assert all(list(draws) == list(batches[0]) for draws in batches)


@pytest.mark.parametrize("name", NAMES)
def test_each_image_depends_on_its_own_draws_only(name: str) -> None:
    augmentation, images = build(name), images_of(4, (3, 8, 8))
    draws = augmentation.draw(4, (3, 8, 8), generator(3))
    alone = {key: drawn[2:3] if drawn.dim() else drawn for key, drawn in draws.items()}
    assert torch.allclose(run(augmentation, images, draws)[2:3], run(augmentation, images[2:3], alone), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_gives_the_same_images(name: str) -> None:
    augmentation, images = build(name), images_of(4, (3, 8, 8))
    for seed in range(6):
        draws = augmentation.draw(4, (3, 8, 8), generator(seed))
        found = run(augmentation, images.contiguous(memory_format=torch.channels_last), draws)
        assert torch.allclose(found, run(augmentation, images, draws), atol=1e-6)


@pytest.mark.parametrize("name", ["dsa", "randaugment"])
def test_a_resolved_augmentation_is_one_graph_for_the_compiler(name: str) -> None:
    augmentation, images = build(name), images_of(4, (3, 8, 8))
    draws = augmentation.draw(4, (3, 8, 8), generator())
    resolved, (mean, std) = augmentation.resolve(draws), statistics((3, 8, 8))
    compiled: Callable[..., torch.Tensor] = torch.compile(resolved.apply, backend="eager", fullgraph=True)
    assert torch.equal(compiled(images, draws, mean, std), augmentation.apply(images, draws, mean, std))


@pytest.mark.parametrize("name", NAMES)
def test_apply_works_where_nothing_can_be_read_back(name: str) -> None:
    # Tensors without data stand in for an accelerator: a host read or a tensor left on the CPU raises.
    augmentation, images = build(name), images_of(4, (3, 8, 8)).to("meta")
    mean, std = (statistic.to("meta") for statistic in statistics((3, 8, 8)))
    for seed in range(8):  # dsa draws all its operations
        draws = augmentation.draw(4, (3, 8, 8), generator(seed))
        result = augmentation.resolve(draws).apply(images, move(draws, "meta"), mean, std)
        assert result.shape == images.shape and result.device.type == "meta"


def test_none_returns_its_input_and_leaves_the_generator() -> None:
    source, images = generator(), images_of(2, (1, 8, 8))
    state = source.get_state()
    augmentation = build("none")
    assert augmentation.draw(2, (1, 8, 8), source) == {}
    assert torch.equal(source.get_state(), state)
    assert run(augmentation, images, {}) is images


# Specs.


def test_options_come_from_the_spec_and_flip_from_the_dataset() -> None:
    assert build("dsa") == DSA()
    assert build("dsa", flip=False) == DSA(flip=False)
    assert build("dsa:flip=true", flip=False) == DSA(flip=True)
    assert build("dsa:mode=M,strategy=crop_cutout") == DSA(strategy="crop_cutout", mode="M")
    assert build("randaugment:num_ops=1,magnitude=5", flip=False) == RandAugment(num_ops=1, magnitude=5)
    assert build("crop-flip:flip=false") == CropFlip(flip=False)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("das", "Did you mean 'dsa'"),
        ("dsa:flp=true", "unknown option of augmentation 'dsa' 'flp'. Did you mean 'flip'"),
        ("dsa:flip=yes", "flip = 'yes'; allowed: true, false"),
        ("dsa:mode=X", "Known: M, S"),
        ("dsa:strategy=color_cutuot", "Did you mean 'cutout'"),
        ("dsa:strategy=flip,flip=false", "leaves no operation"),
        ("randaugment:magnitude=31", "magnitude 0 to bins - 1"),
        ("randaugment:num_ops=0", "num_ops 1 or above"),
    ],
)
def test_a_bad_spec_is_a_usage_error_that_says_what_is_allowed(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        build(spec)


def test_move_keeps_names_and_values() -> None:
    draws = DSA().draw(3, (3, 8, 8), generator())
    assert all(torch.equal(draws[key], moved) for key, moved in move(draws, "cpu").items())
    assert {moved.device.type for moved in move(draws, "meta").values()} == {"meta"}


# DSA.


def dsa_draws(n: int = 1, shape: Shape = (1, 4, 4), **changes: torch.Tensor) -> Draws:
    return {**DSA().draw(n, shape, generator()), **changes}


def only(operation: str, images: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
    """One DSA operation with a draw written by hand."""
    return run(DSA(strategy=operation, mode="M"), images, {operation: draw})


def test_dsa_draws_one_operation_for_each_batch_uniformly() -> None:
    source, counts = generator(), dict.fromkeys(DSA_OPERATIONS, 0)
    for _ in range(1200):
        augmentation = DSA()
        counts[augmentation.resolve(augmentation.draw(1, (1, 8, 8), source)).strategy] += 1
    # 200 expected; four standard deviations of a binomial are 52.
    assert all(abs(count - 200) < 52 for count in counts.values()), counts


def test_dsa_without_flip_never_flips() -> None:
    augmentation, source = DSA(flip=False), generator()
    assert augmentation.operations == ("color", "crop", "cutout", "scale", "rotate")
    drawn = {augmentation.resolve(augmentation.draw(1, (1, 8, 8), source)).strategy for _ in range(200)}
    assert drawn == set(augmentation.operations)


@pytest.mark.parametrize(("side", "crop", "cutout"), [(8, 1, 8), (28, 4, 28), (32, 4, 32), (64, 8, 64), (10, 1, 9)])
def test_dsa_draws_lie_in_their_published_ranges(side: int, crop: int, cutout: int) -> None:
    draws = DSA().draw(20_000, (3, side, side), generator())
    assert [int(bound) for bound in draws["crop"].aminmax()] == [-crop, crop]
    # Even squares may be centred on both edges of the image; the odd one of side 5 of 10 on pixels only.
    assert [int(bound) for bound in draws["cutout"].aminmax()] == [0, cutout]
    assert draws["flip"].float().mean() == pytest.approx(0.5, abs=0.02)
    assert draws["color"].min() >= 0 and draws["color"].max() < 1
    assert draws["color"].mean(dim=0) == pytest.approx([0.5] * 3, abs=0.01)
    assert 1 / 1.2 <= draws["scale"].min() < 0.84 and 1.19 < draws["scale"].max() <= 1.2
    assert draws["scale"].mean() == pytest.approx((1.2 + 1 / 1.2) / 2, abs=0.005)
    degrees = torch.rad2deg(draws["rotate"])
    assert -15.001 <= degrees.min() < -14.9 and 14.9 < degrees.max() <= 15.001
    assert draws["crop"].shape == draws["cutout"].shape == draws["scale"].shape == (20_000, 2)


def test_dsa_color_follows_the_formulas() -> None:
    pixels = torch.tensor([[[[1.0, 2.0]], [[3.0, 6.0]]]])  # two channels of 1x2
    # Brightness 0.75 adds 0.25; saturation 0.25 halves the distance to the mean of the channels (2.25, 4.25):
    # (1.25, 2.25), (3.25, 6.25) become (1.75, 3.25), (2.75, 5.25); contrast 1.0 multiplies the distance to the mean
    # of all, 3.25, by 1.5.
    expected = torch.tensor([[[[1.0, 3.25]], [[2.5, 6.25]]]])
    assert torch.allclose(only("color", pixels, torch.tensor([[0.75, 0.25, 1.0]])), expected)


def test_dsa_crop_moves_and_fills_with_zeros() -> None:
    pixels = torch.arange(1.0, 13.0).view(1, 1, 3, 4).expand(2, -1, -1, -1)
    expected = torch.tensor(
        [
            [[[0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]]],  # row below, column to the left
            [[[0, 0, 0, 0], [3, 4, 0, 0], [7, 8, 0, 0]]],
        ]
    ).float()
    assert torch.equal(only("crop", pixels, torch.tensor([[1, -1], [-1, 2]])), expected)


@pytest.mark.parametrize(
    ("size", "centre", "rows", "columns"),
    [
        ((8, 8), (4, 4), (2, 6), (2, 6)),
        ((8, 8), (0, 8), (0, 2), (6, 8)),  # half of the square lies outside
        ((6, 8), (3, 1), (2, 5), (0, 3)),  # sides 3 and 4
        ((6, 8), (5, 7), (4, 6), (5, 8)),
    ],
)
def test_dsa_cutout_blanks_the_part_of_the_square_that_is_inside(
    size: tuple[int, int], centre: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    expected = torch.ones(1, 2, *size)
    expected[:, :, rows[0] : rows[1], columns[0] : columns[1]] = 0
    assert torch.equal(only("cutout", torch.ones(1, 2, *size), torch.tensor([centre])), expected)


def test_dsa_flip_mirrors_the_chosen_images() -> None:
    pixels = torch.tensor([[1.0, 2.0, 3.0]]).view(1, 1, 1, 3).expand(2, -1, -1, -1)
    expected = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]).view(2, 1, 1, 3)
    assert torch.equal(only("flip", pixels, torch.tensor([True, False])), expected)


def test_dsa_scale_reads_at_multiples_of_the_distance_to_the_centre() -> None:
    pixels = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(1, 1, 1, 4)
    # Edges at -1 and 1: centres at -0.75, -0.25, 0.25, 0.75. Times 0.5: pixel positions 0.75, 1.25, 1.75, 2.25.
    expected = torch.tensor([1.75, 2.5, 3.5, 5.0]).view(1, 1, 1, 4)
    assert torch.allclose(only("scale", pixels, torch.tensor([[0.5, 1.0]])), expected)
    # Times 1.2: the first pixel is read at 1.5 - 1.2 * 1.5 = -0.3, three tenths of which are the 0 outside.
    assert only("scale", pixels, torch.tensor([[1.2, 1.0]]))[0, 0, 0, 0] == pytest.approx(0.7)
    # Height: a column is left as it is by a factor along the rows.
    column = pixels.transpose(2, 3)
    assert torch.allclose(only("scale", column, torch.tensor([[1.0, 0.5]])), expected.transpose(2, 3))
    assert torch.allclose(only("scale", pixels, torch.tensor([[1.0, 1.0]])), pixels)


def test_dsa_rotates_about_the_centre() -> None:
    pixels = images_of(2, (3, 5, 5))
    quarter = only("rotate", pixels, torch.full((2,), math.pi / 2))
    assert torch.allclose(quarter, torch.rot90(pixels, 1, (2, 3)), atol=1e-5)
    assert torch.allclose(only("rotate", pixels, torch.zeros(2)), pixels, atol=1e-6)


@pytest.mark.parametrize("side", [8, 28, 32])
def test_scale_and_rotate_of_squares_are_the_same_with_corners_aligned(side: int) -> None:
    # MTT aligns corners; older and newer PyTorch differ in their default. No score can depend on it.
    images, draws = images_of(4, (3, side, side)), DSA().draw(4, (3, side, side), generator())
    (x, y), angle = draws["scale"].unbind(1), draws["rotate"]
    zero, cosine, sine = torch.zeros(4), angle.cos(), angle.sin()
    for operation, numbers in {
        "scale": [x, zero, zero, zero, y, zero],
        "rotate": [cosine, -sine, zero, sine, cosine, zero],
    }.items():
        matrices = torch.stack(numbers, dim=1).view(4, 2, 3)
        grid = F.affine_grid(matrices, list(images.shape), align_corners=True)
        aligned = F.grid_sample(images, grid, align_corners=True)
        assert torch.allclose(only(operation, images, draws[operation]), aligned, atol=1e-4)


@pytest.mark.parametrize("operation", DSA_OPERATIONS)
def test_dsa_gradients_are_right(operation: str) -> None:
    augmentation = DSA(strategy=operation, mode="M")
    draws = augmentation.draw(2, (2, 5, 4), generator(5))
    images = images_of(2, (2, 5, 4)).double().requires_grad_()
    mean, std = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: augmentation.apply(x, draws, mean, std), (images,))
    # Gradient matching differentiates through this gradient again.
    assert torch.autograd.gradgradcheck(lambda x: augmentation.apply(x, draws, mean, std).sin(), (images,))


def test_dsa_mode_m_applies_all_operations_in_order() -> None:
    images, shape = images_of(3, (3, 8, 8)), (3, 8, 8)
    augmentation = DSA(mode="M")
    draws = augmentation.draw(3, shape, generator())
    expected = images
    for operation in DSA_OPERATIONS:
        expected = only(operation, expected, draws[operation])
    assert torch.equal(run(augmentation, images, draws), expected)
    assert augmentation.resolve(draws) is augmentation


def test_dsa_mode_s_is_the_drawn_operation_alone() -> None:
    images = images_of(3, (3, 8, 8))
    for index, operation in enumerate(DSA_OPERATIONS):
        draws = dsa_draws(3, (3, 8, 8), op=torch.tensor(index))
        assert DSA().resolve(draws) == DSA(strategy=operation, mode="M")
        assert torch.equal(run(DSA(), images, draws), only(operation, images, draws[operation]))


# Crop and flip.


def test_crop_flip_shifts_and_then_mirrors() -> None:
    pixels = torch.arange(1.0, 5.0).view(1, 1, 2, 2).expand(2, -1, -1, -1)
    draws = {"crop": torch.tensor([[0, 1], [1, 0]]), "flip": torch.tensor([True, False])}
    expected = torch.tensor([[[[0.0, 2.0], [0.0, 4.0]]], [[[3.0, 4.0], [0.0, 0.0]]]])
    assert torch.equal(run(CropFlip(), pixels, draws), expected)
    unmirrored = torch.cat([expected[:1].flip(3), expected[1:]])
    assert torch.equal(run(CropFlip(flip=False), pixels, draws), unmirrored)


@pytest.mark.parametrize(("side", "limit"), [(8, 1), (28, 4), (32, 4)])
def test_crop_flip_draws_every_shift_and_half_of_the_mirrors(side: int, limit: int) -> None:
    draws = CropFlip().draw(9000, (3, side, side), generator())
    for axis in (0, 1):
        counts = (draws["crop"][:, axis] + limit).bincount(minlength=2 * limit + 1)
        assert counts / 9000 == pytest.approx([1 / (2 * limit + 1)] * (2 * limit + 1), rel=0.2)
    assert draws["flip"].float().mean() == pytest.approx(0.5, abs=0.03)


# RandAugment.

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


# The page.


def test_the_page_names_every_augmentation_and_operation() -> None:
    assert set(NAMES) == set(re.findall(r"^## `([a-z-]+)`$", PAGE, flags=re.MULTILINE))
    assert all(f"| `{operation}` |" in PAGE for operation in (*DSA_OPERATIONS, *OPERATIONS))


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of outsiders' plug-ins that the registry searches during one test."""
    monkeypatch.setenv(registry.ENVIRONMENT, os.pathsep.join([str(tmp_path)]))
    registry._files.cache_clear()
    yield tmp_path
    registry._files.cache_clear()
    for name in [name for name in sys.modules if name.startswith("distillbench_plugins.augmentations.")]:
        del sys.modules[name]


def test_the_whole_file_of_the_page_is_an_augmentation(plugin_folder: Path) -> None:
    (plugin_folder / "augmentations").mkdir()
    source = PAGE.rpartition("```python\n")[2].partition("```")[0]
    (plugin_folder / "augmentations" / "fade.py").write_text(source, encoding="utf-8")
    augmentation = build("fade:darkest=0.25")
    draws = augmentation.draw(5, (1, 8, 8), generator())
    mean, std = statistics((1, 8, 8))
    pixels = run(augmentation, (torch.ones(5, 1, 8, 8) - mean) / std, draws) * std + mean
    assert torch.allclose(pixels[:, 0, 0, 0], draws["factor"]) and (draws["factor"] >= 0.25).all()
    assert replace(augmentation).resolve(draws) == augmentation
