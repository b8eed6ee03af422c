"""Probes of untrained networks against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmark import architectures, datasets, registry
from benchmark.engine import Examples, Measurement
from benchmark.space import PIXEL


def measured(network: nn.Module) -> Measurement:
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Measurement(network, Examples(images, torch.zeros(3, dtype=torch.int64), PIXEL, datasets.facts("digits")))


def synflow(network: nn.Module) -> float:
    return float(registry.load("probe", "synflow")(measured(network))["log_score"])


def two_layers() -> nn.Sequential:
    """64 inputs, 3 hidden, 2 outputs, no biases: R is the sum over paths of |w| |v|, and each layer's share is R."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    for weight in network.parameters():
        nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    return network


def test_synflow_of_two_layers_is_twice_the_sum_over_paths() -> None:
    network = two_layers()
    first, second = (weight.detach().double().abs() for weight in network.parameters())
    assert synflow(network) == pytest.approx(math.log(2 * float((second @ first).sum())), abs=1e-12)


def test_synflow_ignores_norms_and_signs_and_leaves_the_network_alone() -> None:
    plain = two_layers()
    normed = nn.Sequential(plain[0], plain[1], nn.LayerNorm(3), plain[2], plain[3])
    before = [weight.clone() for weight in normed.parameters()]
    assert synflow(normed) == synflow(plain)
    assert all(torch.equal(a, b) for a, b in zip(before, normed.parameters(), strict=True))
    assert isinstance(normed[2], nn.LayerNorm)


def test_synflow_where_nothing_flows_is_the_smallest_number() -> None:
    network = two_layers()
    *_, last = network.parameters()
    nn.init.zeros_(last)
    assert synflow(network) < -700


@pytest.mark.parametrize("spec", ["nasbench201", "convnet:depth=3,norm=instance"])
def test_synflow_of_deep_networks_is_finite(spec: str) -> None:
    assert math.isfinite(synflow(architectures.build(spec, (1, 8, 8), 10)))


def test_parameters_are_counted_without_running_statistics() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    assert registry.load("probe", "parameters")(measured(network)) == {"count": 4 * 9 + 4 + 8}
