"""A lowered network computes what the plain one does, under the same names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from benchmark import architectures, registry
from benchmark.engine.lowering import SMALL, NormActivationPool, convolution_as_product, lower, refusal


@pytest.mark.parametrize(("relu", "pool"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("form", ["plain", "channels last", "far from zero", "an image of zeros"])
def test_the_fused_norm_equals_the_layers_one_by_one(relu: bool, pool: bool, form: str) -> None:
    draws = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, 6, 4, generator=draws)
    if form == "channels last":
        maps = maps.to(memory_format=torch.channels_last)
    elif form == "far from zero":
        maps += 10
    elif form == "an image of zeros":
        maps[1] = 0
    maps.requires_grad_()
    scale, shift = torch.randn(5, generator=draws).requires_grad_(), torch.randn(5, generator=draws).requires_grad_()
    plain = F.group_norm(maps, 5, scale, shift)
    plain = plain.relu() if relu else plain
    plain = F.avg_pool2d(plain, 2) if pool else plain
    fused = NormActivationPool.apply(maps, scale, shift, 1e-5, relu, pool)
    assert torch.allclose(fused, plain, atol=1e-5)
    upstream = torch.randn(plain.shape, generator=draws)
    if form == "an image of zeros":  # as padding is: nothing comes back to it, and nothing may come of it
        upstream[1] = 0
    wanted = torch.autograd.grad(plain, [maps, scale, shift], upstream)
    found = torch.autograd.grad(fused, [maps, scale, shift], upstream)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5)


def test_odd_maps_are_pooled_as_the_plain_layer_does() -> None:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(4, 4), nn.ReLU(), nn.AvgPool2d(2))
    images = torch.randn(2, 1, 7, 5)
    assert torch.allclose(lower(layers)(images), layers(images), atol=1e-5)


@pytest.mark.parametrize("name", registry.names("architecture"))
def test_every_architecture_keeps_its_logits_and_its_names(name: str) -> None:
    shape = (3, 32, 32)
    network = architectures.build(name, shape, 10)
    lowered = lower(network)
    assert [n for n, _ in lowered.named_parameters()] == [n for n, _ in network.named_parameters()]
    images = torch.randn(2, *shape)
    with torch.no_grad():
        assert torch.allclose(lowered.eval()(images), network.eval()(images), atol=1e-4)


def test_a_convolution_before_an_instance_norm_runs_without_its_bias() -> None:
    network = lower(architectures.build("convnet:width=4", (1, 8, 8), 10))
    loss = network(torch.randn(2, 1, 8, 8)).square().sum()
    bias = dict(network.named_parameters())["body.0.bias"]
    (gradient,) = torch.autograd.grad(loss, bias, allow_unused=True)
    assert gradient is None


@pytest.mark.parametrize(
    ("kernel", "padding"), [((1, 1), (0, 0)), ((3, 3), (1, 1)), ((3, 3), (3, 3)), ((2, 5), (0, 2))]
)
def test_a_convolution_as_a_product_has_the_same_values_and_gradients(
    kernel: tuple[int, int], padding: tuple[int, int]
) -> None:
    draws = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 6, 4, generator=draws, dtype=torch.float64).requires_grad_()
    weight = torch.randn(5, 3, *kernel, generator=draws, dtype=torch.float64).requires_grad_()
    plain, ours = F.conv2d(maps, weight, padding=padding), convolution_as_product(maps, weight, padding)
    assert torch.allclose(ours, plain)
    upstream = torch.randn(plain.shape, generator=draws, dtype=torch.float64)
    wanted = torch.autograd.grad(plain, [maps, weight], upstream)
    for found, expected in zip(torch.autograd.grad(ours, [maps, weight], upstream), wanted, strict=True):
        assert torch.allclose(found, expected)


@pytest.mark.parametrize(
    ("layer", "dtype", "n", "is_product"),
    [
        (nn.Conv2d(2, 4, 3, padding=1), torch.bfloat16, 4, True),
        (nn.Conv2d(2, 4, 3, padding=1), torch.float32, 4, False),
        (nn.Conv2d(2, 4, 3, padding=1), torch.bfloat16, SMALL // (64 * 18) + 1, False),
        (nn.Conv2d(2, 4, 3, padding=1, stride=2), torch.bfloat16, 4, False),
        (nn.Conv2d(1, 4, 3, padding=3), torch.bfloat16, SMALL // (64 * 9) + 1, True),
        (nn.Conv2d(2, 4, 3, padding=1, groups=2), torch.bfloat16, 4, False),
        (nn.Conv2d(2, 4, 3, padding="same"), torch.bfloat16, 4, False),
        (nn.Conv2d(2, 4, 3, padding=2, dilation=2), torch.bfloat16, 4, False),
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), torch.bfloat16, 4, False),
    ],
)
def test_only_small_or_grey_plain_convolutions_in_bfloat16_are_products(
    layer: nn.Conv2d, dtype: torch.dtype, n: int, is_product: bool
) -> None:
    layers = nn.Sequential(layer, nn.GroupNorm(4, 4)).to(dtype)
    images = torch.randn(n, layer.in_channels, 8, 8, dtype=dtype)
    lowered = lower(layers)
    with torch.no_grad():
        graph = make_fx(next(lowered.children()))(images).graph
        assert torch.allclose(lowered(images).float(), layers(images).float(), atol=0.1)
    called = {str(node.target) for node in graph.nodes}
    assert any("mm" in name for name in called) == is_product
    assert any("conv" in name for name in called) != is_product


def test_running_statistics_and_dropout_are_refused_with_the_reason() -> None:
    assert "running statistics" in refusal(architectures.build("convnet:norm=batch,width=4", (1, 8, 8), 10))
    assert "dropout" in refusal(nn.Sequential(nn.Dropout(0.5)))
    assert "embed" in refusal(nn.Linear(2, 2))
    assert refusal(architectures.build("convnet:width=4", (1, 8, 8), 10)) == ""
