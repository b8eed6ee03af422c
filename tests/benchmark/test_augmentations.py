"""Augmentations: what holds for every one, specs, crop and flip by hand, and the page."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import registry
from benchmark.augmentation import Augmentation, Shape, build, move
from benchmark.augmentations.crop_flip import CropFlip
from benchmark.augmentations.dsa import DSA
from benchmark.augmentations.randaugment import OPERATIONS, RandAugment
from benchmark.errors import UsageError
from tests.benchmark.augmenting import SHAPES, generator, images_of, run, statistics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "augmentations.md").read_text(encoding="utf-8")
NAMES = registry.names("augmentation")
DSA_OPERATIONS = DSA().operations


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
