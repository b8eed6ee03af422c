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
    made = make_set(tensors={"images": images, "labels": stored}, **{"ipc": 10, **card})
    return "\n".join(problem.line() for problem in problems(made))


def test_real_images_fit_each_space_that_they_are_in(make_set: SetMaker, pixels: Array) -> None:
    assert found(make_set, pixels) == ""
    assert found(make_set, (pixels * 255).astype(np.uint8)) == ""
    assert found(make_set, pixels.astype(np.float16)) == ""
    assert found(make_set, OWN.from_pixel(pixels), space=OWN) == ""
    assert found(make_set, OWN.from_pixel(pixels), space=Space("zca", variant="kip", eps=0.1)) == ""


def test_a_set_of_some_classes_says_so(make_set: SetMaker, pixels: Array) -> None:
    kept = np.isin(LABELS, (3, 7))
    assert found(make_set, pixels[kept], LABELS[kept], classes=(3, 7)) == ""
    few, missing = found(make_set, pixels[kept], LABELS[kept]).splitlines()
    assert few.startswith("E205 tensors.safetensors:labels: the card says 10 images per class, 100 in all (got 20)")
    assert missing.startswith("E204") and "(got [0, 0, 0, 10, 0, 0, 0, 10, 0, 0], limit 10 each)" in missing
    others = found(make_set, pixels[kept], LABELS[kept], classes=(3,), ipc=20)
    assert others.startswith("E204") and "classes that the card leaves out (got [7], limit [3])" in others
    assert "E204" in found(make_set, pixels[kept], LABELS[kept], classes=(3, 7, 8))
    unknown = found(make_set, pixels[kept], LABELS[kept], classes=(3, 7, 10))
    assert unknown.startswith("E309 card.json:classes: ") and "(got [3, 7, 10], limit 0 to 9)" in unknown


def test_distilled_images_may_overshoot(make_set: SetMaker, pixels: Array) -> None:
    noise = np.random.default_rng(0).normal(0, 0.25, pixels.shape).astype(np.float32)
    assert found(make_set, OWN.from_pixel(pixels + noise), space=OWN) == ""
    assert found(make_set, pixels + 0.2 * noise) == ""


def test_standardized_images_declared_pixels_are_found(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, OWN.from_pixel(pixels))
    assert text.startswith("E207 tensors.safetensors:images: the images do not fit the space 'pixel'")
    assert "they resemble standardized images (got 1 to 99 % of the values in -0.81 … 1.85, mean " in text
    assert 'Fix: declare {"kind": "standardized"' in text
    halves = Space("standardized", (0.5,), (0.5,)).from_pixel(pixels)  # the common -1..1
    assert "they resemble standardized images" in found(make_set, halves)


@pytest.mark.parametrize("space", [OWN, Space("standardized", (0.5,), (0.5,)), Space("standardized", (0.0,), (0.5,))])
def test_pixels_declared_standardized_are_found(make_set: SetMaker, pixels: Array, space: Space) -> None:
    text = found(make_set, pixels, space=space)
    assert text.startswith("E207") and "the space 'standardized': they resemble pixels (got " in text
    assert 'Fix: declare {"kind": "pixel"}' in text


def test_standardizing_by_nothing_is_pixel_space_and_a_constant_set_resembles_nothing(
    make_set: SetMaker, pixels: Array
) -> None:
    assert found(make_set, pixels, space=Space("standardized", (0.0,), (1.0,))) == ""
    assert found(make_set, np.zeros_like(pixels), space=OWN) == ""


@pytest.mark.parametrize("space", [PIXEL, OWN])
def test_values_of_0_to_255_are_found(make_set: SetMaker, pixels: Array, space: Space) -> None:
    text = found(make_set, pixels * 255, space=space)
    assert text.startswith("E207") and "they resemble pixels of 0 to 255 (got" in text
    assert "Fix: divide them by 255, or store them as uint8." in text


def test_a_mean_and_std_of_0_to_255_are_found(make_set: SetMaker, pixels: Array) -> None:
    wide = Space("standardized", (77.8,), (95.9,))
    text = found(make_set, OWN.from_pixel(pixels), space=wide)
    assert "by a mean and std of 0 to 255 (got" in text and "Fix: divide both by 255." in text


