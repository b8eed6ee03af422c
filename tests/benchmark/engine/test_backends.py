"""Which way each block gets: the table, the whole plan's work, the kind of device, threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark import engine
from benchmark.engine import backends, devices, machine_code
from benchmark.engine.backends import Rule, assign, chosen_speedup, floating_operations, rules
from benchmark.engine.machine_code import Shape, StepKind, step_kind
from benchmark.recipe import Recipe
from benchmark.values import Data, Probe, Real, Stage, Stored, Training

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table of one line: small ConvNets, from 1 GFLOP on; a compiler that works."""
    rule = Rule("cpu-bf16", "convnet", True, "bfloat16", 1e9, 2.0)
    monkeypatch.setattr(backends, "rules", lambda: (rule,))
    monkeypatch.setattr(backends, "device_kind", lambda device: "cpu-bf16")
    monkeypatch.setattr("benchmark.engine.compiler.why_not", lambda device: "")
    backends._refused.cache_clear()
    yield
    backends._refused.cache_clear()


def _blocks(stored: Stored, architecture: str, n_seeds: int, **changes: Any) -> list[engine.Block]:
    recipe = Recipe("r", epochs=10).vary(**changes)
    training = Training((Stage(Data((stored,))),), architecture, recipe)
    return [engine.Block(training, seed, (Probe("accuracy", Real("digits", "test")),)) for seed in range(n_seeds)]


def test_a_shape_is_compiled_where_the_whole_plan_asks_enough_of_it(
    materials: engine.Materials, stored: Stored
) -> None:
    few, many = _blocks(stored, "convnet:width=8", 1), _blocks(stored, "convnet:width=8", 60)
    assert {block.way.backend for block in assign(few, materials)} == {"eager"}
    assert {block.way.backend for block in assign(many, materials)} == {"compiled"}
    assert [block.way for block in assign(many, materials)] == [block.way for block in assign(many[::-1], materials)]


def test_on_a_gpu_what_is_not_worth_compiling_is_recorded(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        Rule("cuda", "convnet", True, "float32", 1e3, 1.8, "recorded"),
        Rule("cuda", "convnet", True, "bfloat16", 1e3, 2.0, "recorded"),
        Rule("cuda", "convnet", True, "bfloat16", 1e9, 4.0),
    )
    asked: list[str] = []
    monkeypatch.setattr(backends, "rules", lambda: lines)
    monkeypatch.setattr(backends, "device_kind", lambda device: "cuda")

    def why_not(kind: str) -> str:
        asked.append(kind)
        return ""

    monkeypatch.setattr("benchmark.engine.compiler.why_not", why_not)
    few, many = _blocks(stored, "convnet:width=8", 1), _blocks(stored, "convnet:width=8", 60)
    assert {block.way for block in assign(few, materials)} == {engine.Way("recorded", "bfloat16", True)}
    assert {block.way for block in assign(many, materials)} == {engine.Way("compiled", "bfloat16", True)}
    assert asked == ["recorded", "cpu"]  # the types of device of this test, and what each backend needs of it
    exact = _blocks(stored, "convnet:width=8", 1, precision="float32")
    assert {block.way for block in assign(exact, materials)} == {engine.Way("recorded", "float32", True)}
    facts = materials.facts(exact[0].data)
    assert chosen_speedup(engine.Way("recorded", "bfloat16"), "convnet", facts, CPU) == 2.0
    backends._refused.cache_clear()
    monkeypatch.setattr("benchmark.engine.compiler.why_not", lambda kind: "" if kind == "recorded" else "no compiler")
    assert {block.way for block in assign(many, materials)} == {engine.Way("recorded", "bfloat16", True)}


