"""What a change does to the ranks: lines that came, went, moved, or have other numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

import leaderboard
from benchmark.errors import InvalidInput, UsageError
from leaderboard.diff import as_json, differences, load, told
from tests.leaderboard.conftest import FakeStore

MEANS = {"dm": 90.0, "herding": 80.0, "k-means": 70.0}


def store_of(root: Path, means: dict[str, float], recipe: str = "standard-v1-lite", version: int = 1) -> Path:
    store = FakeStore(root)
    for k, (method, mean) in enumerate(means.items()):
        for seed in range(3):
            shared = {"set": f"{k}" * 64, "method": method, "recipe": recipe, "version": version}
            store.add_row(**shared, seed=seed, value=mean + (seed - 1) / 10)
    return store.write()


def test_a_store_beside_itself_differs_in_nothing(tmp_path: Path) -> None:
    found = load(store_of(tmp_path / "store", MEANS))
    assert differences(found, found) == []
    assert told([]) == "no rank, mean or interval differs"


def test_lines_that_came_went_moved_and_changed_are_told_apart(tmp_path: Path) -> None:
    old = load(store_of(tmp_path / "old", MEANS | {"gone": 60.0}))
    new = load(store_of(tmp_path / "new", {"dm": 85.0, "herding": 95.0, "k-means": 70.5, "fresh": 50.0}))
    [board] = differences(old, new)
    kinds = {change.line.method: change.kind for change in board.lines}
    assert kinds == {"herding": "moved", "dm": "moved", "k-means": "changed", "fresh": "added", "gone": "removed"}
    text = told([board])
    assert "moved    dm" in text and "rank 1, 90.00 (89.75 to 90.25) -> rank 2, 85.00 (84.75 to 85.25)" in text
    assert text.endswith("1 boards differ; lines: 1 added, 1 removed, 2 moved, 1 changed")
    [stored] = as_json([board])
    [moved] = [line for line in stored["lines"] if line["method"] == "dm"]
    assert (moved["before"]["rank"], moved["after"]["rank"]) == (1, 2)


def test_a_site_keeps_the_ranks_that_it_was_built_with(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", MEANS)
    site = leaderboard.build([store], tmp_path / "site").index.parent
    assert load(site) == load(store)
    (site / "data" / "boards.json").write_text('{"format": 9}')
    with pytest.raises(InvalidInput, match="build that site again"):
        load(site)


def test_recipes_can_be_laid_beside_each_other(tmp_path: Path) -> None:
    old = load(store_of(tmp_path / "old", MEANS, "dc-2021"))
    new = load(store_of(tmp_path / "new", {"dm": 60.0, "herding": 80.0, "k-means": 70.0}, "standard-v1"))
    assert {board.kind for board in differences(old, new)} == {"added", "removed"}
    [board] = differences(old, new, ("dc-2021", "standard-v1"))
    assert {change.line.method: change.kind for change in board.lines} == dict.fromkeys(MEANS, "moved")


def test_the_newest_version_of_an_evaluator_stands_for_it(tmp_path: Path) -> None:
    old = load(store_of(tmp_path / "old", MEANS, version=1))
    new = load(store_of(tmp_path / "new", MEANS | {"dm": 91.0}, version=2))
    [board] = differences(old, new)
    assert [change.kind for change in board.lines] == ["changed"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a built site nor a store"):
        load(tmp_path)
