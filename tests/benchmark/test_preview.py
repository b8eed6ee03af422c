"""Previews: one row a class, pixels clipped, enlarged without smoothing."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from benchmark import datasets, preview
from benchmark.space import Space
from benchmark.synthetic_set import Array, Decoder, SyntheticSet

SetMaker = Callable[..., SyntheticSet]


def drawn(synthetic: SyntheticSet) -> Array:
    content = preview.draw(synthetic)
    assert content is not None
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_picture_is_laid_out_by_class(make_set: SetMaker) -> None:
    images = np.zeros((20, 1, 8, 8), dtype=np.uint8)
    labels = np.tile(np.arange(10), 2)
    images[labels == 3] = 200
    picture = drawn(make_set(tensors={"images": images, "labels": labels}, ipc=2))
    # 48 pixels a tile (8 enlarged six times), 2 of ground around each
    assert picture.shape == (10 * 50 + 2, 2 * 50 + 2)
    tile = picture[3 * 50 + 2 : 3 * 50 + 50, 52:100]
    assert (tile == 200).all()
    assert (picture[:2] == 128).all() and (picture[2:50, 2:50] == 0).all()


def test_no_more_than_ten_images_and_twenty_classes_are_drawn(make_set: SetMaker) -> None:
    images, labels = np.zeros((150, 1, 8, 8), dtype=np.uint8), np.arange(150) % 10
    assert drawn(make_set(tensors={"images": images, "labels": labels})).shape == (502, 502)
    labels = np.repeat(np.arange(30), 5)
    assert drawn(make_set(tensors={"images": images, "labels": labels})).shape == (1002, 252)


def test_standardized_images_are_drawn_as_pixels_and_clipped(make_set: SetMaker) -> None:
    space = Space("standardized", (0.5,), (0.25,))
    images = np.zeros((3, 1, 8, 8), dtype=np.float32)
    images[1], images[2] = 1.0, 100.0
    picture = drawn(make_set(tensors={"images": images, "labels": np.zeros(3, dtype=np.int64)}, space=space))
    assert [int(picture[10, 10 + 50 * k]) for k in range(3)] == [128, 191, 255]  # 0.5, 0.75 and 25.5, times 255


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB")])
def test_images_of_any_channels_are_drawn(make_set: SetMaker, channels: int, mode: str) -> None:
    images = np.zeros((1, channels, 8, 8), dtype=np.uint8)
    content = preview.draw(make_set(tensors={"images": images, "labels": np.zeros(1, dtype=np.int64)}))
    assert content is not None and Image.open(io.BytesIO(content)).mode == mode


def test_indices_show_the_real_images(make_set: SetMaker) -> None:
    train = datasets.load("digits").train
    rows = np.array([int(np.flatnonzero(train.labels == c)[0]) for c in range(10)])
    synthetic = make_set(tensors={"indices": rows, "labels": np.arange(10)}, decoder=Decoder("indices"))
    picture = drawn(synthetic)
    assert np.array_equal(picture[2:50:6, 2:50:6], train.images[rows[0], 0])


def test_what_has_no_drawing_gives_none(make_set: SetMaker) -> None:
    assert preview.draw(make_set(space=Space("zca", variant="kip", eps=0.1))) is None
    assert preview.draw(make_set(space=Space("zca", variant="kornia", eps=0.1))) is None


def test_a_whitened_set_beside_its_dataset_is_drawn_in_pixels(make_set: SetMaker) -> None:
    dataset = datasets.load("digits")
    pixels = dataset.train.images[::100].astype(np.float32) / 255
    space = Space("zca", variant="kornia", eps=0.1)
    tensors = {"images": space.bound(dataset).from_pixel(pixels), "labels": np.arange(10)}
    drawn = preview.draw(make_set(tensors=tensors, space=space), dataset)
    assert drawn == preview.draw(make_set(tensors={"images": pixels, "labels": np.arange(10)}))
    assert preview.draw(make_set(decoder=Decoder("from-outside"))) is None


def test_the_same_set_gives_the_same_picture(make_set: SetMaker) -> None:
    assert preview.draw(make_set()) == preview.draw(make_set())
