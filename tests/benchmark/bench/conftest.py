"""A bench of one's own: its cache, a sample of what is measured, and a stand-in for its processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmark.bench import cells, record, turns

Made = Callable[..., record.Measured]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "distillbench" / "bench"


@pytest.fixture
def measured() -> Made:
    """Five seeds of the reference at 30, 32 … 38 s; three warm runs of ours at 10, 12 and 17 s; cold 40 s."""

    def make(name: str = "cifar10-1", **cell: Any) -> record.Measured:
        def reference(seed: int) -> dict[str, Any]:
            times = {"seconds": 30.0 + 2 * seed, "train_seconds": 18.0 + 2 * seed, "test_seconds": 11.5}
            return {"seed": seed, **times, "accuracy_percent": 15.0 + seed, "load": 0.5}

        def ours(seconds: float) -> dict[str, Any]:
            times = {"seconds": seconds, "train_seconds": 6.0, "test_seconds": 3.0}
            return {**times, "accuracy_percent": [15.0, 16.0, 17.0, 18.0, 19.25], "numerics": "cpu-x", "load": 0.25}

        products = {"bfloat16 product": 1e12, "float32 product": 2e11}
        machine = {
            "device": "A CPU",
            "cores": 2,
            "threads": 2,
            "instructions": "AVX2",
            "versions": {"torch": "2.15.0"},
            "rates": {**products, "bfloat16 convolution": 9e11, "float32 convolution": 1e11},
        }
        known = cells.known()[name]
        return record.Measured(
            cell=cells.BenchCell.from_json({**known.to_json(), **cell}),
            machine=machine,
            operations={"forward": 101_490_688, "step": 297_394_176, "train": 600_000_000_000, "test": 1_000_000_000},
            reference=tuple(reference(seed) for seed in range(5)),
            cold=ours(40.0),
            warm=tuple(ours(seconds) for seconds in (10.0, 12.0, 17.0)),
            measured="2026-11-22",
            command="distillbench bench --device cpu",
        )

    return make


class Stage:
    """Answers requests at once, and remembers them; stops before the one of this number."""

    def __init__(self, measured: record.Measured) -> None:
        self.measured = measured
        self.asked: list[tuple[str, int]] = []
        self.environments: list[Mapping[str, str]] = []
        self.stop_at: int | None = None

    def __call__(self, request: Any, environment: Mapping[str, str], tick: turns.Tick) -> Any:
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        self.asked.append((request["part"], request["seed"]))
        self.environments.append(environment)
        tick(0.0)
        if request["part"] == "machine":
            return self.measured.machine
        if request["part"] == "reference":
            return self.measured.reference[request["seed"]]
        ours = self.measured.warm[0]
        return {**ours, "accuracy_percent": ours["accuracy_percent"][: request["cell"]["n_seeds"]]}


@pytest.fixture
def stage(measured: Made, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(measured())
    monkeypatch.setattr(turns, "in_a_process", stage)
    return stage
