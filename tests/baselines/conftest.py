"""Fixtures of this room: runs on digits in a store of the test's own, and baselines with settings that take no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import baseline
from benchmark.baseline import Baseline
from benchmark.engine import Materials
from benchmark.run import Run
from benchmark.store import Store
from benchmark.values import Real

RunMaker = Callable[..., Run]
SMALL: dict[str, Any] = {"iterations": 2, "batch_real": 8, "restarts": 1, "recipe": "standard-v1-lite/reference"}
SMALL |= {"most_loops": 2, "most_epochs": 2, "statistics": "dataset", "compiled": False}
SMALL |= {"n_experts": 2, "student_steps": 2, "max_start": 1, "expert_epochs": 1, "rate_learning_rate": 0.0}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def new_run(tmp_path: Path) -> RunMaker:
    """Begin a run on digits; real data and the fields of Run may be given."""
    materials = Materials(Store(tmp_path / "store"), torch.device("cpu"))

    def make(seed: int = 0, real: Real = Real("digits"), **given: Any) -> Run:  # noqa: B008 (frozen)
        return Run(materials, real, seed, **given)

    return make


@pytest.fixture
def small() -> Callable[[str], Baseline]:
    """Load a registered baseline with small hyper-parameters, whatever its presets say."""

    def load(name: str) -> Baseline:
        built: Any = baseline.load(name, next(iter(baseline.presets(name))))
        own = {field.name for field in fields(built)}
        cut: dict[str, Any] = {name: value for name, value in SMALL.items() if name in own}
        if "architecture" in own:
            cut["architecture"] = "mlp"
        smaller: Baseline = replace(built, **cut)
        return smaller

    return load