def test_uint8_is_pixel_space(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, (pixels * 255).astype(np.uint8), space=OWN)
    assert text == (
        "E207 card.json:space: uint8 images are in pixel space (got standardized, limit pixel). "
        'Fix: declare {"kind": "pixel"}.'
    )


def test_a_mean_for_each_channel(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, OWN.from_pixel(pixels), space=Space("standardized", (0.5,) * 3, (0.5,) * 3))
    assert text.startswith("E207 card.json:space: a mean and std for each channel (got 3 means, limit 1 channels)")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e5, 3e38])
def test_numbers_of_any_size_are_measured_without_a_warning(make_set: SetMaker, pixels: Array, size: float) -> None:
    assert "E207" in found(make_set, pixels * np.float32(size), space=OWN)
    assert "E207" in found(make_set, pixels * -np.float32(size), space=OWN)


def test_nan_is_counted_and_located(make_set: SetMaker, pixels: Array) -> None:
    broken = pixels.copy()
    broken[0, 0, 0, 3], broken[2, 0, 0, 0] = np.nan, np.inf
    assert found(make_set, broken).startswith(
        "E201 tensors.safetensors:images: numbers that are NaN or infinite, the first at flat index 3 (got 2, limit 0)"
    )


@pytest.mark.parametrize(
    ("reshaped", "problem"),
    [
        (
            lambda x: x.transpose(0, 2, 3, 1),
            "limit (N, 1, 8, 8)). Fix: it looks like NHWC: store images.transpose(0, 3, 1, 2).",
        ),
        (
            lambda x: x[:, 0],
            "E206 tensors.safetensors:images: not the shape of digits (got (100, 8, 8), limit (N, 1, 8, 8))",
        ),
        (lambda x: np.repeat(x, 3, axis=1), "not the shape of digits (got (100, 3, 8, 8), limit (N, 1, 8, 8))"),
        (
            lambda x: x.astype(np.float64),
            "E112 tensors.safetensors:images: images of a dtype that is not taken (got float64",
        ),
        (lambda x: x[0, 0, 0, 0], "E206 tensors.safetensors:images: not the shape of digits (got ()"),
        (lambda x: x[:0], "E206 tensors.safetensors:images: the tensor is empty"),
        (lambda x: x[:99], "(got 99 images, 100 labels)"),
    ],
)
def test_the_wrong_shape_says_which_is_needed(
    make_set: SetMaker, pixels: Array, reshaped: Callable[[Array], Array], problem: str
) -> None:
    assert problem in found(make_set, np.asarray(reshaped(pixels)))


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (
            np.r_[LABELS[:-1], 10],
            "E202 tensors.safetensors:labels: a class id that digits does not have (got 10, limit 0 to 9)",
        ),
        (np.r_[-1, LABELS[1:]], "(got -1, limit 0 to 9)"),
        (np.r_[LABELS[:-1], 255].astype(np.uint8), "(got 255, limit 0 to 9)"),
        (
            LABELS.astype(np.float32),
            "E203 tensors.safetensors:labels: hard labels are whole numbers of shape (N,) (got float32 of",
        ),
        (np.eye(10, dtype=np.float32)[LABELS], "(got float32 of shape (100, 10), limit uint8"),
        (np.eye(10, dtype=np.int64)[LABELS], "(got int64 of shape (100, 10), limit uint8"),
        (np.array(3), "(got int64 of shape (), limit uint8"),
        (LABELS[:0], "E206 tensors.safetensors:labels: the tensor is empty"),
        (
            np.r_[LABELS[1:], 9],
            "E204 tensors.safetensors:labels: the classes do not have the images per class that",
        ),
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
        (
            SOFT * 2,
            "probabilities",
            "E211 tensors.safetensors:labels: rows that are negative or do not sum to 1 (got smallest 0.2, a sum of 2",
        ),
        (
            SOFT + np.array([[-0.2, 0.2, *[0] * 8]], dtype=np.float32),
            "probabilities",
            "(got smallest -0.1, a sum of 1",
        ),
        (SOFT * np.float32(np.nan), "probabilities", "E201 tensors.safetensors:labels"),
        (SOFT * 1e6, "logits", "E211 tensors.safetensors:labels: logits far from 0 (got 1e+05, limit ± 10,000)"),
        (
            SOFT[:, :9],
            "logits",
            "E203 tensors.safetensors:labels: logits are float32 or float16 of shape (N, 10) (got float32 of",
        ),
        (
            LABELS,
            "logits",
            "E203 tensors.safetensors:labels: logits are float32 or float16 of shape (N, 10) (got int64 of",
        ),
        (
            SOFT.astype(np.float64),
            "probabilities",
            "E112 tensors.safetensors:labels: probabilities are float32 or float16",
        ),
        (SOFT[:90], "probabilities", "(got 100 images, 90 labels)"),
    ],
)
def test_wrong_soft_labels_are_named(make_set: SetMaker, pixels: Array, labels: Array, kind: str, problem: str) -> None:
    assert problem in found(make_set, pixels, np.asarray(labels), labels=Labels(kind))


