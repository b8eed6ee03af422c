"""Studies: an evaluator's numbers on the page of a set, as a table or a list; its parts get no line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.grids import condition_grids
from leaderboard.site import build
from leaderboard.sources import Row, read, rows_of
from leaderboard.studies import Block, StudyCell, blocks, parts, without_parts
from tests.leaderboard.conftest import FakeStore, card_of
from tests.leaderboard.reading import read_page

Make = Callable[[str], FakeStore]
NUMBERS = {"spearman": 0.66, "spearman_low": 0.34, "spearman_high": 0.86, "cost": 7.5}
REPLAY, GDUMB = "replay by rehearsal-v1, 5 steps, random-real", "gdumb, 5 steps, sets made per step"


def ranked(fake_store: Make) -> Path:
    """A store with an accuracy, and a study of three conditions of which one failed."""
    store = fake_store("store")
    shared = {"set": store.add_set(card_of("dm", 10, 0)), "method": "dm", "ipc": 10}
    store.add_row(**shared, value=91.0)
    study = {**shared, "evaluator": "nas-proxy", "architecture": "space", "seed": None}
    for condition, shift in {"herding": -0.06, "subject": 0.0}.items():
        for metric, value in NUMBERS.items():
            store.add_row(**study, condition=condition, metric=metric, unit="rho", value=value + shift)
    store.add_row(**study, condition="subject", metric="ceiling", unit="rho", value=0.98)
    failed = {"status": "error", "value": None, "condition": "random-real; no memory", "metric": "spearman"}
    store.add_row(**study, **failed, unit="rho")
    return store.write()


def learned(fake_store: Make) -> Path:
    """A store with a study of two conditions with long names, five metrics, and a curve of eleven points."""
    store = fake_store("store")
    shared: dict[str, Any] = {"set": store.add_set(card_of("dm", 10, 0)), "ipc": 10, "evaluator": "continual-learning"}
    for condition in (REPLAY, GDUMB):
        for seed in (0, 1):
            row = {**shared, "condition": condition, "seed": seed}
            for number, metric in enumerate(("final", "forgetting", "transfer", "average")):
                store.add_row(**row, metric=metric, value=10.0 * number + seed)
            for step in range(1, 12):
                store.add_row(**row, metric=f"after_step_{step}", value=100.0 - step + seed)
    store.add_row(**shared, condition=GDUMB, metric="memory_bytes", unit="bytes", seed=None, value=25700.0)
    return store.write()


def rows(root: Path) -> list[Row]:
    return rows_of(read([root]).results)


def block_of(root: Path, evaluator: str) -> Block:
    [found] = [block for block in blocks(rows(root)) if block.first.evaluator == evaluator]
    return found


def page_of(root: Path, out: Path) -> Path:
    build([root], out)
    [page] = (out / "entry").iterdir()
    return page


def mean(found: StudyCell | None) -> float:
    assert found is not None
    return found.cells[0].interval.mean


def test_metrics_stand_by_conditions_with_their_intervals_folded_in(fake_store: Make) -> None:
    block = block_of(ranked(fake_store), "nas-proxy")
    [study] = block.studies
    assert block.scores == ()
    assert [column.name for column in study.columns] == ["subject", "herding", "random-real"]
    lines = {heading.name: cells for heading, cells in study.lines}
    assert list(lines) == ["ceiling", "cost", "spearman"]
    subject, _, broken = lines["spearman"]
    assert subject is not None and (mean(subject), subject.low, subject.high) == (0.66, 0.34, 0.86)
    assert broken is not None and broken.low is None and broken.reasons == (("error", "no memory"),)
    assert lines["ceiling"][1:] == (None, None)


def test_the_sets_page_shows_the_table_once(fake_store: Make, tmp_path: Path) -> None:
    page = page_of(ranked(fake_store), tmp_path / "site")
    [table] = re.findall(r"<caption id=\"e2-1\">.*?</table>", page.read_text(encoding="utf-8"), re.S)
    assert "0.340 to 0.860" in table and "no memory" in table and "spearman_low" not in table
    assert read_page(page).text.count("0.340 to 0.860") == 1


def test_many_conditions_with_long_names_are_lines(fake_store: Make) -> None:
    [study] = block_of(learned(fake_store), "continual-learning").studies
    assert study.corner == "Condition"
    assert [heading.name for heading, _ in study.lines] == [GDUMB, REPLAY]
    names = [column.name for column in study.columns]
    lines = {heading.name: dict(zip(names, cells, strict=True)) for heading, cells in study.lines}
    assert mean(lines[REPLAY]["transfer"]) == 20.5
    assert lines[REPLAY]["memory_bytes"] is None and mean(lines[GDUMB]["memory_bytes"]) == 25700


def test_the_points_of_a_curve_stand_in_one_cell_in_their_order(fake_store: Make, tmp_path: Path) -> None:
    root = learned(fake_store)
    [study] = block_of(root, "continual-learning").studies
    at = [column.name for column in study.columns].index("after_step")
    found = study.lines[0][1][at]
    assert found is not None
    assert [point.interval.mean for point in found.cells] == [100.5 - step for step in range(1, 12)]
    text = page_of(root, tmp_path / "site").read_text(encoding="utf-8")
    assert "99.5 98.5 97.5" in text and "25\N{NARROW NO-BREAK SPACE}700<" in text


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"x", "x_low", "x_high"}, {"x_low": "x", "x_high": "x"}),
        ({"x_low", "y"}, {}),  # the end of nothing
        ({"y_1", "y_2"}, {"y_1": "y", "y_2": "y"}),
        ({"y_1", "y_3"}, {}),
        ({"y_1"}, {}),
        ({"y", "y_1", "y_2"}, {}),  # the line's name is taken
    ],
)
def test_parts_are_told_by_what_stands_beside_them(metrics: set[str], told: dict[str, str]) -> None:
    assert parts(metrics) == told


def test_a_table_that_would_be_half_empty_is_a_list(fake_store: Make, tmp_path: Path) -> None:
    store = fake_store("store")
    shared: dict[str, Any] = {"set": store.add_set(card_of("dm", 10, 0)), "ipc": 10, "evaluator": "label-disentangling"}
    for condition in ("set, hard", "none"):
        store.add_row(**shared, condition=condition)
    bad = {"metric": "effect", "value": None, "status": "failed", "condition": "hlr; the loss is no number"}
    store.add_row(**shared, **bad)
    root = store.write()
    block = block_of(root, "label-disentangling")
    assert block.studies == () and block.varying == ("condition", "metric")
    assert [score.first.condition for score in block.scores] == ["none", "set, hard", "hlr"]
    assert "the loss is no number" in read_page(page_of(root, tmp_path / "site")).text


def test_evaluators_that_vary_nothing_stand_first(fake_store: Make) -> None:
    store = fake_store("store")
    store.add_row(evaluator="augmentation", condition="dsa")
    store.add_row(evaluator="cross-architecture")
    assert [block.first.evaluator for block in blocks(rows(store.write()))] == ["cross-architecture", "augmentation"]


def test_parts_of_a_number_and_lone_conditions_get_no_page(fake_store: Make) -> None:
    def metrics(root: Path) -> list[str]:
        return sorted(grid.key.metric for grid in condition_grids(without_parts(rows(root)), {}))

    assert metrics(ranked(fake_store)) == ["cost", "spearman"]
    assert metrics(learned(lambda name: fake_store(f"{name}-2"))) == ["average", "final", "forgetting", "transfer"]
