"""Methods against architectures and conditions, and paired differences from none."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmark.results import frame
from leaderboard.grids import Grid, condition_grids, transfer_grids
from leaderboard.plates import curve_figures, proxy_figures
from leaderboard.sources import Row, rows_of
from tests.leaderboard.conftest import PLAIN

A, B, C = "a" * 64, "b" * 64, "c" * 64


def rows(*changes: dict[str, Any]) -> list[Row]:
    return rows_of(frame([{**PLAIN, **change} for change in changes]))


def condition(name: str, values: dict[int, float], digest: str = A, distil_seed: int = 0) -> list[dict[str, Any]]:
    same = {"evaluator": "augmentation", "condition": name, "set": digest, "distil_seed": distil_seed}
    return [{**same, "seed": seed, "value": value} for seed, value in values.items()]


def only(grids: list[Grid]) -> Grid:
    [grid] = grids
    return grid


def test_columns_are_architectures_with_the_most_tried_first() -> None:
    tried = [{"architecture": name, "set": A} for name in ("alexnet", "convnet")]
    grid = only(transfer_grids(rows(*tried, {"set": B, "method": "herding"}), {}))
    assert grid.columns == ("convnet", "alexnet")
    by_method = {line.key.method: line.cells for line in grid.lines}
    assert by_method["herding"][1] is None
    assert by_method["dm"][1] is not None


def test_one_architecture_is_no_grid() -> None:
    assert transfer_grids(rows({"set": A}), {}) == []


def test_a_difference_is_paired_by_training_seed_within_one_set() -> None:
    plain, dsa = condition("none", {0: 50, 1: 60, 2: 70}), condition("dsa", {0: 51, 1: 62, 2: 73, 9: 0})
    grid = only(condition_grids(rows(*plain, *dsa), {}))
    assert grid.columns == ("none", "dsa")
    missing, delta = grid.lines[0].deltas
    assert missing is None
    assert delta is not None
    half = 4.302652730 * 1.0 / math.sqrt(3)  # differences 1, 2, 3; seed 9 has no partner
    assert (delta.mean, delta.low, delta.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))


def test_a_difference_is_paired_by_set_where_there_are_several() -> None:
    made = []
    for k, (digest, gain) in enumerate({A: 1.0, B: 2.0, C: 6.0}.items()):
        made += condition("none", {0: 50.0 + 10 * k, 1: 52.0 + 10 * k}, digest, k)
        made += condition("dsa", {0: 50.0 + 10 * k + gain, 1: 52.0 + 10 * k + gain}, digest, k)
    delta = only(condition_grids(rows(*made), {})).lines[0].deltas[1]
    assert delta is not None
    assert (delta.mean, delta.degrees) == pytest.approx((3.0, 2.0))


def test_sets_without_a_common_seed_have_no_difference() -> None:
    grid = only(condition_grids(rows(*condition("none", {0: 1.0}), *condition("dsa", {5: 2.0})), {}))
    assert grid.lines[0].deltas == (None, None)


def test_without_none_there_are_no_differences() -> None:
    grid = only(condition_grids(rows(*condition("dsa", {0: 1.0}), *condition("crop-flip", {0: 2.0})), {}))
    assert not grid.has_baseline
    assert grid.lines[0].deltas == (None, None)


def test_a_failed_condition_keeps_its_column_and_reason() -> None:
    bad = {"evaluator": "augmentation", "set": A, "seed": 1, "value": None, "status": "failed"}
    bad |= {"condition": "randaugment; the loss is no number"}
    grid = only(condition_grids(rows(*condition("none", {0: 1.0}), bad), {}))
    assert grid.columns == ("none", "randaugment")
    failed = grid.lines[0].cells[1]
    assert failed is not None
    assert failed.reasons == (("failed", "the loss is no number"),)


def test_the_reference_stands_last() -> None:
    reference = {"method": "full-data", "recipe": "standard-v1-lite/reference", "set": C, "ipc": None, "value": 99.0}
    grid = only(transfer_grids(rows({"set": A}, {"set": A, "architecture": "mlp"}, reference), {}))
    assert [(line.key.method, line.reference) for line in grid.lines] == [("dm", False), ("full-data", True)]


def test_a_grid_says_how_far_its_columns_agree_on_the_order() -> None:
    def grid(values: dict[str, tuple[float, float]]) -> Grid:
        made = [
            {**row, "method": method}
            for method, pair in values.items()
            for name, value in zip(("none", "dsa"), pair, strict=True)
            for row in condition(name, {0: value}, digest=method[0] * 64)
        ]
        return only(condition_grids(rows(*made), {}))

    assert grid({"dm": (3, 30), "herding": (2, 20), "k-means": (1, 10)}).concordance == 1
    assert grid({"dm": (3, 10), "herding": (2, 20), "k-means": (1, 30)}).concordance == 0
    assert grid({"dm": (3, 10), "herding": (2, 20)}).concordance is None


def test_a_column_in_which_all_are_equal_says_nothing_of_agreement() -> None:
    def grid(unit: str, beside: float | None) -> Grid:
        made = [
            {**row, "method": method, "unit": unit}
            for method, pair in {"dm": (3, 30), "herding": (2, 20), "k-means": (1, 10)}.items()
            for name, value in zip(("none", "dsa", "synflow"), (*pair, beside), strict=True)
            if value is not None
            for row in condition(name, {0: value}, digest=method[0] * 64)
        ]
        return only(condition_grids(rows(*made), {}))

    assert grid("percent", 7.0).concordance == grid("percent", None).concordance == 1
    assert grid("percentage points", 7.0).concordance is None


def test_curves_of_continual_learning_are_told_apart_by_memory_and_bytes() -> None:
    """A joint set has seen classes to come; real images beside one set are not those that another was made of."""
    curves = [
        ("dm", A, "sets made per step", 80.0),
        ("dm", A, "random-real", 94.0),
        ("mine", B, "joint set", 99.0),
        ("random-real", C, "order-free set", 88.0),
    ]
    made = [
        {"evaluator": "continual-learning", "method": method, "set": digest, "metric": metric, "value": number}
        | {"condition": f"gdumb, 5 steps, {memory}"}
        for method, digest, memory, value in curves
        for metric, number in [*((f"accuracy_after_step_{t}", value) for t in (1, 2)), ("memory_bytes", 25350.0)]
    ]
    grids = condition_grids(rows(*made), {})
    (figure,) = curve_figures(grids, grids)
    found = {(row[0], row[2]) for row in figure.table.rows}
    assert found == {
        ("dm, sets made per step", "80.00"),
        ("random-real, 25.4 kB", "94.00"),
        ("mine, joint set", "99.00"),
        ("random-real, order-free set", "88.00"),
    }


def test_the_figure_of_a_proxy_tells_what_chance_gives() -> None:
    metrics = {"spearman": 0.3, "spearman_low": -0.1, "spearman_high": 0.6, "spearman_of_chance": 0.4}
    made = [
        {"evaluator": "nas-proxy", "metric": metric, "unit": "rho", "condition": name, "value": value}
        for metric, value in metrics.items()
        for name in ("subject", "synflow")
    ]
    grids = condition_grids(rows(*made), {})
    (figure,) = proxy_figures(grids, grids)
    assert "within 0.40 of it in 95 % of cases" in figure.caption
