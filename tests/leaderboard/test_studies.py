"""Studies: metrics under conditions become one table on the page of a set, and no page for the end of an interval."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from leaderboard.grids import condition_grids
from leaderboard.site import build
from leaderboard.sources import read, rows_of
from leaderboard.studies import studies
from tests.leaderboard.conftest import FakeStore, card_of

Make = Callable[[str], FakeStore]
NUMBERS = {"spearman": 0.66, "spearman_low": 0.34, "spearman_high": 0.86, "cost": 7.5}


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


def test_metrics_stand_by_conditions_with_their_intervals_folded_in(fake_store: Make) -> None:
    (found,), rest = studies(rows_of(read([ranked(fake_store)]).results))
    assert [row.metric for row in rest] == ["accuracy"]
    assert found.conditions == ("subject", "herding", "random-real")
    lines = {line.metric: line.cells for line in found.lines}
    assert set(lines) == {"spearman", "cost", "ceiling"}
    subject, _, broken = lines["spearman"]
    assert subject is not None and (subject.cell.interval.mean, subject.low, subject.high) == (0.66, 0.34, 0.86)
    assert broken is not None and broken.low is None and broken.cell.reasons == (("error", "no memory"),)
    assert lines["ceiling"][1:] == (None, None)


def test_the_sets_page_shows_the_table_once(fake_store: Make, tmp_path: Path) -> None:
    build([ranked(fake_store)], tmp_path / "site")
    (page,) = (tmp_path / "site" / "entry").iterdir()
    (table,) = re.findall(r"<caption id=\"study-1\">.*?</table>", page.read_text(encoding="utf-8"), re.S)
    assert "0.34 to 0.86" in table and "no memory" in table and "spearman_low" not in table


def test_ends_of_intervals_and_lone_conditions_get_no_grid(fake_store: Make) -> None:
    source = read([ranked(fake_store)])
    grids = condition_grids(rows_of(source.results), source.cards)
    assert sorted(grid.key.metric for grid in grids) == ["cost", "spearman"]
