"""What the decoders make of stored tensors, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import datasets
from benchmark.decoders.multi_formation import decode
from benchmark.engine import Materials
from benchmark.errors import InvalidInput
from benchmark.recipe import load
from benchmark.store import Store
from benchmark.synthetic_set import Decoder, SyntheticSet
from benchmark.values import Data, Stored

SetMaker = Callable[..., SyntheticSet]
DIGITS = datasets.load("digits")


def test_each_quarter_becomes_an_image_row_by_row() -> None:
    quarters = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat_interleave(4, 0).repeat_interleave(4, 1)
    images = torch.stack([quarters[None], quarters[None] * 10])
    found = decode({"images": images, "labels": torch.tensor([0, 1] * 4)}, DIGITS, factor=2)
    assert found.shape == (8, 1, 8, 8)
    assert found[:, 0, 0, 0].tolist() == [1, 10, 2, 20, 3, 30, 4, 40]
    assert all(image.min() == image.max() for image in found)


def test_enlarging_is_bilinear_between_pixel_centres() -> None:
    ramp = torch.arange(4.0).repeat(4, 1)[None, None]  # left half 0, 1; enlarged to 4: 0, 1/4, 3/4, 1
    rows = decode({"images": ramp, "labels": torch.arange(4)}, DIGITS, factor=2)
    torch.testing.assert_close(rows[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))
    torch.testing.assert_close(rows[3, 0, 0], torch.tensor([2.0, 2.25, 2.75, 3.0]))


def test_an_image_that_does_not_divide_is_padded_with_grey_and_bytes_become_pixels() -> None:
    images = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    found = decode({"images": images, "labels": torch.zeros(9)}, DIGITS, factor=3)
    assert found.shape == (9, 1, 8, 8) and (found[0] == 1.0).all()
    assert found[8, 0, -1, -1] == 0.5, "the last column and row of 9 are padding"


@pytest.mark.parametrize(("factor", "n_labels"), [(2, 10), (0, 10), (9, 810), (True, 10), (1.0, 10)])
def test_a_factor_or_labels_that_do_not_fit_are_refused(factor: Any, n_labels: int) -> None:
    with pytest.raises(InvalidInput, match=r"labels|factor"):
        decode({"images": torch.zeros(10, 1, 8, 8), "labels": torch.zeros(n_labels)}, DIGITS, factor=factor)


def formations(make_set: SetMaker, factor: Any, n_copies: int, ipc: int | None = 1) -> SyntheticSet:
    images = np.random.default_rng(0).random((10, 1, 8, 8), dtype=np.float32)
    tensors = {"images": images, "labels": np.tile(np.arange(10), n_copies)}
    return make_set(tensors=tensors, ipc=ipc, decoder=Decoder("multi-formation", options=(("factor", factor),)))


def test_a_set_of_formations_is_validated_and_trained_on(make_set: SetMaker, tmp_path: Path) -> None:
    synthetic = formations(make_set, 2, 4)
    synthetic.validate()
    store = Store(tmp_path / "store")
    materials = Materials(store, torch.device("cpu"))
    data = Data((Stored(store.write_set(synthetic)),))
    examples = materials.training_examples(data, load("standard-v1-lite"))
    assert examples.images.shape == (40, 1, 8, 8) and examples.labels.tolist() == [*range(10)] * 4


@pytest.mark.parametrize(
    ("factor", "n_copies", "ipc", "message"),
    [
        (2, 1, 1, "E205 .*10 images times 4, 10 labels"),
        (3, 4, 1, "E205 .*10 images times 9, 40 labels"),
        (10**9, 4, 1, "E307 .*1000000000, limit 1 to 8"),
        (2, 4, 2, "E205 .*2 images per class, 20 in all .got 10"),
    ],
)
def test_formations_and_labels_must_agree(
    make_set: SetMaker, factor: int, n_copies: int, ipc: int, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        formations(make_set, factor, n_copies, ipc).validate()
