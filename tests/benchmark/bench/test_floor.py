"""Operations against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from benchmark import datasets
from benchmark.bench import floor
from benchmark.bench.cells import known


def test_a_convnet_s_operations_are_those_worked_out_by_hand() -> None:
    """Two for each product: maps of 32, 16 and 8, kernels of 3x3, 128 channels, then 2,048 features to 10 classes."""
    first = 2 * 32 * 32 * 128 * 3 * 9
    others = 2 * 128 * 128 * 9 * (16 * 16 + 8 * 8)
    linear = 2 * 2048 * 10
    found = floor.count("convnet:depth=3", datasets.facts("cifar10"))
    assert found.forward == first + others + linear == 101_490_688
    # Backward doubles forward, but nobody needs the gradient of the images.
    assert found.step == 3 * found.forward - first == 297_394_176


def test_operations_do_not_depend_on_the_batch() -> None:
    facts = datasets.facts("digits")
    assert floor.count("resnet-narrow", facts, batch=2) == floor.count("resnet-narrow", facts, batch=7)


def test_a_seed_s_operations_are_its_images_times_its_epochs() -> None:
    cell = known()["cifar10-1"]
    found = floor.operations_of(cell, datasets.facts("cifar10"))
    assert found["train"] == 297_394_176 * 10 * 301
    assert found["test"] == 101_490_688 * 10_000
    quick = floor.operations_of(cell.shortened(), datasets.facts("cifar10"))
    assert quick["train"] == 297_394_176 * 10 * 11  # 301 / 30, rounded up


def test_rates_are_operations_over_the_best_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "SIDES", {"cpu": 64})
    monkeypatch.setattr(floor, "IMAGES", {"cpu": 1})
    monkeypatch.setattr(floor, "_best", lambda work, device: float(len(work().shape)))
    found = floor.rates(torch.device("cpu"))
    assert found["bfloat16 product"] == found["float32 product"] == 2 * 64**3 / 2  # a matrix has two axes
    assert found["bfloat16 convolution"] == 2 * 128 * 128 * 9 * 256 / 4


def test_the_best_of_several_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "SECONDS", 0.0)
    times = iter([0, 5, 10, 13, 20, 29, 30, 34, 40, 47])
    monkeypatch.setattr(floor, "now", lambda device: float(next(times)))
    assert floor._best(lambda: torch.zeros(()), torch.device("cpu")) == 3.0
