"""Bases and styles: decoded as the published network does it, counted as stored, refused before they cost anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import datasets, factorization, preview, registry
from benchmark._rules import of_content
from benchmark.engine import Materials
from benchmark.errors import InvalidInput
from benchmark.packing import LEARNED
from benchmark.publish import files_of
from benchmark.recipe import load
from benchmark.scan.images import levels_of
from benchmark.space import PIXEL, Space
from benchmark.store import Store
from benchmark.synthetic_set import Array, Decoder, SyntheticSet
from benchmark.values import Data, Stored

SetMaker = Callable[..., SyntheticSet]
DIGITS = datasets.load("digits")
STANDARDIZED = Space("standardized", (0.305205,), (0.376097,))
HALLUCINATOR = Decoder("hallucinator")


class Style(nn.Module):
    """The published network, by torch's own layers."""

    def __init__(self, inner: int, middle: int, outer: int, size: int, kernel: int) -> None:
        super().__init__()
        small = size - kernel + 1
        self.enc = nn.Conv2d(inner, middle, kernel)
        self.scale = nn.Parameter(torch.randn(1, middle, small, small))
        self.shift = nn.Parameter(torch.randn(1, middle, small, small))
        self.dec = nn.ConvTranspose2d(middle, outer, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.dec(self.scale * self.enc(x) + self.shift)
        return decoded


def stored(styles: list[Style], bases: torch.Tensor, labels: Array) -> dict[str, Array]:
    states = [{name: value.numpy() for name, value in style.state_dict().items()} for style in styles]
    parts = {name: np.stack([state[name.replace("_", ".")] for state in states]) for name in factorization.PARTS}
    parts["scale"], parts["shift"] = parts["scale"][:, 0], parts["shift"][:, 0]
    return {"bases": bases.numpy(), **parts, "labels": labels}


def tensors(n_styles: int = 2, inner: int = 1, kernel: int = 3, n_bases: int = 10) -> dict[str, Array]:
    """Random bases and styles of digits."""
    torch.manual_seed(0)
    styles = [Style(inner, 2, 1, 8, kernel) for _ in range(n_styles)]
    return stored(styles, torch.randn(n_bases, inner, 8, 8), np.tile(np.arange(n_bases) % 10, n_styles))


def made(make_set: SetMaker, changes: dict[str, Array] | None = None, **card: Any) -> SyntheticSet:
    known: dict[str, Any] = {"ipc": None, "decoder": HALLUCINATOR, "space": STANDARDIZED}
    return make_set(tensors={**tensors(), **(changes or {})}, **{**known, **card})


def problem(synthetic: SyntheticSet) -> str:
    with pytest.raises(InvalidInput) as caught:
        synthetic.validate()
    return str(caught.value)


def test_one_base_under_two_styles_by_hand() -> None:
    """Kernels of 1 are sums and products of numbers: dec · (scale · (enc · x + e) + shift) + d at each pixel."""
    x = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8) / 64
    numbers = {"enc_weight": [3, -1], "enc_bias": [1, 0], "dec_weight": [2, 4], "dec_bias": [-1, 1]}
    parts = {name: np.array(values, np.float32).reshape(2, 1) for name, values in numbers.items()}
    parts |= {name: parts[name].reshape(2, 1, 1, 1, 1) for name in ("enc_weight", "dec_weight")}
    parts["scale"] = np.stack([np.full((1, 8, 8), 2.0), np.eye(8)[None]]).astype(np.float32)
    parts["shift"] = np.stack([np.full((1, 8, 8), 0.5), np.zeros((1, 8, 8))]).astype(np.float32)
    first, second = 2 * (2 * (3 * x + 1) + 0.5) - 1, 4 * (np.eye(8) * -x) + 1
    expected = np.concatenate([first, second])
    expected = (expected - expected.mean()) / expected.std() * 0.5 + 3
    found = factorization.decode({"bases": x, **parts, "labels": np.arange(2)}, DIGITS.facts, 3.0, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("inner", "kernel", "n_bases"), [(1, 3, 7), (3, 5, 2), (2, 1, 3)])
