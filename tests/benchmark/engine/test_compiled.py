"""The compiled step against the eager one: traced for every architecture, compiled in full for one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from benchmark import architectures, engine, registry
from benchmark.engine import compiled, machine_code
from benchmark.engine.blocks import run_block
from benchmark.engine.capture import Captured
from benchmark.engine.compiler import why_not
from benchmark.engine.lowering import refusal
from benchmark.engine.machine_code import Shape, shape_of
from benchmark.engine.steps import EagerSteps
from benchmark.recipe import Recipe
from benchmark.values import Data, Probe, Real, Stage, Stored, Training

SGD = Recipe("sgd", learning_rate=0.05, nesterov=True, label_smoothing=0.1)
ADAM = Recipe("adam", optimizer="adam", learning_rate=1e-3)
ADAMW = Recipe("adamw", optimizer="adamw", learning_rate=1e-3, weight_decay=0.05)
SQUARES = SGD.vary(loss="mean-squared-error")


@pytest.fixture
def forgetful() -> Iterator[None]:
    """No function is remembered from before, nor after."""
    compiled._step_function.cache_clear()
    compiled._forward_function.cache_clear()
    yield
    compiled._step_function.cache_clear()
    compiled._forward_function.cache_clear()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, forgetful: None) -> None:
    """Graphs are traced but not compiled: the same operations, at once."""

    def trace(function: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...], **_: Any) -> Any:
        return make_fx(function)(*example)

    monkeypatch.setattr(compiled, "_compile", trace)


def _pair(architecture: str, shape: tuple[int, int, int], recipe: Recipe, precision: str, soft: bool = False) -> Any:
    torch.manual_seed(0)
    plain = architectures.build(architecture, shape, 10)
    other = copy.deepcopy(plain)
    kind = shape_of(architecture, shape, 10, precision, torch.device("cpu"))
    return plain, EagerSteps(plain, recipe), other, compiled.CompiledSteps(other, recipe, kind, 6, soft), kind


def _labels(soft: bool, n: int) -> torch.Tensor:
    ids = torch.arange(n) % 10
    return torch.nn.functional.one_hot(ids, 10).float() * 0.5 + 0.05 if soft else ids


def _largest_gap(plain: torch.nn.Module, other: torch.nn.Module) -> float:
    """Over weights; a bias before an instance norm only sees rounding."""
    pairs = zip(plain.named_parameters(), other.parameters(), strict=True)
    return max((a - b).abs().max().item() for (name, a), b in pairs if name.endswith("weight"))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("architecture", [*registry.names("architecture"), "resnet18:norm=batch"])
def test_every_architecture_learns_the_same_or_says_why_not(architecture: str) -> None:
    shape = (3, 32, 32)
    reason = refusal(architectures.build(architecture, shape, 10))
    if reason:
        assert "batch norm" in reason and architecture in ("nasbench201", "resnet18:norm=batch")
        return
    plain, eager, other, steps, _ = _pair(architecture, shape, SGD.vary(learning_rate=1e-3), "float32")
    images = torch.randn(6, *shape, generator=engine.generator(0, "images"))
    for _ in range(2):
        wanted, found = eager.step(images, _labels(False, 6), 1e-3), steps.step(images, _labels(False, 6), 1e-3)
        assert found.item() == pytest.approx(wanted.item(), abs=2e-4)
    assert _largest_gap(plain, other) < 2e-4


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("recipe", [SGD, ADAM, ADAMW, SQUARES], ids=["sgd", "adam", "adamw", "squares"])
def test_every_optimizer_and_loss_equals_torchs_own_with_a_padded_last_batch(recipe: Recipe, soft: bool) -> None:
    plain, eager, other, steps, _ = _pair("mlp", (1, 8, 8), recipe, "float32", soft)
    for n in (6, 4, 6):
        images = torch.randn(n, 1, 8, 8)
        wanted = eager.step(images, _labels(soft, n), recipe.learning_rate)
        found = steps.step(images, _labels(soft, n), recipe.learning_rate)
        assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert _largest_gap(plain, other) < 1e-5
    eager.reset()
    steps.reset()
    assert not any(moment.any() for moment in steps.state[1:]) and steps.done == 0


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("recipe", [SGD, ADAM, ADAMW, SQUARES], ids=["sgd", "adam", "adamw", "squares"])
@pytest.mark.parametrize("architecture", ["mlp", "convnet:depth=2,width=4"])
def test_a_batch_that_is_taken_in_slices_equals_torchs_own(
    monkeypatch: pytest.MonkeyPatch, architecture: str, recipe: Recipe, soft: bool
) -> None:
    monkeypatch.setattr(machine_code, "PIXELS", 2 * 64)
    plain, eager, other, steps, kind = _pair(architecture, (1, 8, 8), recipe, "float32", soft)
    sizes, function = [], steps.function

    def spied(*given: torch.Tensor) -> Any:
        sizes.append(len(given[2]))
        return function(*given)

    monkeypatch.setattr(steps, "function", spied)
    for n in (6, 4, 3):  # all slices, fewer, and one that is padded
        images = torch.randn(n, 1, 8, 8)
        wanted = eager.step(images, _labels(soft, n), recipe.learning_rate)
        found = steps.step(images, _labels(soft, n), recipe.learning_rate)
        assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert sizes == [2] * (3 + 2 + 2)
    assert _largest_gap(plain, other) < 1e-5
    images = torch.randn(5, 1, 8, 8)
    assert torch.allclose(compiled.compiled_forward(kind, other)(images), other(images), atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "side", "device", "slices", "tests"),
    [
        (256, 32, "cpu", 32, 32),
        (100, 32, "cpu", 25, 32),
        (10, 32, "cpu", 10, 32),
        (256, 8, "cpu", 256, 100),
        (100, 28, "cpu", 34, 41),
        (83, 28, "cpu", 28, 41),
        (3, 256, "cpu", 1, 1),
        (256, 32, "cuda:0", 256, 500),
        (256, 64, "cuda:0", 256, 125),
    ],
)
def test_a_cpu_takes_at_a_time_what_stays_in_its_cache(
    batch: int, side: int, device: str, slices: int, tests: int
) -> None:
    shape = Shape("convnet", (3, side, side), 10, "float32", device, 1)
    assert machine_code.sliced(shape, batch) == slices
    assert machine_code.test_batch(shape) == tests


@pytest.mark.usefixtures("traced")
def test_bfloat16_stays_near_float32_and_the_weights_stay_float32() -> None:
    plain, eager, other, steps, kind = _pair("convnet:width=16", (1, 8, 8), SGD, "bfloat16")
    images = torch.randn(6, 1, 8, 8)
    for _ in range(3):
        wanted, found = eager.step(images, _labels(False, 6), 0.01), steps.step(images, _labels(False, 6), 0.01)
    assert steps.flat.dtype == torch.float32 and found.dtype == torch.float32
    assert found.item() == pytest.approx(wanted.item(), abs=0.03) and found.item() != wanted.item()
    assert 0 < _largest_gap(plain, other) < 0.02
    logits = compiled.compiled_forward(kind, other)(torch.randn(205, 1, 8, 8))
    assert logits.shape == (205, 10) and logits.dtype == torch.float32


@pytest.mark.usefixtures("traced")
def test_the_network_always_has_the_weights_of_the_moment() -> None:
    _, _, other, steps, kind = _pair("mlp", (1, 8, 8), SGD, "float32")
    forward, images = compiled.compiled_forward(kind, other), torch.randn(7, 1, 8, 8)
    for _ in range(2):
        steps.step(torch.randn(6, 1, 8, 8), _labels(False, 6), 0.1)
        assert torch.allclose(forward(images), other(images), atol=1e-5)


def _block(materials: engine.Materials, stored: Stored, way: engine.Way, seed: int = 0) -> engine.Block:
    recipe = Recipe("short", epochs=3, batch_size=16)
    training = Training((Stage(Data((stored,))),), "convnet:depth=2,width=4", recipe)
    return engine.Block(training, seed, (Probe("accuracy", Real("digits", "test")),), way)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.skipif(bool(why_not()), reason="torch.compile does not work here")
@pytest.mark.parametrize("pixels", [2**15, 6 * 64], ids=["whole", "in slices"])
def test_compiled_in_full_it_gives_the_same_bits_twice_and_its_own_numerics(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(machine_code, "PIXELS", pixels)
    way = engine.Way("compiled", "bfloat16", one_thread=True)
    found = [run_block(_block(materials, stored, way, seed), materials)[0][0] for seed in (0, 1, 0)]
    assert found[0] == found[2]
    assert found[0].value != found[1].value
    assert found[0].numerics.startswith("cpu-compiled3-bfloat16-torch")
    eager = run_block(_block(materials, stored, engine.EAGER), materials)[0][0]
    correct = [sum(outcome.value["end"]["correct"]) for outcome in (found[0], eager)]
    assert abs(correct[0] - correct[1]) < 40  # of 797: rounding moves a few borderline images
    compiled._step_function.cache_clear()  # as in a new process: two threads load the code side by side
    compiled._forward_function.cache_clear()
    with ThreadPoolExecutor(2) as pool:
        side_by_side = pool.map(lambda seed: run_block(_block(materials, stored, way, seed), materials)[0][0], (0, 1))
        assert list(side_by_side) == found[:2]


@pytest.mark.usefixtures("forgetful")
def test_what_is_no_single_library_is_compiled_by_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(*_: Any) -> Any:
        raise machine_code.NotAlone

    monkeypatch.setattr(compiled, "kept", no_library)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # traced, which is what could fail
    plain, eager, other, steps, kind = _pair("convnet:depth=1,width=4", (1, 8, 8), SGD, "float32")
    images = torch.randn(6, 1, 8, 8)
    wanted, found = eager.step(images, _labels(False, 6), 0.1), steps.step(images, _labels(False, 6), 0.1)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5) and _largest_gap(plain, other) < 1e-5
    forward = compiled.compiled_forward(kind, other)
    assert torch.allclose(forward(images), other(images), atol=1e-5)


@pytest.mark.usefixtures("forgetful", "recording")
@pytest.mark.parametrize("recipe", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_a_recorded_step_trains_one_network_after_another(monkeypatch: pytest.MonkeyPatch, recipe: Recipe) -> None:
    """The path of a GPU, but for the recording itself."""

    def traced(function: Callable[..., Any], example: tuple[torch.Tensor, ...], n_state: int = 0, **_: Any) -> Any:
        graph = make_fx(function)(*example)
        return Captured(graph, example, n_state) if n_state else graph

    monkeypatch.setattr(compiled, "_compile", traced)
    for seed in (0, 1):
        torch.manual_seed(seed)
        plain, eager, other, steps, kind = _pair("convnet:depth=2,width=4", (1, 8, 8), recipe, "float32")
        assert isinstance(steps.function, Captured) and steps.flat is steps.function.inputs[0]
        for n in (6, 4, 6):
            images = torch.randn(n, 1, 8, 8)
            wanted, found = eager.step(images, _labels(False, n), 1e-3), steps.step(images, _labels(False, n), 1e-3)
            assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
        assert _largest_gap(plain, other) < 1e-5
        assert torch.allclose(compiled.compiled_forward(kind, other)(images), other(images), atol=1e-5)


@pytest.mark.usefixtures("forgetful", "recording")
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("recipe", [SGD, ADAM, ADAMW, SQUARES], ids=["sgd", "adam", "adamw", "squares"])
def test_the_networks_own_step_is_recorded_as_it_is(recipe: Recipe, soft: bool) -> None:
    architecture, shape = "convnet:depth=2,width=4", (1, 8, 8)
    kind = shape_of(architecture, shape, 10, "float32", torch.device("cpu"))
    for seed in (0, 1):
        torch.manual_seed(seed)
        plain = architectures.build(architecture, shape, 10)
        other = copy.deepcopy(plain)
        eager, steps = EagerSteps(plain, recipe), compiled.CompiledSteps(other, recipe, kind, 6, soft, recorded=True)
        assert all(weight.is_contiguous() for weight in other.parameters())
        for n in (6, 4, 6):
            images = torch.randn(n, *shape)
            wanted = eager.step(images, _labels(soft, n), recipe.learning_rate)
            found = steps.step(images, _labels(soft, n), recipe.learning_rate)
            assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
        assert _largest_gap(plain, other) < 1e-5


@pytest.mark.usefixtures("forgetful", "recording")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_block_that_is_recorded_learns_what_an_eager_one_does(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    dtypes, norm = set(), torch.nn.functional.group_norm  # which sees what a convolution gives

    def spied(images: torch.Tensor, *rest: Any) -> torch.Tensor:
        dtypes.add(images.dtype)
        return norm(images, *rest)

    monkeypatch.setattr(torch.nn.functional, "group_norm", spied)
    way = engine.Way("recorded", precision, one_thread=True)
    found = [run_block(_block(materials, stored, way, seed), materials)[0][0] for seed in (0, 1, 0)]
    assert dtypes == {getattr(torch, precision)}
    assert found[0] == found[2] and found[0].value != found[1].value
    assert found[0].numerics.startswith(f"cpu-recorded-{precision}-torch")
    eager = run_block(_block(materials, stored, engine.Way(one_thread=True)), materials)[0][0]
    correct = [sum(outcome.value["end"]["correct"]) for outcome in (found[0], eager)]
    assert abs(correct[0] - correct[1]) < (40 if precision == "bfloat16" else 4)  # of 797


@pytest.mark.usefixtures("recording")
def test_a_recorded_function_works_on_its_own_tensors() -> None:
    def add(state: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        state.add_(given)
        return state.sum()

    captured = Captured(add, (torch.ones(2), torch.ones(2)), n_state=1)
    state = captured.inputs[0]
    assert state.tolist() == [1, 1]
    assert captured(state, torch.full((2,), 3.0)).item() == 8
    assert captured(state, torch.full((2,), 1.0)).item() == 10
    with pytest.raises(ValueError, match="its own tensors"):
        captured(torch.ones(2), torch.ones(2))
