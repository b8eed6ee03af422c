"""What probes share: passes, in chunks that memory holds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from benchmark import engine
from benchmark.engine.training import build_network
from benchmark.recipe import Recipe
from benchmark.space import PIXEL
from benchmark.values import Data, Real


@pytest.fixture
def whole(materials: engine.Materials) -> engine.Measurement:
    examples = materials.real_examples(Real("digits", "test"), PIXEL)
    network = build_network(
        "mlp", materials.training_examples(Data((Real("digits"),)), Recipe("x")), 0, torch.device("cpu")
    )
    return engine.Measurement(network, examples)


def test_what_does_not_fit_into_memory_is_done_in_smaller_chunks(whole: engine.Measurement) -> None:
    sizes = []

    def forward(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 200:
            raise torch.OutOfMemoryError("out of memory")
        logits: torch.Tensor = whole.network(images)
        return logits

    small = engine.Measurement(whole.network, whole.examples, forward)
    assert torch.allclose(small.logits, whole.logits, atol=1e-5)
    assert sizes[:3] == [500, 250, 125] and sum(sizes[2:]) == len(whole.images)


def test_two_networks_are_measured_at_the_same_time(whole: engine.Measurement) -> None:
    """Neither waits for the other: here each waits until the other has begun."""
    both = threading.Barrier(2)

    def forward(images: torch.Tensor) -> torch.Tensor:
        if len(images) == 500:  # the first chunk
            both.wait(timeout=20)
        return images.flatten(1)[:, :10]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: engine.Measurement(whole.network, whole.examples, forward).logits, range(2)))
    assert torch.equal(*found) and len(found[0]) == len(whole.images)


def test_one_image_that_does_not_fit_is_an_error(whole: engine.Measurement) -> None:
    def forward(images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        _ = engine.Measurement(whole.network, whole.examples, forward).logits


def test_changed_images_go_the_same_way(whole: engine.Measurement) -> None:
    def forward(images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 10)

    fast = engine.Measurement(whole.network, whole.examples, forward)
    assert not fast.of(torch.arange(3), lambda pixels: pixels).logits.any()
