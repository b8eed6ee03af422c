"""A store with one small set of digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import engine
from benchmark.run import Run
from benchmark.store import Store
from benchmark.values import Real, Stored


@pytest.fixture
def materials(tmp_path: Path) -> engine.Materials:
    return engine.Materials(Store(tmp_path / "store"), torch.device("cpu"))


@pytest.fixture
def stored(materials: engine.Materials) -> Stored:
    """Two images of each digit, as indices."""
    run = Run(materials, Real("digits"), seed=0)
    synthetic = run.of_indices(run.random_rows(2), ipc=2)
    synthetic = replace(synthetic, card=replace(synthetic.card, method="two-of-each"))
    return Stored(materials.store.write_set(synthetic))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for a GPU's recording, which runs nothing, and its warm-up, which does."""

    def record(function: Any, inputs: Any) -> Any:
        output = function(*inputs)
        return lambda: output.copy_(function(*inputs)), output

    monkeypatch.setattr("benchmark.engine.capture.record_graph", record)
