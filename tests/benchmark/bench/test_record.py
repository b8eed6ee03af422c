"""The record and the page that follows from it, on numbers whose means are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.bench import figure, page, record
from benchmark.bench.cells import known
from benchmark.engine.backends import STUDIED, rules
from benchmark.engine.way import REVISION
from benchmark.errors import InvalidInput, UsageError

ROOT = Path(__file__).resolve().parents[3]
Made = Callable[..., record.Measured]


def test_a_ratio_is_the_sum_over_seeds_over_the_mean_of_ours(measured: Made) -> None:
    found = measured()
    assert found.seconds("reference").mean == 170.0  # 30 + 32 + 34 + 36 + 38
    assert found.seconds("reference").sd == pytest.approx(10**0.5)  # of one seed
    assert found.seconds("ours").mean == 13.0
    assert found.ratio == pytest.approx(170 / 13)
    assert found.ratios == (5 * 34 / 17, 5 * 30 / 10)  # neighbours: 150/10, 160/12, 170/17, 180/17, 190/17
    fewer = replace(found, warm=found.warm[:1])
    assert fewer.ratios == (5 * 30 / 10, 5 * 38 / 10)
    assert found.cold_ratio == 170 / 40


def test_the_share_of_the_floor_is_operations_over_rate_and_time(measured: Made) -> None:
    found = measured()
    assert found.rate == 1e12
    assert found.floor_seconds("train") == 3.0  # five seeds of 0.6 T
    assert found.share("ours", "train") == 3.0 / 6.0
    assert found.share("reference", "train") == pytest.approx(3.0 / (5 * 22.0))
    assert found.share("ours", "test") == pytest.approx(0.005 / 3)


def test_a_record_is_read_as_it_was_written(measured: Made, tmp_path: Path) -> None:
    file = tmp_path / "evidence" / "performance.json"
    assert record.read(file) == {}
    record.merge(file, measured("digits-1"))
    assert record.merge(file, measured()) == {"digits-1": measured("digits-1"), "cifar10-1": measured()}
    assert record.read(file) == {"digits-1": measured("digits-1"), "cifar10-1": measured()}


def test_a_cell_that_is_measured_again_takes_the_place_of_the_older(measured: Made, tmp_path: Path) -> None:
    record.merge(tmp_path / "x.json", measured())
    newer = record.Measured.from_json({**measured().to_json(), "measured": "2027-01-01"})
    assert record.merge(tmp_path / "x.json", newer) == {"cifar10-1": newer}


def test_shortened_schedules_never_stand_beside_full_ones(measured: Made, tmp_path: Path) -> None:
    record.merge(tmp_path / "x.json", measured())
    with pytest.raises(UsageError, match=r"holds full schedules, and this run has schedules cut to 1/30.*--out"):
        record.merge(tmp_path / "x.json", measured("digits-1", cut=30))
    assert list(record.read(tmp_path / "x.json")) == ["cifar10-1"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 1}', '{"format": 9, "cells": {}}', '{"format": 1, "cells": {"a": {}}}']
)
def test_what_is_no_record_is_refused_with_the_fix(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"Fix|again"):
        record.read(tmp_path / "x.json")


def test_the_page_has_each_number_once_with_its_spread(measured: Made) -> None:
    text = page.render({"cifar10-1": measured()}, known().values())
    (row,) = [line for line in text.splitlines() if line.startswith("| CIFAR-10, 1 per class, ConvNet-D3, 5 seeds")]
    assert "170.00 (5; 34.00 ± 3.16 a seed)" in row
    assert "13.00 ± 3.61 (3)" in row  # of 10, 12, 17
    assert "**13.1** (10.0 to 15.0) | 12, met | 40.00 | 4.2 |" in row
    assert (
        "| 50.0 % (22, met) | 0.2 % (45, missed) |" in text and "2.7 %" in text
    )  # of the floor; the reference in training
    assert "17.00 ± 1.58 (5) | 17.05 ± 1.66 (5) | 0.25 points" in text
    assert "load up to 0.5" in text
    assert "cut" not in text.lower().split("## cpu")[1]


def test_the_page_says_what_was_not_run_and_which_command_would(measured: Made) -> None:
    rest = page.render({"cifar10-1": measured()}, known().values()).partition("## Not run yet")[2]
    assert "On a CPU; `distillbench bench --device cpu --cell cifar10-10 --cell" in rest
    assert "--cell cifar10-50-dsa-gpu` produces them, and tunes the engine for it first" in rest
    assert "| dsa-2021, precision auto, 5 seeds |" in rest
    assert "`cifar10-50-dsa-gpu`" in rest and "`cifar10-1`" not in rest
    everything = {name: measured(name) for name in known()}
    assert "Not run yet" not in page.render(everything, known().values())


def test_a_bar_that_is_missed_is_called_so_and_shortened_ones_are_not_judged(measured: Made) -> None:
    assert "12, met" in page.render({"cifar10-1": measured()}, known().values())
    assert "| 40.00 | 4.2 |" in page.render({"cifar10-1": measured()}, known().values())
    for cold, verdict in ((40.0, "4.2, met"), (340.0, "0.5, missed")):  # 170 s by the tidy loop
        cell = measured("digits-1")
        text = page.render({"digits-1": replace(cell, cold={**cell.cold, "seconds": cold})}, known().values())
        assert f"| {cold:.2f} | {verdict} |" in text
    assert "14, missed" in page.render({"cifar10-1": measured(bar=14)}, known().values())
    quick = page.render({"cifar10-1": measured(cut=30)}, known().values())
    assert "met" not in quick.partition("| bar |")[2].partition("###")[0]
    assert "They are no measurement" in quick


def test_the_page_tells_where_bfloat16_holds() -> None:
    row = {"float32": 70.0, "bfloat16": 70.25, "difference": 0.25, "low": -0.1, "high": 0.6, "n": 40}
    study = {
        "value": {"digits mlp at 1": row},
        "n": "seeds, paired",
        "spread": "points",
        "details": {"held": {"digits mlp at 1": False}, "epochs": 300},
        "device": "a CPU",
        "versions": {"torch": "2.15.0"},
    }
    line = "| digits mlp at 1 | 300 | 70.00 | 70.25 | +0.25 | -0.10 to +0.60 | 40 | no |"
    text = page.render({}, known().values(), {page.PRECISION[0]: study})
    assert line in text and page.PRECISION[1] not in text
    details = {"held": {"cifar10 larger at 1": True}, "epochs": 60}
    larger = {**study, "value": {"cifar10 larger at 1": row}, "details": details}
    both = page.render({}, known().values(), {page.PRECISION[0]: study, page.PRECISION[1]: larger})
    assert line in both and "| cifar10 larger at 1 | 60 | 70.00 |" in both and f"({page.PRECISION[1]})" in both


def test_what_runs_in_bfloat16_was_studied_and_held() -> None:
    held: dict[str, list[bool]] = {}
    for file in (ROOT / "docs" / name for name in page.PRECISION):
        study = json.loads(file.read_text("utf-8"))["details"] if file.exists() else {"held": {}}
        for cell, found in study["held"].items():
            assert study["revision"] == REVISION["compiled"], f"{file} is of an engine that computed otherwise"
            held.setdefault(cell.split()[1], []).append(found)
    assert set(STUDIED) <= {name for name, found in held.items() if all(found)}
    assert {rule.architecture for rule in rules() if rule.precision == "bfloat16"} <= set(STUDIED)


def test_the_page_tells_how_the_reference_was_checked(measured: Made) -> None:
    row = {"theirs": 0.2, "ours": 0.22, "ratio": 1.1, "low": 1.05, "high": 1.2}
    check = {
        "value": {"CIFAR-10: training": row},
        "n": "5 repeats",
        "details": {"test images": 2000},
        "device": "A CPU",
        "versions": {"torch": "2.15.0"},
    }
    text = page.render({}, known().values(), {page.REFERENCE_CHECK: check})
    assert "| CIFAR-10: training | 0.2000 | 0.2200 | 1.10 (1.05 to 1.20) |" in text
    assert "fair one" not in page.render({}, known().values())


def test_the_figure_shows_both_and_is_the_same_each_time(measured: Made) -> None:
    cells = [measured(), measured("cifar10-1-dsa-gpu")]
    svg = figure.draw(cells)
    assert svg == figure.draw(cells)
    assert svg.startswith("<svg ") and "170 s" in svg and "13 s, 13.1 x" in svg
    assert "(GPU)" in svg and "<!DOCTYPE" not in svg
    slow = replace(measured(), reference=tuple({**run, "seconds": 290.0} for run in measured().reference))
    assert "1,450 s" in figure.draw([slow])


def test_the_page_tells_how_fast_the_baselines_are_beside_their_authors_code() -> None:
    rounds = {"public": [9.0, 10.0, 12.0], "ours": [2.0, 2.5, 3.0]}
    row = {"public": 10.0, "ours": 2.5, "times as fast": 4.0, "bar": 3.0, "rounds": rounds}
    check = {
        "value": {"dm": row, "dc": {**row, "times as fast": 1.5}, "compiled against plain": {"dm": 0.1}},
        "n": "3 interleaved steps of each",
        "device": "A CPU",
        "details": {"threads": 2, "public code": "somebody/something 0123abc"},
        "versions": {"torch": "2.15.0"},
    }
    text = page.render({}, [], {page.BASELINES: check})
    assert "somebody/something 0123abc" in text
    assert "| `dm` | 10.00 (9.00 to 12.00) | 2.50 (2.00 to 3.00) | **4.0** | 3, met |" in text
    assert "**1.5** | 3, missed |" in text and "compiled against plain" not in text


def test_the_committed_page_follows_from_the_committed_record() -> None:
    docs = ROOT / "docs"
    checks = {name: json.loads((docs / name).read_text("utf-8")) for name in page.CHECKS if (docs / name).exists()}
    cells = record.read(docs / page.RECORD)
    assert (docs / "performance.md").read_text(encoding="utf-8") == page.render(cells, known().values(), checks), (
        "write the page again: distillbench bench --page"
    )
    assert all(cell.cell.cut == 1 for cell in cells.values())
    assert not cells or (docs / page.FIGURE).exists()