def test_trainings_that_share_the_code_of_a_slice_are_counted_together(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [*_blocks(stored, "convnet:width=8", 1), *_blocks(stored, "convnet:width=8", 1, optimizer="adam")]
    rule = Rule("cpu-bf16", "convnet", True, "bfloat16", 1.5 * backends._work(both[0], materials), 2.0)
    monkeypatch.setattr(backends, "rules", lambda: (rule,))
    assert {block.way.backend for block in assign(both, materials)} == {"eager"}
    monkeypatch.setattr(machine_code, "PIXELS", 10 * 8 * 8)
    assert {block.way.backend for block in assign(both, materials)} == {"compiled"}
    assert {block.way.backend for block in assign(both[:1], materials)} == {"eager"}


def test_code_that_is_there_is_taken_up_however_little_there_is_to_do(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def is_kept(shape: Shape, kind: StepKind) -> bool:
        asked.append((shape, kind))
        return True

    monkeypatch.setattr(backends, "is_kept", is_kept)
    few = _blocks(stored, "convnet:width=8", 1)
    assert {block.way.backend for block in assign(few, materials)} == {"compiled"}
    recipe = few[0].training.recipe
    assert asked == [
        (Shape("convnet:width=8", (1, 8, 8), 10, "bfloat16", "cpu", 1), step_kind(recipe, batch=20, soft=False))
    ]
    assert {block.way.backend for block in assign(few, materials, settled=True)} == {"eager"}
    assert {block.way.backend for block in assign(few, materials, elsewhere=True)} == {"eager"}
    exact = _blocks(stored, "convnet:width=8", 1, precision="float32")
    assert {block.way.backend for block in assign(exact, materials)} == {"eager"}


def test_what_was_begun_eagerly_goes_on_so_whatever_code_there_is_by_then(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "is_kept", lambda shape, kind: True)
    blocks = _blocks(stored, "convnet:width=8", 3, epochs=1)
    begun = replace(blocks[0], way=engine.Way(one_thread=True))
    engine.run([begun], materials)
    assert {block.way.backend for block in assign(blocks, materials)} == {"eager"}
    other = _blocks(stored, "convnet:width=8", 3, epochs=1, momentum=0.5)
    assert {block.way.backend for block in assign(other, materials)} == {"compiled"}


def test_what_is_in_no_table_runs_eagerly(materials: engine.Materials, stored: Stored) -> None:
    assert {block.way for block in assign(_blocks(stored, "mlp", 50), materials)} == {engine.Way(one_thread=True)}


def test_a_recipe_that_says_float32_is_computed_in_it_compiled_or_not(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = _blocks(stored, "convnet:width=64", 50, precision="float32")
    assert {(block.way.backend, block.way.precision) for block in assign(blocks, materials)} == {("eager", "float32")}
    low, exact = backends.rules()[0], Rule("cpu", "convnet", True, "float32", 1e9, 1.5)
    monkeypatch.setattr(backends, "rules", lambda: (low, exact))
    ways = {(block.way.backend, block.way.precision) for block in assign(blocks, materials)}
    assert ways == {("compiled", "float32")}
    facts = materials.facts(blocks[0].data)
    assert chosen_speedup(engine.Way("compiled", "float32"), "convnet", facts, CPU) == 1.5
    assert chosen_speedup(engine.Way("compiled", "bfloat16"), "convnet", facts, CPU) == 2.0


def test_where_the_precision_is_open_the_faster_line_of_the_nearest_kind_counts(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def precisions(*lines: Rule) -> set[str]:
        monkeypatch.setattr(backends, "rules", lambda: lines)
        return {block.way.precision for block in assign(_blocks(stored, "convnet:width=8", 60), materials)}

    low = Rule("cpu-bf16", "convnet", True, "bfloat16", 1e9, 2.0)
    assert precisions(low, replace(low, precision="float32", speedup=1.5)) == {"bfloat16"}
    assert precisions(low, replace(low, precision="float32", speedup=2.5)) == {"float32"}
    assert precisions(low, replace(low, device="cpu", precision="float32", speedup=2.5)) == {"bfloat16"}


@pytest.mark.parametrize("options", ["norm=layer", "activation=sigmoid", "pooling=max"])
def test_another_form_of_an_architecture_is_in_no_table(
    materials: engine.Materials, stored: Stored, options: str
) -> None:
    blocks = assign(_blocks(stored, f"convnet:{options},width=64", 50), materials)
    assert {block.way.backend for block in blocks} == {"eager"}


def test_a_network_that_cannot_be_compiled_runs_eagerly_whatever_the_table_says(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tuple(Rule("cpu-bf16", name, True, "bfloat16", 1e9, 2.0) for name in ("nasbench201", "convnet"))
    monkeypatch.setattr(backends, "rules", lambda: table)
    for architecture, backend in (("nasbench201", "eager"), ("convnet", "compiled")):  # the first has batch norm
        blocks = assign(_blocks(stored, architecture, 10), materials)
        assert {block.way.backend for block in blocks} == {backend}


def test_without_a_compiler_everything_runs_eagerly(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.engine.compiler.why_not", lambda device: "no g++")
    backends._refused.cache_clear()
    assert {block.way.backend for block in assign(_blocks(stored, "convnet:width=64", 50), materials)} == {"eager"}


def test_a_few_short_trainings_run_side_by_side_and_one_alone_gets_all_cores(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = _blocks(stored, "convnet:width=8", 7), _blocks(stored, "convnet:width=8", 8)
    long = _blocks(stored, "convnet:width=8", 7, epochs=10**6)

    def one_thread(blocks: list[engine.Block], n_workers: int = 2, settled: bool = False) -> set[bool]:
        return {block.way.one_thread for block in assign(blocks, materials, n_workers, settled)}

    monkeypatch.setattr(backends, "_way", lambda *given: engine.EAGER)
    assert one_thread(few) == {True} and one_thread(few[:1]) == {False}
    monkeypatch.setattr(backends, "_way", lambda *given: engine.Way("compiled", "bfloat16"))
    assert one_thread(few) == {True} and one_thread(few[:1]) == {False}
    assert one_thread(many) == one_thread(long) == {True}
    assert one_thread(few, n_workers=1) == one_thread(few, settled=True) == {True}


def test_many_large_trainings_get_one_thread_each(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe("r", epochs=1)
    data = Data((Real("fashion-mnist", part="holdout"),))
    training = Training((Stage(data),), "mlp", recipe)
    blocks = [engine.Block(training, seed, ()) for seed in range(16)]
    materials.dataset = lambda name: _FewImages()  # type: ignore[method-assign, assignment, return-value]
    monkeypatch.setattr(backends, "every_thread", lambda: 2)
    assert {block.way.one_thread for block in assign(blocks, materials, n_workers=2)} == {True}
    assert {block.way.one_thread for block in assign(blocks[:15], materials, n_workers=2)} == {False}
    assert {block.way.one_thread for block in assign(blocks, materials, n_workers=1)} == {False}
    assert {block.way.one_thread for block in assign(blocks, materials, n_workers=2, settled=True)} == {False}
    monkeypatch.setattr(backends, "every_thread", lambda: 64)  # of which one training can use a few
    assert {block.way.one_thread for block in assign(blocks, materials, n_workers=64)} == {True}
    assert {block.way.one_thread for block in assign(blocks, materials, n_workers=4)} == {False}


class _FewImages:
    def indices(self, *part: object) -> list[int]:
        return [0, 1, 2]


def test_operations_are_those_counted_by_hand() -> None:
    convolutions = 2 * 128 * (3 * 9 * 32**2 + 128 * 9 * 16**2 + 128 * 9 * 8**2)
    assert floating_operations("convnet", (3, 32, 32), 10) == convolutions + 2 * 2048 * 10
    assert floating_operations("alexnet", (1, 4, 4), 10) == 0  # does not fit
    assert floating_operations("resnet18:norm=batch", (1, 8, 8), 10) > 0  # ends in one pixel


@pytest.mark.parametrize(
    ("cap", "kind"), [("AVX2", "cpu"), ("AVX512_CORE", "cpu"), ("AVX512_CORE_BF16", "cpu-bf16"), ("ALL", "cpu-amx")]
)
def test_a_cap_on_the_instruction_set_is_heeded(cap: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    monkeypatch.setattr(devices, "_has", lambda question: True)
    assert devices.device_kind(CPU) == kind


def test_the_committed_table_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for rule in rules():
        assert rule.device in ("cpu", "cpu-bf16", "cpu-amx", "cuda")
        assert rule.precision in ("float32", "bfloat16")
        assert rule.backend == "compiled" or (rule.backend == "recorded" and rule.device == "cuda")
        assert rule.least > 0 and rule.speedup > 1
        assert not (rule.device == "cpu" and rule.precision == "bfloat16")  # slow without the instructions
