"""The directory of a section: one shelf an evaluator, folded on the front page."""

from __future__ import annotations

from pathlib import Path

from leaderboard.boards import boards
from leaderboard.directory import shelves
from leaderboard.grids import condition_grids, transfer_grids
from leaderboard.site import build
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import FakeStore, card_of
from tests.leaderboard.reading import read_page

EVALUATORS = 12


def measured(root: Path) -> Path:
    """One set on two architectures, and under the conditions of many evaluators of three metrics each."""
    store = FakeStore(root)
    shared = {"set": store.add_set(card_of("dm", 10, 0)), "ipc": 10}
    for architecture in ("convnet", "mlp"):
        store.add_row(**shared, architecture=architecture)
    for number in range(EVALUATORS):
        for metric in ("accuracy", "log_loss", "ece"):
            for condition in ("none", "dsa"):
                store.add_row(**shared, evaluator=f"evaluator-{number:02}", metric=metric, condition=condition)
    return store.write()


def test_a_shelf_tells_its_pages_apart_and_no_more(tmp_path: Path) -> None:
    rows = rows_of(read([measured(tmp_path / "store")]).results)
    found = shelves(boards(rows, {}), [*transfer_grids(rows, {}), *condition_grids(rows, {})])
    labels = {shelf.evaluator: [link.label for link in shelf.links] for shelf in found}
    assert labels["cross-architecture"] == ["convnet", "mlp", "across architectures"]
    assert labels["evaluator-00"] == ["accuracy", "ece", "log loss"]
    assert len(labels) == 1 + EVALUATORS


def test_the_front_page_folds_all_but_the_evaluator_that_it_shows(tmp_path: Path) -> None:
    index = build([measured(tmp_path / "store")], tmp_path / "site").index
    before, folded = index.read_text(encoding="utf-8").split("<details>")
    assert before.count('href="board/') == 5  # the heading, the method, two architectures, and across them
    assert f"<summary>{EVALUATORS} more evaluators</summary>" in folded
    assert folded.count('href="board/') == 3 * EVALUATORS


def test_a_grid_leads_to_every_other_page_of_its_sets(tmp_path: Path) -> None:
    site = build([measured(tmp_path / "store")], tmp_path / "site").index.parent
    everything = {path.name for path in (site / "board").iterdir()}
    for path in (site / "board").iterdir():
        links = {Path(link.partition("#")[0]).name for link in read_page(path).links if "board/" in link}
        assert links == everything - {path.name}
