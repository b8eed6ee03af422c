"""The augmentation of DSA: hand-computed images, published ranges of draws, and gradients of gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from benchmark.augmentation import Draws, Shape
from benchmark.augmentations.dsa import DSA
from tests.benchmark.augmenting import generator, images_of, run

DSA_OPERATIONS = DSA().operations


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

    def by_weights(images: torch.Tensor) -> torch.Tensor:
        loss = (augmentation.apply(images, draws, mean, std) * weights).sin().sum()
        return torch.autograd.grad(loss, weights, create_graph=True)[0]

    # gradient matching and unrolling differentiate a gradient by the weights
    weights = torch.linspace(0.5, 1.5, images.numel(), dtype=torch.float64).view_as(images).requires_grad_()
    assert torch.autograd.gradcheck(by_weights, (images,))


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
