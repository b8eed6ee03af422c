"""Synthetic sets: a digest that anybody can recompute, a ledger of bytes, and spaces that map to pixels."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import datasets
from benchmark.errors import InvalidInput
from benchmark.space import PIXEL, Space
from benchmark.synthetic_set import (
    TRAINING_FIELDS,
    Array,
    Card,
    Decoder,
    Labels,
    SyntheticSet,
    byte_ledger,
    labels_array,
)

SetMaker = Callable[..., SyntheticSet]
DIGEST = datasets.facts("digits").digest
STANDARDIZED = Space("standardized", (0.5,), (0.25,))


def test_the_digest_can_be_computed_from_the_docs_alone(make_set: SetMaker) -> None:
    labels = np.array([1, 0], dtype=np.int64)
    images = np.array([0.0, 1.5], dtype=np.float32).reshape(2, 1, 1, 1)
    found = make_set(tensors={"labels": labels, "images": images}, space=STANDARDIZED).digest

    hashes = {
        "images": hashlib.sha256(b'["f4",[2,1,1,1]]\n' + struct.pack("<2f", 0.0, 1.5)).hexdigest(),
        "labels": hashlib.sha256(b'["i8",[2]]\n' + struct.pack("<2q", 1, 0)).hexdigest(),
    }
    text = (
        f'{{"dataset_digest":"{DIGEST}","decoder":{{"name":"identity","options":{{}},"version":1}},"format":1,'
        '"labels":{"kind":"hard"},"schedule":null,"space":{"kind":"standardized","mean":[0.5],"std":[0.25]},'
        f'"tensors":{{"images":"{hashes["images"]}","labels":"{hashes["labels"]}"}}}}'
    )
    assert found == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_moves_with_what_changes_a_training_and_with_nothing_else(make_set: SetMaker) -> None:
    plain = make_set()
    changes: dict[str, Any] = {
        "dataset_digest": "0" * 64,
        "space": STANDARDIZED,
        "labels": Labels("logits", 2.0),
        "decoder": Decoder("indices"),
        "schedule": {"epochs": 3},
    }
    assert set(changes) == set(TRAINING_FIELDS)
    digests = {replace(plain, card=replace(plain.card, **{name: value})).digest for name, value in changes.items()}
    assert len(digests) == len(changes) and plain.digest not in digests

    prose: dict[str, Any] = {
        f.name: {"x": 1} if f.name in ("cost", "made_with") else 7 if f.name in ("ipc", "distil_seed") else "other"
        for f in fields(Card)
        if f.name not in TRAINING_FIELDS
    }
    prose["claims"] = ({"metric": "accuracy", "value": 99.0},)
    assert replace(plain, card=replace(plain.card, **prose)).digest == plain.digest


def test_the_digest_tells_values_shapes_and_dtypes_apart_but_not_layouts(make_set: SetMaker) -> None:
    images, labels = np.arange(4, dtype=np.float32).reshape(2, 1, 1, 2), np.array([0, 1])

    def digest(array: Array) -> str:
        return make_set(tensors={"images": array, "labels": labels}).digest

    assert (
        len({digest(images), digest(images + 1), digest(images.reshape(2, 1, 2, 1)), digest(images.astype("f2"))}) == 4
    )
    big = images.astype(">f4")
    fortran = np.asfortranarray(images)
    assert digest(big) == digest(fortran) == digest(images)


@pytest.mark.parametrize(
    ("tensors", "card", "ledger"),
    [
        # ten float32 images of 8x8, one byte a label
        ({"images": np.zeros((10, 1, 8, 8), "f4"), "labels": np.arange(10)}, {}, {"images": 2560, "labels": 10}),
        ({"images": np.zeros((10, 1, 8, 8), "u1"), "labels": np.arange(10)}, {}, {"images": 640, "labels": 10}),
        # indices count as the uint8 images that they name
        (
            {"indices": np.arange(10), "labels": np.arange(10)},
            {"decoder": Decoder("indices")},
            {"images": 640, "labels": 10},
        ),
        # ten float16 probabilities for each image
        (
            {"images": np.zeros((10, 1, 8, 8), "f4"), "labels": np.full((10, 10), 0.1, "f2")},
            {"labels": Labels("probabilities")},
            {"images": 2560, "labels": 200},
        ),
    ],
)
def test_bytes_are_counted_as_they_are_used(
    make_set: SetMaker, tensors: dict[str, Array], card: dict[str, Any], ledger: dict[str, int]
) -> None:
    synthetic = make_set(tensors=tensors, **card)
    synthetic.validate()
    assert byte_ledger(synthetic) == synthetic.ledger == {**ledger, "total": sum(ledger.values())}


def test_labels_are_class_ids_or_the_largest_of_soft_ones(make_set: SetMaker) -> None:
    assert labels_array(make_set()).tolist() == list(range(10))
    soft = np.array([[0.1, 0.9], [0.6, 0.4]], dtype=np.float32)
    found = labels_array(make_set(tensors={"images": np.zeros((2, 1, 8, 8), "f4"), "labels": soft}))
    assert found.tolist() == [1, 0] and found.dtype == np.int64


def test_the_label_kind_decides_the_track(make_set: SetMaker) -> None:
    assert make_set().card.track == "hard"
    assert make_set(labels=Labels("logits")).card.track == "soft"


@pytest.mark.parametrize("space", [PIXEL, STANDARDIZED])
def test_a_space_maps_to_pixels_and_back_for_numpy_and_torch_alike(space: Space) -> None:
    images = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 1, 2, 2)
    pixels = space.to_pixel(images)
    assert pixels.dtype == np.float32
    assert np.allclose(space.from_pixel(pixels), images, atol=1e-6)
    assert np.allclose(space.to_pixel(torch.from_numpy(images)).numpy(), pixels)
    assert np.allclose(space.from_pixel(torch.from_numpy(pixels)).numpy(), images, atol=1e-6)


def test_standardized_means_subtract_the_mean_and_divide_by_the_deviation() -> None:
    space = Space("standardized", (0.5, 0.0), (0.25, 2.0))
    pixels = np.ones((1, 2, 1, 1), dtype=np.float64)
    assert space.from_pixel(pixels).ravel().tolist() == [2.0, 0.5]
    assert space.to_pixel(pixels).ravel().tolist() == [0.75, 2.0]


@pytest.mark.parametrize(
    "stored",
    [
        {"kind": "pixel"},
        {"kind": "standardized", "mean": [0.5, 0.25], "std": [0.1, 0.2]},
        {"kind": "zca", "variant": "kornia", "eps": 0.1},
    ],
)
def test_a_space_survives_json(stored: dict[str, Any]) -> None:
    assert Space.from_json(stored).to_json() == stored


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ("pixel", "space is 'pixel'; it must be an object whose kind is one of pixel, standardized, zca"),
        ({}, "space is {}; it must be an object"),
        ({"kind": "pixels"}, "whose kind is one of"),
        ({"kind": ["pixel"]}, "whose kind is one of"),
        ({"kind": "pixel", "mean": [0.5]}, r"kind 'pixel' has exactly the fields \['kind'\]"),
        ({"kind": "standardized", "mean": [0.5]}, r"exactly the fields \['kind', 'mean', 'std'\]"),
        ({"kind": "standardized", "mean": 0.5, "std": [0.5]}, "mean is 0.5; it must hold numbers"),
        ({"kind": "standardized", "mean": [], "std": []}, r"mean is \[\]; it must hold numbers"),
        ({"kind": "standardized", "mean": [True], "std": [1]}, r"mean is \[True\]"),
        ({"kind": "standardized", "mean": [float("nan")], "std": [1]}, r"mean is \[nan\]"),
        ({"kind": "standardized", "mean": [10**400], "std": [1]}, "mean is .*; it must hold numbers of at most 1000"),
        ({"kind": "standardized", "mean": [0.5], "std": [0]}, "a std of 0.0001 or more"),
        ({"kind": "standardized", "mean": [0.5], "std": [0.5, 0.5]}, "a number for each channel"),
        ({"kind": "zca", "variant": "mine", "eps": 0.1}, "variant is 'mine'; allowed: kip, kornia"),
        ({"kind": "zca", "variant": "kip", "eps": "0.1"}, "eps is"),
        ({"kind": "x" * 100_000}, "space is"),
    ],
)
def test_a_space_that_is_none_is_invalid(stored: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        Space.from_json(stored)
    assert len(str(caught.value)) < 400
