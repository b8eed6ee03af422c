"""Coded sets: what goes in comes out but for the codec's loss, and no picture is decoded but one of the size due."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark import codecs, datasets, registry
from benchmark.errors import InvalidInput
from benchmark.space import Space
from benchmark.synthetic_set import Array, Decoder, SyntheticSet

SetMaker = Callable[..., SyntheticSet]
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 36)]


def smooth(n: int, shape: tuple[int, int, int]) -> Array:
    """Images of one colour each, which a codec keeps."""
    levels = np.random.default_rng(0).integers(0, 256, (n, shape[0], 1, 1), dtype=np.uint8)
    return np.broadcast_to(levels, (n, *shape)).copy()


def coded(codec: str = "jpeg", n: int = 10, quality: int = 90) -> dict[str, Array]:
    images = datasets.load("digits").train.images[:: 1000 // n][:n]
    stream = np.frombuffer(codecs.encode(images, codec, quality), np.uint8)
    return {"stream": stream, "labels": np.repeat(np.arange(10), n // 10)}


def problem(synthetic: SyntheticSet) -> str:
    with pytest.raises(InvalidInput) as caught:
        synthetic.validate()
    return str(caught.value)


@pytest.mark.parametrize("codec", codecs.CODECS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 7, 10])
def test_every_image_comes_back_at_its_place(codec: str, shape: tuple[int, int, int], n: int) -> None:
    images = smooth(n, shape)
    back = codecs.decode(codecs.encode(images, codec, 95), n, shape, codec)
    assert back.shape == images.shape and back.dtype == np.uint8
    inner = back[:, :, 2:-2, 2:-2].astype(int) - images[:, :, 2:-2, 2:-2]  # colours of neighbours meet at borders
    assert np.abs(inner).mean() < 4


def test_the_codec_s_own_decoder_gives_the_picture_that_was_cut() -> None:
    """Four 8x8 images stand as a 2x2 grid of 16x16 pixels, without padding."""
    images = datasets.load("digits").train.images[:4]
    content = codecs.encode(images, "jpeg", 50)
    with Image.open(io.BytesIO(content)) as picture:
        whole = np.asarray(picture)
    assert whole.shape == (16, 16)
    assert np.array_equal(codecs.decode(content, 4, (1, 8, 8), "jpeg")[3, 0], whole[8:, 8:])


def test_a_lower_quality_costs_fewer_bytes_and_one_picture_fewer_than_many() -> None:
    images = datasets.load("digits").train.images[:200]
    sizes = [len(codecs.encode(images, "jpeg", quality)) for quality in (10, 25, 50, 90)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    apart = sum(len(codecs.encode(images[i : i + 1], "jpeg", 25)) for i in range(10))
    assert len(codecs.encode(images[:10], "jpeg", 25)) < apart / 3


def test_the_ledger_counts_the_coded_bytes(make_set: SetMaker) -> None:
    tensors = coded()
    made = make_set(tensors=tensors, decoder=Decoder("jpeg"))
    made.validate()
    assert made.ledger == {"stream": len(tensors["stream"]), "labels": 10, "total": len(tensors["stream"]) + 10}


@pytest.mark.parametrize("codec", codecs.CODECS)
def test_the_decoder_gives_the_engine_what_the_codec_holds(codec: str) -> None:
    tensors, dataset = coded(codec, 20), datasets.load("digits")
    found = registry.load("decoder", codec)({k: torch.from_numpy(v.copy()) for k, v in tensors.items()}, dataset)
    expected = codecs.decode(tensors["stream"].tobytes(), 20, (1, 8, 8), codec)
    assert torch.equal(found, torch.from_numpy(expected))


def picture(width: int, height: int, mode: str = "L", kind: str = "JPEG", **how: Any) -> Array:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, kind, **how)
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (picture(2000, 2000), r"the jpeg picture is \(2000, 2000\) pixels, not \(32, 24\), as 10 images need"),
        (picture(24, 32), r"is \(24, 32\) pixels, not \(32, 24\)"),
        (picture(32, 24, "RGB"), "of mode RGB; 1 channels are needed"),
        (picture(32, 24, kind="PNG"), "is no whole jpeg picture"),
        (picture(32, 24)[:-40], "is no whole jpeg picture"),
        (np.zeros(100, np.uint8), "is no whole jpeg picture"),
        (np.concatenate([picture(32, 24), np.tile(np.array([0xFF, 0xDA], np.uint8), 50)]), "more than 40 scans"),
        (np.zeros((2, 50), np.uint8), r"it must hold a file's bytes, uint8 \(L,\)"),
        (np.zeros(100, np.float32), r"it must hold a file's bytes, uint8 \(L,\)"),
    ],
)
def test_a_picture_that_is_not_the_one_due_is_refused_before_it_is_decoded(
    make_set: SetMaker, stream: Array, said: str
) -> None:
    found = problem(make_set(tensors={"stream": stream, "labels": np.arange(10)}, decoder=Decoder("jpeg")))
    assert re.search(said, found), found


def test_an_animation_is_no_set(make_set: SetMaker) -> None:
    frames = [Image.new("RGB", (64, 48), (level, 0, 0)) for level in (0, 90, 180)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    tensors = {"stream": np.frombuffer(buffer.getvalue(), np.uint8), "labels": np.arange(10)}
    assert "pixels, not (64, 48)" in problem(make_set(tensors=tensors, decoder=Decoder("webp")))


def test_labels_bound_what_is_decoded(make_set: SetMaker) -> None:
    many = {"stream": coded()["stream"], "labels": np.zeros(1001, np.int64)}
    assert "more than digits has training images (1000)" in problem(make_set(tensors=many, decoder=Decoder("jpeg")))


def test_a_coded_set_is_in_pixels_and_holds_what_its_card_says(make_set: SetMaker) -> None:
    own = Space("standardized", (0.3,), (0.4,))
    assert "gives pixels, but the card declares the space 'standardized'" in problem(
        make_set(tensors=coded(), space=own, decoder=Decoder("jpeg"))
    )
    assert "card.json says 2 images per class" in problem(make_set(2, tensors=coded(), decoder=Decoder("jpeg")))


@pytest.mark.parametrize(
    ("thumbnails", "n_labels", "said"),
    [
        (np.zeros((10, 1, 9, 4), np.uint8), 10, "with h at most 8 and w at most 8"),
        (np.zeros((10, 3, 4, 4), np.uint8), 10, "uint8 of shape (N, 1, h, w)"),
        (np.zeros((10, 1, 4, 4), np.float32), 10, "is float32"),
        (np.zeros((9, 1, 4, 4), np.uint8), 10, "there are 9 images but 10 labels"),
        (np.zeros((1001, 1, 4, 4), np.uint8), 1001, "more than digits has training images (1000)"),
    ],
)
def test_a_set_of_lower_resolution_is_checked(make_set: SetMaker, thumbnails: Array, n_labels: int, said: str) -> None:
    tensors = {"thumbnails": thumbnails, "labels": np.arange(n_labels) % 10}
    assert said in problem(make_set(tensors=tensors, ipc=None, decoder=Decoder("reduced-resolution")))


def test_a_lower_resolution_is_enlarged_to_the_dataset_s() -> None:
    small = torch.full((10, 1, 4, 4), 77, dtype=torch.uint8)
    found = registry.load("decoder", "reduced-resolution")({"thumbnails": small}, datasets.load("digits"))
    assert found.shape == (10, 1, 8, 8) and found.dtype == torch.uint8 and bool((found == 77).all())


def test_too_many_images_for_a_picture_are_refused() -> None:
    with pytest.raises(InvalidInput, match="fit no webp picture"):
        codecs.decode(b"", 10**7, (3, 32, 32), "webp")
