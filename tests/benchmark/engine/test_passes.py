"""Passes over real images: the compiled form, traced, against the plain one.

The bar `baselines_speed` compares them compiled in full, which takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from benchmark import architectures, datasets
from benchmark.engine import compiled, machine_code, passes
from benchmark.engine.passes import Passes, Seen, record, spans

CPU = torch.device("cpu")
DIGITS = datasets.facts("digits")
DEEP = "convnet:depth=2,width=4"


def layers(seen: Seen) -> tuple[torch.Tensor, ...]:
    return (seen.features, *(layer.float().square().flatten(1) for layer in seen.maps[:-1]))


def features(seen: Seen) -> tuple[torch.Tensor, ...]:
    return (seen.features,)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Graphs are traced but not compiled: the same operations, at once."""

    def trace(function: Callable[..., Any], example: tuple[torch.Tensor, ...], n_state: int = 0) -> Any:
        return make_fx(function)(*example)

    monkeypatch.setattr(compiled, "_compile", trace)
    monkeypatch.setattr("benchmark.engine.passes.why_not", lambda device: "")
    compiled.compiled_function.cache_clear()
    yield
    compiled.compiled_function.cache_clear()


def _network(architecture: str) -> architectures.Network:
    torch.manual_seed(0)
    return architectures.build(architecture, DIGITS.shape, 10).requires_grad_(False)


def _batches() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of three classes, one shorter than the others."""
    torch.manual_seed(1)
    images = [torch.randn(n, *DIGITS.shape) for n in (7, 7, 4)]
    return images, [torch.full((len(batch),), c) for c, batch in enumerate(images)]


def _compare(architecture: str, precision: str, tolerance: float) -> None:
    network, (images, labels) = _network(architecture), _batches()
    plain, other = (Passes.of(architecture, DIGITS, CPU, p, c) for p, c in (("float32", False), (precision, True)))
    assert other.compiled and not plain.compiled
    for describe, maps in ((features, False), (layers, True)):
        wanted, found = (passes.statistics(network, images, describe, maps) for passes in (plain, other))
        assert len(wanted) == len(found)
        for one, two in zip(wanted, found, strict=True):
            assert two.dtype == torch.float32 and len(two) == 3
            assert (one - two).norm() <= tolerance * one.norm()
    wanted, found = (passes.gradients(network, images, labels) for passes in (plain, other))
    for one, two in zip(wanted, found, strict=True):
        assert one.shape == two.shape and (one - two).norm() <= tolerance * one.norm()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("architecture", [DEEP, "mlp"])
def test_the_compiled_form_gives_what_the_plain_one_gives(architecture: str) -> None:
    _compare(architecture, "float32", 1e-4)


@pytest.mark.usefixtures("traced")
def test_batches_that_are_taken_in_slices_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "PIXELS", 3 * 64)
    _compare(DEEP, "float32", 1e-5)


@pytest.mark.usefixtures("traced")
def test_bfloat16_is_near() -> None:
    _compare(DEEP, "bfloat16", 0.1)


def test_what_cannot_be_compiled_runs_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Passes.of("convnet:norm=batch", datasets.facts("cifar10"), CPU, compiled=True).compiled
    monkeypatch.setattr("benchmark.engine.passes.why_not", lambda device: "no compiler")
    assert not Passes.of(DEEP, DIGITS, CPU, compiled=True).compiled


def test_another_precision_is_refused() -> None:
    with pytest.raises(KeyError, match="float16"):
        Passes.of(DEEP, DIGITS, CPU, "float16")


def test_recording_leaves_the_network_as_it_was() -> None:
    network, images = _network(DEEP), torch.randn(3, *DIGITS.shape)
    seen = record(network, images)
    torch.testing.assert_close(seen.features, network.embed(images))
    assert len(seen.maps) == 2 and all(not module._forward_hooks for module in network.modules())
    assert (seen.maps[0] >= 0).all() and (seen.maps[0] == 0).any()  # after the ReLU, before the pooling


def test_neighbours_of_one_shape_are_taken_together_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(passes.TOGETHER, "cpu", 20)
    batches = [torch.zeros(n, 2) for n in (5, 5, 5, 4, 4, 30)]  # 10 values a batch, then 8, then 60
    assert [(span.start, span.stop) for span in spans(batches)] == [(0, 2), (2, 3), (3, 5), (5, 6)]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("kind", "precision"), [("cpu", "float32"), ("cpu-bf16", "bfloat16"), ("cuda", "bfloat16")])
def test_without_instructions_for_bfloat16_passes_are_exact(
    monkeypatch: pytest.MonkeyPatch, kind: str, precision: str
) -> None:
    monkeypatch.setattr(passes, "device_kind", lambda device: kind)
    for compiled_too in (False, True):
        assert Passes.of(DEEP, DIGITS, CPU, "bfloat16", compiled_too).shape.precision == precision
