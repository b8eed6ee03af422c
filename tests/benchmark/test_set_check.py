"""The check of tensors against card and dataset: above all, a set in the wrong value space is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import datasets, registry
from benchmark._set_check import TENSORS, problems
from benchmark.errors import InvalidInput
from benchmark.space import PIXEL, Space
from benchmark.synthetic_set import Array, Decoder, Labels, SyntheticSet

SetMaker = Callable[..., SyntheticSet]
FACTS = datasets.facts("digits")
STATISTICS = FACTS.statistics["dataset"]
OWN = Space("standardized", STATISTICS.mean, STATISTICS.std)
LABELS = np.repeat(np.arange(10), 10)


@pytest.fixture(scope="module")
def pixels() -> Array:
    """Ten real images of each class, in 0..1."""
    train = datasets.load("digits").train
    rows = np.concatenate([np.flatnonzero(train.labels == c)[:10] for c in range(10)])
    images: Array = train.images[rows].astype(np.float32) / 255
    return images


def found(make_set: SetMaker, images: Array, stored: Array = LABELS, /, **card: Any) -> str:
    """The problems of a set of these images and labels, one a line."""
    return "\n".join(problems(make_set(tensors={"images": images, "labels": stored}, **{"ipc": 10, **card})))


def test_real_images_fit_each_space_that_they_are_in(make_set: SetMaker, pixels: Array) -> None:
    assert found(make_set, pixels) == ""
    assert found(make_set, (pixels * 255).astype(np.uint8)) == ""
    assert found(make_set, pixels.astype(np.float16)) == ""
    assert found(make_set, OWN.from_pixel(pixels), space=OWN) == ""
    assert found(make_set, OWN.from_pixel(pixels), space=Space("zca", variant="kip", eps=0.1)) == ""


def test_a_set_of_some_classes_says_so(make_set: SetMaker, pixels: Array) -> None:
    kept = np.isin(LABELS, (3, 7))
    assert found(make_set, pixels[kept], LABELS[kept], classes=(3, 7)) == ""
    assert "10 images per class" in found(make_set, pixels[kept], LABELS[kept])
    assert "of the classes [3], but there are others: [7]" in found(make_set, pixels[kept], LABELS[kept], classes=(3,))
    assert "the classes hold" in found(make_set, pixels[kept], LABELS[kept], classes=(3, 7, 8))
    assert "of the classes [3, 7, 10]" in found(make_set, pixels[kept], LABELS[kept], classes=(3, 7, 10))


def test_distilled_images_may_overshoot(make_set: SetMaker, pixels: Array) -> None:
    noise = np.random.default_rng(0).normal(0, 0.25, pixels.shape).astype(np.float32)
    assert found(make_set, OWN.from_pixel(pixels + noise), space=OWN) == ""
    assert found(make_set, pixels + 0.2 * noise) == ""


def test_standardized_images_declared_pixels_are_found(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, OWN.from_pixel(pixels))
    assert "space is declared 'pixel', but many values are below 0 (measured: " in text
    assert "They resemble standardized images. Fix: declare" in text
    halves = Space("standardized", (0.5,), (0.5,)).from_pixel(pixels)  # the common -1..1
    assert "They resemble standardized images" in found(make_set, halves)


@pytest.mark.parametrize("space", [OWN, Space("standardized", (0.5,), (0.5,)), Space("standardized", (0.0,), (0.5,))])
def test_pixels_declared_standardized_are_found(make_set: SetMaker, pixels: Array, space: Space) -> None:
    text = found(make_set, pixels, space=space)
    assert "space is declared 'standardized', but every value lies in 0..1" in text
    assert 'Fix: declare {"kind": "pixel"}' in text


def test_standardizing_by_nothing_is_pixel_space_and_a_constant_set_resembles_nothing(
    make_set: SetMaker, pixels: Array
) -> None:
    assert found(make_set, pixels, space=Space("standardized", (0.0,), (1.0,))) == ""
    assert found(make_set, np.zeros_like(pixels), space=OWN) == ""


@pytest.mark.parametrize("space", [PIXEL, OWN])
def test_values_of_0_to_255_are_found(make_set: SetMaker, pixels: Array, space: Space) -> None:
    text = found(make_set, pixels * 255, space=space)
    assert "They resemble pixels of 0 to 255. Fix: divide them by 255, or store them as uint8" in text


def test_a_mean_and_std_of_0_to_255_are_found(make_set: SetMaker, pixels: Array) -> None:
    wide = Space("standardized", (77.8,), (95.9,))
    assert "by a mean and std of 0 to 255. Fix: divide both" in found(make_set, OWN.from_pixel(pixels), space=wide)


def test_uint8_is_pixel_space(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, (pixels * 255).astype(np.uint8), space=OWN)
    assert text == "tensor 'images' is uint8, which is pixel space, but the card declares 'standardized'."


def test_a_mean_for_each_channel(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, OWN.from_pixel(pixels), space=Space("standardized", (0.5,) * 3, (0.5,) * 3))
    assert text == "space has 3 means for images of 1 channels."


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e5, 3e38])
def test_numbers_of_any_size_are_measured_without_a_warning(make_set: SetMaker, pixels: Array, size: float) -> None:
    assert "do not fit it" in found(make_set, pixels * np.float32(size), space=OWN)
    assert "do not fit it" in found(make_set, pixels * -np.float32(size), space=OWN)


def test_nan_is_counted_and_located(make_set: SetMaker, pixels: Array) -> None:
    broken = pixels.copy()
    broken[0, 0, 0, 3], broken[2, 0, 0, 0] = np.nan, np.inf
    assert found(make_set, broken) == (
        "tensor 'images' holds 2 values that are NaN or infinite, the first at flat index 3."
    )


@pytest.mark.parametrize(
    ("reshaped", "problem"),
    [
        (lambda x: x.transpose(0, 2, 3, 1), "needs (N, 1, 8, 8). It looks like NHWC. Fix: transpose(0, 3, 1, 2)."),
        (lambda x: x[:, 0], "has shape (100, 8, 8); digits needs (N, 1, 8, 8)."),
        (lambda x: np.repeat(x, 3, axis=1), "has shape (100, 3, 8, 8); digits needs (N, 1, 8, 8)."),
        (lambda x: x.astype(np.float64), "has dtype float64; allowed: uint8, float16, float32."),
        (lambda x: x[0, 0, 0, 0], "has shape (); digits needs"),
        (lambda x: x[:0], "tensor 'images' is empty."),
        (lambda x: x[:99], "there are 99 images but 100 labels."),
    ],
)
def test_the_wrong_shape_says_which_is_needed(
    make_set: SetMaker, pixels: Array, reshaped: Callable[[Array], Array], problem: str
) -> None:
    assert problem in found(make_set, np.asarray(reshaped(pixels)))


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (np.r_[LABELS[:-1], 10], "tensor 'labels' holds 10; digits has classes 0 to 9."),
        (np.r_[-1, LABELS[1:]], "tensor 'labels' holds -1; digits has classes 0 to 9."),
        (np.r_[LABELS[:-1], 255].astype(np.uint8), "tensor 'labels' holds 255; digits has classes 0 to 9."),
        (LABELS.astype(np.float32), "hard labels are whole numbers of shape (N,). Fix: store class ids"),
        (np.eye(10, dtype=np.float32)[LABELS], "is float32 of shape (100, 10); hard labels are whole numbers"),
        (np.eye(10, dtype=np.int64)[LABELS], "is int64 of shape (100, 10); hard labels are whole numbers"),
        (np.array(3), "is int64 of shape (); hard labels are whole numbers"),
        (LABELS[:0], "tensor 'labels' is empty."),
        (np.r_[LABELS[1:], 9], "card.json says 10 images per class, but the classes hold [9, 10, 10, 10"),
    ],
)
def test_wrong_hard_labels_are_named(make_set: SetMaker, pixels: Array, labels: Array, problem: str) -> None:
    assert problem in found(make_set, pixels, np.asarray(labels))


SOFT = np.full((100, 10), 0.1, dtype=np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_soft_labels_fit(make_set: SetMaker, pixels: Array, dtype: str) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(10), 100)
    assert found(make_set, pixels, rows.astype(dtype), labels=Labels("probabilities")) == ""
    assert found(make_set, pixels, (100 * rows).astype(dtype), labels=Labels("logits", 2.0)) == ""


@pytest.mark.parametrize(
    ("labels", "kind", "problem"),
    [
        (SOFT * 2, "probabilities", "some rows are negative or do not sum to 1 (± 0.001)"),
        (
            SOFT + np.array([[-0.2, 0.2, *[0] * 8]], dtype=np.float32),
            "probabilities",
            "some rows are negative or do not sum",
        ),
        (SOFT * np.float32(np.nan), "probabilities", "NaN or infinite"),
        (SOFT * 1e6, "logits", "some exceed ± 10,000"),
        (SOFT[:, :9], "logits", "logits are float32 or float16 of shape (N, 10)"),
        (LABELS, "logits", "is int64 of shape (100,); logits are float32"),
        (SOFT.astype(np.float64), "probabilities", "is float64 of shape (100, 10)"),
        (SOFT[:90], "probabilities", "there are 100 images but 90 labels"),
    ],
)
def test_wrong_soft_labels_are_named(make_set: SetMaker, pixels: Array, labels: Array, kind: str, problem: str) -> None:
    assert problem in found(make_set, pixels, np.asarray(labels), labels=Labels(kind))


def test_soft_labels_do_not_hide_how_many_images_there_are(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, pixels, SOFT, labels=Labels("probabilities"), ipc=1)
    assert text == "card.json says 1 images per class, 10 in all, but there are 100."


@pytest.mark.parametrize(
    ("indices", "problem"),
    [
        (np.arange(10), ""),
        (np.array([0] * 9 + [999]), ""),
        (np.array([0] * 9 + [1000]), "tensor 'indices' holds 1000; digits has training images 0 to 999."),
        (np.array([-1] + [0] * 9), "tensor 'indices' holds -1; digits has training images 0 to 999."),
        (np.arange(10.0), "tensor 'indices' is float64 of shape (10,); it must be whole numbers of shape (N,)."),
        (np.arange(10)[:, None], "tensor 'indices' is int64 of shape (10, 1)"),
        (np.arange(9), "there are 9 images but 10 labels."),
    ],
)
def test_indices_name_training_images(make_set: SetMaker, indices: Array, problem: str) -> None:
    synthetic = make_set(tensors={"indices": indices, "labels": np.arange(10)}, decoder=Decoder("indices"))
    assert problem in "\n".join(problems(synthetic))
    assert bool(problem) == bool(problems(synthetic))


@pytest.mark.parametrize("names", [(), ("images",), ("images", "labels", "extra"), ("images", "../../labels")])
def test_other_tensors_than_the_decoder_reads_are_refused(make_set: SetMaker, names: tuple[str, ...]) -> None:
    text = "\n".join(problems(make_set(tensors={"images": np.zeros(1), **dict.fromkeys(names, np.zeros(1))})))
    assert "the decoder 'identity' reads images and labels, no more and no less." in text


def test_a_wrong_dataset_digest_and_wrong_labels_are_told_at_once(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, pixels, LABELS + 1, dataset_digest="0" * 64)
    assert "dataset_digest 000000000000… is not that of 'digits' here (262c2dea57bb…)" in text
    assert "tensor 'labels' holds 10" in text


@pytest.mark.parametrize("name", ["digit", "here.npz", "here.toml", "folder", "mine-0a1b2c3d"])
def test_a_card_names_datasets_and_never_paths(
    make_set: SetMaker, pixels: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for file in ("here.npz", "here.toml"):
        (tmp_path / file).write_text("anything", encoding="utf-8")
    text = found(make_set, pixels, dataset=name)
    assert text.startswith(f"card.json: unknown dataset {name!r}.")
    assert "\n" not in text


@pytest.mark.parametrize("decoder", TENSORS)
def test_the_tensors_listed_here_are_those_that_the_decoders_declare(decoder: str) -> None:
    assert TENSORS[decoder] == registry.module("decoder", decoder).TENSORS


@pytest.mark.usefixtures("own_registry")
def test_a_decoder_from_outside_declares_what_it_reads(make_set: SetMaker, tmp_path: Path) -> None:
    (tmp_path / "decoders").mkdir()
    code = '"""Repeats."""\nVERSION = 1\n{}\ndef decode(tensors, dataset):\n    return tensors["seeds"]\n'
    (tmp_path / "decoders" / "repeating.py").write_text(code.format('TENSORS = ("seeds", "labels")'), encoding="utf-8")
    (tmp_path / "decoders" / "silent.py").write_text(code.format(""), encoding="utf-8")
    registry.add_folder(tmp_path)
    tensors = {"seeds": np.zeros(4, dtype=np.float32), "labels": np.arange(10)}
    assert problems(make_set(tensors=tensors, decoder=Decoder("repeating"))) == []
    with pytest.raises(InvalidInput, match=r"decoder 'silent' needs a line such as TENSORS = \('images', 'labels'\)"):
        problems(make_set(tensors=tensors, decoder=Decoder("silent")))


def test_validate_raises_what_is_found(make_set: SetMaker, pixels: Array) -> None:
    make_set().validate()
    with pytest.raises(InvalidInput, match="tensor 'labels' holds 10"):
        make_set(tensors={"images": pixels, "labels": LABELS + 1}).validate()
