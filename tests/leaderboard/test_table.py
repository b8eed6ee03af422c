"""The table that a terminal shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.results import frame
from leaderboard import board_table
from tests.leaderboard.conftest import PLAIN


def table(*changes: dict[str, Any]) -> pd.DataFrame:
    return board_table(frame([{**PLAIN, **change} for change in changes]))


def test_methods_by_sizes_best_first_with_spread_and_n() -> None:
    dm = [{"set": name * 64, "distil_seed": k, "value": 80.0 + k} for k, name in enumerate("abc")]
    larger = [{**row, "ipc": 10, "value": 95.0} for row in dm]
    herding = [{"method": "herding", "set": "d" * 64, "seed": seed, "value": 70.0 + seed} for seed in range(2)]
    found = table(*dm, *larger, *herding)
    assert list(found.columns) == ["dataset", "recipe", "method", "1 per class", "10 per class"]
    assert found["method"].tolist() == ["dm", "herding"]
    assert found["1 per class"].tolist() == ["81.0 ± 1.0 (3 sets)", "70.5 ± 0.7 (2 seeds)"]
    assert found["10 per class"].tolist() == ["95.0 ± 0.0 (3 sets)", ""]


def test_a_single_value_has_no_spread() -> None:
    assert table({"value": 80.0})["1 per class"].tolist() == ["80.0 (1 seed)"]


def test_references_stand_last_under_every_size() -> None:
    reference = {"method": "full-data", "recipe": "standard-v1-lite/reference", "ipc": None, "value": 98.0}
    found = table({"set": "a" * 64}, {"set": "b" * 64, "ipc": 10}, {**reference, "set": "c" * 64})
    assert found["method"].tolist() == ["dm", "full-data"]
    assert found.iloc[1][["1 per class", "10 per class"]].tolist() == ["98.0 (1 seed)", "98.0 (1 seed)"]


def test_what_went_wrong_is_named() -> None:
    assert table({"value": None, "status": "failed"})["1 per class"].tolist() == ["failed"]


def test_a_method_that_stands_several_times_has_a_row_for_each() -> None:
    found = table(*({"set": name * 64, "distil_seed": None, "value": 80.0 - k} for k, name in enumerate("ab")))
    assert found["method"].tolist() == ["dm", "dm #2"]
    assert found["1 per class"].tolist() == ["80.0 (1 seed)", "79.0 (1 seed)"]


def test_architectures_are_blocks_of_their_own(demo: Path) -> None:
    found = board_table(pd.read_parquet(demo / "results.parquet"))
    assert set(found["architecture"]) == {"convnet", "mlp", "lenet", "resnet-narrow"}


def test_text_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in table({"method": "\x1b[2Jdm", "dataset": "a\x1b]0;b\x07"}).to_string()


def test_no_results_make_an_empty_table() -> None:
    assert len(table()) == 0