def test_styles_are_those_of_the_published_network(inner: int, kernel: int, n_bases: int) -> None:
    torch.manual_seed(1)
    styles, bases = [Style(inner, 3, 1, 8, kernel) for _ in range(3)], torch.randn(n_bases, inner, 8, 8)
    with torch.no_grad():
        expected = torch.cat([style(bases) for style in styles])
    expected = (expected - expected.mean()) / expected.std(unbiased=False)
    decode = registry.load("decoder", "hallucinator")
    arrays = stored(styles, bases, np.zeros(3 * n_bases, np.int64))
    found = decode({name: torch.from_numpy(array) for name, array in arrays.items()}, DIGITS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(found, decode({name: torch.from_numpy(array) for name, array in arrays.items()}, DIGITS))


def test_bases_go_through_a_style_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = factorization.decode(tensors(), DIGITS.facts)
    monkeypatch.setattr(factorization, "CHUNK", 3)
    np.testing.assert_allclose(factorization.decode(tensors(), DIGITS.facts), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("space", [PIXEL, STANDARDIZED, Space("standardized", (0.1,), (0.7,))])
def test_the_mean_and_sd_of_real_images_follow_from_the_facts(space: Space) -> None:
    real = space.from_pixel(DIGITS.train.images / 255)
    assert factorization.matching(space, DIGITS.facts) == pytest.approx((real.mean(), real.std()), abs=2e-5)


def test_the_sd_of_whitened_images_follows_from_the_matrix() -> None:
    space = Space("zca", variant="kornia", eps=0.1).bound(DIGITS)
    white = space.from_pixel((DIGITS.train.images / 255).astype(np.float32))
    assert factorization.matching(space, DIGITS.facts) == pytest.approx((white.mean(), white.std()), rel=1e-3, abs=1e-4)


def test_a_set_of_bases_and_styles_is_valid_and_counts_what_is_stored(make_set: SetMaker) -> None:
    synthetic = made(make_set)
    synthetic.validate()
    one = 2 * 9 + 2 + 2 * 36 * 2 + 2 * 9 + 1  # conv, scale and shift, transposed conv
    assert synthetic.ledger["total"] == 4 * (10 * 64 + 2 * one) + 20
    half = {name: tensor.astype(np.float16) for name, tensor in tensors().items() if name != "labels"}
    smaller = made(make_set, half)
    smaller.validate()
    assert smaller.ledger["total"] == 2 * (10 * 64 + 2 * one) + 20 and smaller.digest != synthetic.digest


def test_one_style_alone_is_no_set_whose_images_are_all_the_same(make_set: SetMaker) -> None:
    synthetic = made(make_set, tensors(1))
    synthetic.validate()
    assert list(of_content(synthetic)) == []
    (same,) = of_content(made(make_set, {"bases": np.ones((10, 1, 8, 8), np.float32)}))
    assert same.code == "E212"


def test_one_base_under_ten_styles_is_a_set_and_what_gives_one_image_is_none(make_set: SetMaker) -> None:
    one = made(make_set, {**tensors(10, n_bases=1), "labels": np.arange(10)})
    one.validate()
    assert list(of_content(one)) == []
    shift = np.repeat(tensors()["shift"][:1], 2, axis=0)
    same = {name: np.repeat(tensors()[name][:1], 2, axis=0) for name in ("dec_weight", "dec_bias")}
    nothing = {name: np.zeros_like(tensors()[name]) for name in ("scale", "enc_weight")}
    assert "E214 tensors.safetensors: all decoded images are the same" in problem(
        made(make_set, {"shift": shift, **same, **nothing})
    )


@pytest.mark.parametrize("n", [2, 3])
def test_a_space_of_other_channels_is_refused(make_set: SetMaker, n: int) -> None:
    space = Space("standardized", (0.305205,) * n, (0.376097,) * n)
    assert f"E207 card.json:space: a mean and std for each channel (got {n} means" in problem(
        made(make_set, space=space)
    )


def test_many_styles_of_one_base_cost_more_than_their_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 networks of kernels of 7 would take minutes, though they multiply little."""
    monkeypatch.setattr(factorization, "_styled", lambda *_: pytest.fail("it was decoded"))
    facts = datasets.facts("cifar10")
    shapes = {"bases": (1, 1, 32, 32), "enc_weight": (50_000, 1, 1, 7, 7), "enc_bias": (50_000, 1)}
    shapes |= {"scale": (50_000, 1, 26, 26), "shift": (50_000, 1, 26, 26)}
    shapes |= {"dec_weight": (50_000, 1, 3, 7, 7), "dec_bias": (50_000, 3)}
    wide = {name: np.broadcast_to(np.float16(1), shape) for name, shape in shapes.items()}
    with pytest.raises(InvalidInput, match="more than 17,179,869,184 multiplications"):
        factorization.decode({**wide, "labels": np.zeros(50_000, np.uint8)}, facts)


def test_decoded_images_are_bounded_in_bytes(make_set: SetMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factorization, "MOST_BYTES", 20 * 64 * 4 - 1)
    assert "the decoded images take more than 5,119 bytes" in problem(made(make_set))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another size": ({"bases": np.zeros((10, 1, 9, 8), np.float32)}, "tensor 'bases' has shape"),
    "flat bases": ({"bases": np.zeros((10, 64), np.float32)}, "tensor 'bases' has shape (N, c, H, W)"),
    "bytes": ({"bases": np.zeros((10, 1, 8, 8), np.uint8)}, "but there is bases uint8"),
    "maps too large": ({"scale": np.ones((2, 2, 8, 8), np.float32)}, "need (2, 2, 6, 6)"),
    "a bias too many": ({"dec_bias": np.ones((2, 3), np.float32)}, "tensor 'dec_bias' has shape (2, 3)"),
    "other channels": ({"bases": np.ones((10, 3, 8, 8), np.float32)}, "tensor 'enc_weight' has shape"),
    "a wide kernel": ({"enc_weight": np.ones((2, 2, 1, 8, 8), np.float32)}, "kernels are 8 wide; 1 to 7"),
    "many channels": ({"enc_weight": np.ones((2, 17, 1, 3, 3), np.float32)}, "styles 17 inside; 1 to 16"),
    "labels of one style": (
        {"labels": np.arange(10)},
        "10 bases under 2 styles need 20 labels, style by style, not 10",
    ),
    "flat images": ({"dec_weight": np.zeros((2, 2, 1, 3, 3), np.float32), "dec_bias": np.zeros((2, 1), "f4")}, "flat"),
    "numbers that grow": (
        {name: np.full_like(tensors()[name], 1e30) for name in ("scale", "enc_weight", "dec_weight")},
        "decoded images are NaN or infinite",
    ),
    "NaN in a style": ({"shift": np.full((2, 2, 6, 6), np.nan, np.float32)}, "E201"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_by_name(make_set: SetMaker, name: str) -> None:
    changes, said = WRONG[name]
    assert said in problem(made(make_set, changes))


def test_nothing_is_decoded_where_a_shape_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factorization, "_styled", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(InvalidInput, match="need 20 labels"):
        factorization.decode({**tensors(), "labels": np.arange(3)}, DIGITS.facts)
    with pytest.raises(InvalidInput, match="0 bases and 2 styles; each needs one"):
        factorization.decode(tensors(n_bases=0), DIGITS.facts)


def test_work_and_images_are_bounded_before_the_first_is_made(
    make_set: SetMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "1,010 decoded images are more than digits has training images (1,000)" in problem(
        made(make_set, tensors(2, n_bases=505))
    )
    monkeypatch.setattr(factorization, "MOST_STEPS", 1000)
    assert "more than 1,000 multiplications" in problem(made(make_set))


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"ipc": 1}, "the card states no images per class"),
        ({"space": PIXEL}, "decoded to mean 0 and SD 1, but those of digits have 0.3052 and 0.3761"),
        ({"decoder": Decoder("hallucinator", options=(("std", 0),))}, "option 'std' of the decoder is 0"),
        ({"decoder": Decoder("hallucinator", options=(("mean", "x"),))}, "option 'mean' of the decoder is 'x'"),
        ({"decoder": Decoder("hallucinator", options=(("std", True),))}, "option 'std' of the decoder is True"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(make_set: SetMaker, card: dict[str, Any], said: str) -> None:
    assert said in problem(made(make_set, **card))


def test_it_is_drawn_scanned_published_and_packed(make_set: SetMaker) -> None:
    synthetic = made(make_set)
    decoded = factorization.of_set(synthetic, DIGITS.facts)
    levels = levels_of(synthetic, DIGITS).astype(np.float32)
    np.testing.assert_allclose(levels, STANDARDIZED.to_pixel(decoded) * 255, rtol=1e-5)
    drawn, files = preview.draw(synthetic), files_of(synthetic)
    assert drawn is not None and drawn == files["preview.png"]
    readme = files["README.md"].decode()
    assert "20 images that stand for" in readme and 'bases, labels = tensors["bases"], tensors["labels"]' in readme
    assert "Training images are made of them by the decoder `hallucinator`" in readme
    assert synthetic.card.decoder.name in LEARNED
    whitened = made(make_set, space=Space("zca", variant="kornia", eps=0.1))
    assert preview.draw(whitened) is None and preview.draw(whitened, DIGITS) is not None


def test_it_is_trained_on_style_by_style(make_set: SetMaker, tmp_path: Path) -> None:
    synthetic = made(make_set)
    store = Store(tmp_path / "store")
    data = Data((Stored(store.write_set(synthetic)),))
    examples = Materials(store, torch.device("cpu")).training_examples(data, load("standard-v1-lite"))
    np.testing.assert_array_equal(examples.images.numpy(), factorization.of_set(synthetic, DIGITS.facts))
    assert examples.labels.tolist() == [*range(10)] * 2 and examples.space == STANDARDIZED
