"""The engine's table: what a measurement says, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.bench import tune
from benchmark.bench.tune import Candidate, candidates, rule_of, write_table
from benchmark.engine.backends import Rule, floating_operations, rules

SMALL = Candidate("mlp", True, "float32")


def test_compiling_must_save_more_than_it_costs() -> None:
    found = {"compile_seconds": 10.0, "pairs": [[0.02, 0.01], [0.3, 0.1], [1.0, 0.9]]}
    rule = rule_of(SMALL, "cpu", found)
    assert rule is not None and rule.speedup == 2.0  # the worse of 2 and 3
    eager_rate = 3 * floating_operations("mlp", (1, 8, 8), 10) * 100 / 0.3
    assert rule.least == pytest.approx(1.2 * 10 * eager_rate / 0.5, rel=0.05)


def test_what_gains_little_gets_no_line() -> None:
    found = {"compile_seconds": 10.0, "pairs": [[0.011, 0.01], [0.3, 0.1], [1.0, 0.9]]}
    assert rule_of(SMALL, "cpu", found) is None


def test_candidates_fit_can_be_compiled_and_are_studied() -> None:
    found = candidates("cpu-bf16", ["alexnet", "convnet", "mlp"])
    assert Candidate("alexnet", True, "float32") not in found  # does not fit 8x8
    assert Candidate("convnet", False, "bfloat16") in found
    assert all(one.precision == "float32" for one in candidates("cpu", ["convnet"]))


def test_only_the_lines_of_this_kind_are_replaced(tmp_path: Path) -> None:
    table = tmp_path / "backends.toml"
    other = Rule("cuda", "convnet", False, "bfloat16", 1e12, 3.0)
    old, new = Rule("cpu", "mlp", True, "float32", 1e9, 1.5), Rule("cpu", "convnet", True, "float32", 2e9, 1.7)
    write_table("cuda", [other], _empty(table))
    write_table("cpu", [old], table)
    write_table("cpu", [new], table)
    assert set(rules(table)) == {other, new}
    write_table("cpu", [old], table, only=["mlp"])
    assert set(rules(table)) == {other, new, old}
    rules.cache_clear()


def _empty(table: Path) -> Path:
    table.write_text("", encoding="utf-8")
    return table


def test_each_precision_that_pays_gets_its_line_and_a_lower_one_only_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speedups = {"convnet": {"float32": 1.5, "bfloat16": 2.0}, "mlp": {"float32": 1.5, "bfloat16": 1.4}}

    def measured(candidate: Candidate, device: torch.device) -> dict[str, Any]:
        speedup = speedups[candidate.architecture][candidate.precision] if candidate.small else 1.0
        return {"compile_seconds": 1.0, "pairs": [[speedup, 1.0], [speedup, 1.0], [1.0, 1.0]]}

    monkeypatch.setattr(tune, "_in_child", measured)
    monkeypatch.setattr(tune, "device_kind", lambda device: "cpu-bf16")
    found = tune.tune(torch.device("cpu"), ["convnet", "mlp"])
    lines = {(rule.architecture, rule.small, rule.precision, rule.speedup) for rule in found}
    assert lines == {
        ("convnet", True, "float32", 1.5),
        ("convnet", True, "bfloat16", 2.0),
        ("mlp", True, "float32", 1.5),
    }


def test_on_a_gpu_the_compiled_form_must_beat_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    speedups = {
        ("recorded", "float32"): 2.0,
        ("compiled", "float32"): 1.9,
        ("recorded", "bfloat16"): 1.8,
        ("compiled", "bfloat16"): 3.0,
    }

    def measured(candidate: Candidate, device: torch.device) -> dict[str, Any]:
        speedup = speedups[candidate.backend, candidate.precision] if candidate.small else 1.0
        seconds = 1.0 if candidate.backend == "recorded" else 30.0
        return {"compile_seconds": seconds, "pairs": [[speedup, 1.0], [speedup, 1.0], [1.0, 1.0]]}

    monkeypatch.setattr(tune, "_in_child", measured)
    monkeypatch.setattr(tune, "device_kind", lambda device: "cuda")
    found = tune.tune(torch.device("cuda"), ["convnet"])
    assert [(rule.backend, rule.precision) for rule in found] == [("recorded", "float32"), ("compiled", "bfloat16")]


def test_a_candidate_is_measured_eager_beside_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Steps:
        def __init__(self, network: torch.nn.Module, *rest: object, **more: object) -> None:
            self.network = network

        def step(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
            result: torch.Tensor = self.network(images).sum()
            return result

    monkeypatch.setattr(tune, "CompiledSteps", Steps)
    monkeypatch.setattr(tune, "compiled_forward", lambda shape, network: network)
    found = tune.measure(SMALL, torch.device("cpu"))
    assert len(found["pairs"]) == 3 and all(0 < seconds < 5 for pair in found["pairs"] for seconds in pair)
