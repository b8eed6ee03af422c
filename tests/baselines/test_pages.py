"""The page of every baseline is what `distillbench document` writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import baseline, baseline_page, registry
from benchmark.run import Run
from benchmark.store import Store
from benchmark.values import Budget, Real

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / baseline_page.FOLDER
NAMES = registry.names("baseline")


@pytest.fixture(scope="module")
def reference() -> Store:
    return Store(ROOT / "artifacts" / "reference")


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_page_follows_from_the_file(name: str, reference: Store) -> None:
    told = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert baseline_page.render(name, reference) == told, "run `distillbench document`"


def test_there_is_no_page_of_what_is_no_baseline() -> None:
    assert sorted(file.stem for file in PAGES.glob("*.md")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_states_source_presets_and_differences(name: str, reference: Store) -> None:
    text, kind = baseline_page.render(name, reference), registry.load("baseline", name)
    for part in (kind.source.url, kind.source.citation, kind.source.licence, registry.summary("baseline", name)):
        assert part in text
    if set(baseline.presets(name)) != {"default"}:
        assert all(f"`{preset}`" in text for preset in baseline.presets(name))
    assert ("\nDiffers:" in text) == ("\nDiffers:" in (registry.module("baseline", name).__doc__ or ""))


def test_a_hyper_parameter_has_its_value_in_each_preset_and_its_meaning(reference: Store) -> None:
    lines = baseline_page.render("dm", reference).splitlines()
    head = next(line for line in lines if line.startswith("| hyper-parameter"))
    row = next(line for line in lines if line.startswith("| `batch_real`"))
    values = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    built: dict[str, Any] = {name: baseline.load("dm", name) for name in baseline.presets("dm")}
    expected = {name: one.batch_real for name, one in built.items()}
    assert {name: int(values[f"`{name}`"]) for name in expected} == expected
    assert "Real images of each class in a step." in row


def test_the_cost_is_that_of_the_cards(tmp_path: Path, new_run: Callable[..., Run]) -> None:
    store = Store(tmp_path / "reference")
    assert "No set of it is in the" in baseline_page.render("class-mean", store)
    for seed, seconds in enumerate([1.0, 9.0, 4.0]):
        made: Any = baseline.load("class-mean", "default").distill(Real("digits"), Budget(ipc=2), new_run(seed=seed))
        cost = {"seconds": seconds, "image_passes": 1234, "numerics": "cpu"}
        store.write_set(replace(made, card=replace(made.card, method="class-mean", preset="default", cost=cost)))
    assert "| `digits` | 2 | `default` | 3 | 4.0 | 1,234 | `cpu` |" in baseline_page.render("class-mean", store)
    assert torch.get_num_threads() == 1