def test_soft_labels_do_not_hide_how_many_images_there_are(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, pixels, SOFT, labels=Labels("probabilities"), ipc=1)
    assert text.startswith("E205 tensors.safetensors:labels: the card says 1 images per class, 10 in all (got 100)")


@pytest.mark.parametrize(
    ("indices", "problem"),
    [
        (np.arange(10), ""),
        (np.array([0] * 9 + [999]), ""),
        (
            np.array([0] * 9 + [1000]),
            "E202 tensors.safetensors:indices: an index that is no training image of digits (got 1000, limit 0 to 999)",
        ),
        (np.array([-1] + [0] * 9), "(got -1, limit 0 to 999)"),
        (np.arange(10.0), "E112 tensors.safetensors:indices: indices are whole numbers of shape (N,) (got float64 of"),
        (
            np.arange(10)[:, None],
            "E206 tensors.safetensors:indices: indices are whole numbers of shape (N,) (got int64 of shape (10, 1)",
        ),
        (np.arange(9), "(got 9 images, 10 labels)"),
    ],
)
def test_indices_name_training_images(make_set: SetMaker, indices: Array, problem: str) -> None:
    synthetic = make_set(tensors={"indices": indices, "labels": np.arange(10)}, decoder=Decoder("indices"))
    assert problem in "\n".join(found.line() for found in problems(synthetic))
    assert bool(problem) == bool(problems(synthetic))


@pytest.mark.parametrize("names", [(), ("images",), ("images", "labels", "extra"), ("images", "../../labels")])
def test_other_tensors_than_the_decoder_reads_are_refused(make_set: SetMaker, names: tuple[str, ...]) -> None:
    (problem,) = problems(make_set(tensors={"images": np.zeros(1), **dict.fromkeys(names, np.zeros(1))}))
    assert (problem.code, problem.limit) == ("E110", "images and labels")


def test_a_wrong_dataset_digest_and_wrong_labels_are_told_at_once(make_set: SetMaker, pixels: Array) -> None:
    text = found(make_set, pixels, LABELS + 1, dataset_digest="0" * 64)
    assert (
        "E309 card.json:dataset_digest: not the digest of digits here (got 000000000000…, limit 262c2dea57bb…)" in text
    )
    assert "E202 tensors.safetensors:labels" in text


@pytest.mark.parametrize("name", ["digit", "here.npz", "here.toml", "folder", "mine-0a1b2c3d"])
def test_a_card_names_datasets_and_never_paths(
    make_set: SetMaker, pixels: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for file in ("here.npz", "here.toml"):
        (tmp_path / file).write_text("anything", encoding="utf-8")
    text = found(make_set, pixels, dataset=name)
    assert text.startswith(f"E309 card.json:dataset: unknown dataset {name!r}.")
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
    with pytest.raises(InvalidInput, match=r"E202 tensors.safetensors:labels"):
        make_set(tensors={"images": pixels, "labels": LABELS + 1}).validate()
