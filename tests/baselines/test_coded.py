"""Coded baselines: the images of the baseline that selects, as many of each class as fit the bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from baselines._coded import _largest
from baselines.coded_herding import CodedHerding
from baselines.coded_random import CodedRandom
from baselines.herding import Herding
from baselines.random_real import RandomReal
from benchmark import baseline, codecs, datasets, registry
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.synthetic_set import labels_array
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
DIGITS = Real("digits")
HERDING: dict[str, Any] = {"architecture": "mlp", "recipe": "standard-v1-lite/reference"}


@pytest.mark.parametrize("preset", baseline.presets("coded-random"))
def test_the_budget_is_filled_to_the_last_image_that_fits(preset: str, new_run: RunMaker) -> None:
    built = baseline.load("coded-random", preset)
    made = built.distill(DIGITS, Budget(bytes=2570), new_run())
    made.validate()
    counts = np.bincount(labels_array(made))
    k = int(counts[0])
    assert counts.tolist() == [k] * 10 and made.card.ipc is None
    assert k >= 4, "coded images that are no more than the 3 uncoded ones that fit"
    whole, larger = (built.distill(DIGITS, Budget(ipc=n), new_run()) for n in (k, k + 1))
    assert whole.ledger["total"] <= 2570 < larger.ledger["total"]
    assert made.ledger["total"] == (2570 if "stream" in made.tensors else whole.ledger["total"])
    decode, digits = registry.load("decoder", made.card.decoder.name), datasets.load("digits")
    seen = [decode({n: torch.from_numpy(v) for n, v in one.tensors.items()}, digits) for one in (made, whole)]
    assert torch.equal(*seen)


def test_the_images_are_those_of_random_real(new_run: RunMaker) -> None:
    made = CodedRandom(codec="jpeg", quality=95).distill(DIGITS, Budget(ipc=3), new_run(seed=4))
    named = RandomReal().distill(DIGITS, Budget(ipc=3), new_run(seed=4))
    images = datasets.load("digits").train.images[named.tensors["indices"]]
    assert made.tensors["stream"].tobytes() == codecs.encode(images, "jpeg", 95)
    assert np.array_equal(made.tensors["labels"], named.tensors["labels"])
    back = codecs.decode(made.tensors["stream"].tobytes(), 30, (1, 8, 8), "jpeg")
    assert np.abs(back.astype(int) - images).mean() < 6


def test_the_images_are_those_of_herding(new_run: RunMaker) -> None:
    built: Any = CodedHerding(codec="reduced-resolution", factor=2, **HERDING)
    made = built.distill(DIGITS, Budget(bytes=10 * 17 * 4), new_run())
    assert len(made.tensors["labels"]) == 40 and made.ledger["total"] == 10 * 17 * 4
    named = Herding(**HERDING).distill(DIGITS, Budget(ipc=4), new_run())
    images = datasets.load("digits").train.images[named.tensors["indices"]]
    expected = images.reshape(40, 1, 4, 2, 4, 2).mean(axis=(3, 5)).round()
    assert np.array_equal(made.tensors["thumbnails"], expected)
    assert built.needs(DIGITS, 0) == Herding(**HERDING).needs(DIGITS, 0)


def test_where_everything_fits_all_of_the_smallest_class_is_taken(new_run: RunMaker) -> None:
    made = CodedRandom(codec="jpeg", quality=10).distill(DIGITS, Budget(bytes=10**6), new_run())
    assert len(made.tensors["labels"]) == 970 and made.ledger["total"] < 20_000, "nothing is padded where all fits"


def test_what_does_not_fit_or_divide_is_refused(new_run: RunMaker) -> None:
    least = CodedRandom(codec="webp").distill(DIGITS, Budget(ipc=1), new_run()).ledger["total"]
    with pytest.raises(UsageError, match=f"{least - 1} bytes hold no image of each of 10 classes. Ask for {least}"):
        CodedRandom(codec="webp").distill(DIGITS, Budget(bytes=least - 1), new_run())
    with pytest.raises(UsageError, match="images of 8x8 do not shrink by 3 without a rest"):
        CodedRandom(codec="reduced-resolution", factor=3).distill(DIGITS, Budget(ipc=1), new_run())
    with pytest.raises(UsageError, match="codec is 'gif'; it must be jpeg, webp or reduced-resolution"):
        CodedRandom(codec="gif").distill(DIGITS, Budget(ipc=1), new_run())
    with pytest.raises(UsageError, match="needs a budget"):
        CodedRandom().distill(DIGITS, Budget(), new_run())


@pytest.mark.parametrize("limit", [10, 57, 99, 100, 101, 5000, 10**6])
def test_the_largest_that_fits_is_found_whatever_a_beginning_costs(limit: int) -> None:
    """Sizes of 9 + k up to k = 500: a header and one byte an image."""
    assert _largest(lambda k: 9 + k, limit, 500) == min(limit - 9, 500)


def test_the_same_seed_gives_the_same_bytes(new_run: RunMaker) -> None:
    twice = [CodedRandom(codec="webp").distill(DIGITS, Budget(bytes=2000), new_run(seed=1)).digest for _ in range(2)]
    assert twice[0] == twice[1]
