"""Published tables: read strictly, judged by the rule that was fixed before, run on digits, written to a page."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.errors import InvalidInput, UsageError
from benchmark.reproduce import measure, page, record, tables
from benchmark.reproduce.tables import Number
from benchmark.reproduce.verdict import BLUNT, judge, our_error

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT.parent / "shared" / "data" / "published_results.csv"
Command = Callable[..., Any]


def number(value: float = 50.0, sd: float | None = 2.0, **more: Any) -> Number:
    return Number(value, "a table", "primary", sd, **more)


# The rule


def test_within_two_combined_standard_errors_is_reproduced() -> None:
    """Ours: sets at 50, 51, 52, so 51 with a standard error of 1/√3; published 2/√5; combined √(1/3 + 4/5) = 1.0646."""
    ours = [[50.0], [51.0], [52.0]]
    found = judge(ours, number(51 + 2 * 1.0646 - 0.01))
    assert found.word == "reproduced"
    assert found.error == pytest.approx(math.sqrt(1 / 3 + 4 / 5)) and found.difference == pytest.approx(-2.1192)
    lower, higher = judge(ours, number(51 + 2 * 1.0646 + 0.01)), judge(ours, number(51 - 2 * 1.0646 - 0.01))
    assert (lower.word, lower.reason) == ("not reproduced", "ours is lower")
    assert (higher.word, higher.reason) == ("not reproduced", "ours is higher")


def test_sets_are_the_unit_however_many_networks_each_has() -> None:
    """Two sets at 40 and 42, five networks each: standard error 1 (√2 / √2), not that of ten networks."""
    ours = [[38.0, 39.0, 40.0, 41.0, 42.0], [40.0, 41.0, 42.0, 43.0, 44.0]]
    assert our_error(ours, number()) == pytest.approx(1.0)


def test_a_source_without_n_has_five_and_one_with_n_has_its_own() -> None:
    assert judge([[50.0], [50.0]], number(sd=1.0)).error == pytest.approx(1 / math.sqrt(5))
    assert judge([[50.0], [50.0]], number(sd=1.0, n=4)).error == pytest.approx(0.5)


def test_of_one_set_the_published_spread_or_that_of_its_networks_counts() -> None:
    alone = [[49.0, 51.0]]  # standard error √2 / √2 = 1
    assert our_error(alone, number(sd=0.4)) == pytest.approx(1.0)
    assert our_error(alone, number(sd=1.3)) == pytest.approx(1.3)
    assert our_error(alone, number(sd=None)) == pytest.approx(1.0)
    assert our_error([[50.0]], number(sd=None)) is None
    assert judge([[50.0]], number(sd=None)).word == "not comparable"


def test_a_number_off_a_figure_has_its_tolerance() -> None:
    same = [[50.0], [50.0]]
    assert judge(same, number(50.6, sd=None)).word == "not reproduced"
    assert judge(same, number(50.6, sd=None, tolerance=0.7)).word == "reproduced"
    assert judge(same, number(50.8, sd=None, tolerance=0.7)).word == "not reproduced"


def test_what_cannot_be_told_is_not_comparable() -> None:
    wide = [[40.0], [50.0], [60.0]]
    blunt = judge(wide, number())
    assert blunt.word == "not comparable" and "too few sets to tell" in blunt.reason and (blunt.error or 0) > BLUNT
    told = judge([[50.0], [51.0]], number(not_comparable="a maximum over recipes"))
    assert (told.word, told.reason) == ("not comparable", "a maximum over recipes")
    assert told.difference == pytest.approx(0.5)
    assert judge([[50.0]], number(), n_failed=1).reason == "1 of our trainings failed"
    assert judge([], number()).word == "not run"


# Tables


@pytest.mark.parametrize("name", tables.names())
def test_every_table_is_whole(name: str) -> None:
    table = tables.load(name)
    assert table.summary and table.note
    for cell in table.cells:
        assert all(one.source and one.tier in tables.TIERS for one in cell.published)
        assert cell.cost, f"{name}/{cell.name} does not say what it takes"
        if not cell.problem():
            assert len(cell.cells()) == cell.n_sets == len(cell.made())


METHODS = {"random-real": "Random", "herding": "Herding", "k-center": "K-Center", "datadam": "DataDAM"}
DATASETS = {"cifar10": "CIFAR10", "fashion-mnist": "FashionMNIST", "mnist": "MNIST", "svhn": "SVHN"}


def test_every_number_stands_in_the_publications() -> None:
    if not PUBLISHED.is_file():
        pytest.skip("the published numbers are not beside this checkout (../shared/data)")
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        known = [row for row in csv.DictReader(file) if row["eval_arch"] == "ConvNetD3"]
    keys = [(row["method"].split(" (")[0], row["dataset"], row["ipc"], row["value"], row["std"]) for row in known]
    seen: set[Any] = {(m, d, ipc, float(value), None) for m, d, ipc, value, _ in keys if _is_number(value)}
    seen |= {(m, d, ipc, float(value), float(sd)) for m, d, ipc, value, sd in keys if _is_number(value) and sd}
    for table in map(tables.load, tables.names()):
        for cell in table.cells:
            method = METHODS.get(cell.baseline, cell.baseline.upper())
            for one in cell.published:
                key = (method, DATASETS[cell.dataset], str(cell.ipc), one.value, one.sd)
                assert key in seen, f"{table.name}/{cell.name}: {key}"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


CELL = """
[[cell]]
name = "digits-1"
baseline = "random-real"
dataset = "digits"
ipc = 1
recipe = "standard-v1-lite"
architecture = "mlp"
n_sets = 2
paired = true
[[cell.published]]
value = 60.0
sd = 20.0
n = 400
source = "by hand"
tier = "primary"
"""


def read(tmp_path: Path, text: str) -> tables.Table:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return tables.read(file)


def test_a_paired_cell_has_one_network_a_set_and_another_all_seeds(tmp_path: Path) -> None:
    paired = read(tmp_path, CELL).cells[0]
    assert [cell.seeds for cell in paired.cells()] == [(0,), (1,)]
    plain = read(tmp_path, CELL.replace("paired = true", "")).cells[0]
    assert [cell.seeds for cell in plain.cells()] == [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4)]
    assert plain.request != paired.request


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ipc = 1", "ipc = 0", "ipc = 0 and n_sets = 2 must be 1 or more"),
        ("ipc = 1", "ipc = '1'", "ipc is '1'; it must be of type int"),
        ("ipc = 1", "", "field 'ipc' is missing"),
        ("ipc = 1", "ipk = 1", "unknown field 'ipk'. Did you mean 'ipc'"),
        ("standard-v1-lite", "standard-v9", "unknown recipe 'standard-v9'"),
        ("sd = 20.0", "sd = 0.0", "sd is 0.0; it must be above 0"),
        ('"primary"', '"hearsay"', "unknown tier 'hearsay'"),
        ("value = 60.0", "", "field 'value' is missing"),
        ("[[cell.published]]", "[[cell.printed]]", "unknown field 'printed'"),
    ],
)
def test_a_broken_table_names_the_cell_and_the_field(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises((InvalidInput, UsageError), match=rf"mine.toml: cell 'digits-1': .*{problem}|no .*number"):
        read(tmp_path, CELL.replace(old, new))


def test_a_table_has_cells_of_different_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cell 'digits-1' stands there twice"):
        read(tmp_path, CELL + CELL)
    with pytest.raises(InvalidInput, match=r"there is no \[\[cell\]\]"):
        read(tmp_path, "summary = 'none'")


def test_a_table_may_name_a_baseline_that_is_not_here(tmp_path: Path) -> None:
    table = read(tmp_path, CELL.replace("random-real", "magic"))
    assert table.cells[0].problem() == "there is no baseline 'magic' here"
    herding = read(tmp_path, CELL.replace('"random-real"', '"herding"\npreset = "huge"'))
    assert herding.cells[0].problem() == "baseline 'herding' has no preset 'huge' here"


# The command and its page


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only table is `mine`, of one cell."""
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "mine.toml").write_text(f'summary = "Mine"\nnote = "By hand."\n{CELL}', encoding="utf-8")
    monkeypatch.setattr(tables, "TABLES", folder)


@pytest.mark.usefixtures("mine")
def test_a_table_is_run_judged_written_and_not_run_again(tmp_path: Path, command: Command) -> None:
    common = ("--store", tmp_path / "store", "--out", tmp_path / "docs", "--json")
    dry = command("reproduce", "mine", "--dry-run", *common)
    assert json.loads(dry.out)["n_sets"] == 2 and json.loads(dry.out)["n_blocks"] == 2
    (before,) = json.loads(command("reproduce", "mine", "--stored", *common).out)
    assert before["verdict"] == "not run" and before["ours"] is None
    (row,) = json.loads(command("reproduce", "mine", "--write", *common).out)
    assert row["cell"] == "digits-1" and row["published"] == 60.0
    values = record.read(tmp_path / "docs" / page.RECORD)["mine/digits-1"].values
    assert [len(of_set) for of_set in values] == [1, 1]
    assert row["ours"] == pytest.approx(sum(v for (v,) in values) / 2, abs=0.01)
    error = math.sqrt((values[0][0] - values[1][0]) ** 2 / 4 + 1)
    assert row["standard_error"] == pytest.approx(error, abs=0.01)
    text = (tmp_path / "docs" / "reproduction.md").read_text(encoding="utf-8")
    assert f"| {row['difference']:+.1f} | {row['standard_error']:.2f} | " in text
    again = json.loads(command("reproduce", "mine", "--dry-run", *common).out)
    assert again["n_blocks"] == 0 and again["n_stored"] == 2
    (listed,) = json.loads(command("reproduce", *common).out)
    assert listed["table"] == "mine" and listed[row["verdict"]] == 1


@pytest.mark.usefixtures("mine")
def test_what_another_run_wrote_meanwhile_is_kept(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "docs" / page.RECORD
    other = record.Measured("x", ((60.0,),), 0, ("a",), (), 0, 0, "2")
    carry_out = measure.carry_out

    def slow(*arguments: Any) -> None:
        record.write(file, {"theirs/digits-1": other})
        carry_out(*arguments)

    monkeypatch.setattr(measure, "carry_out", slow)
    assert command("reproduce", "mine", "--write", "--store", tmp_path / "store", "--out", tmp_path / "docs").code == 0
    assert set(record.read(file)) == {"mine/digits-1", "theirs/digits-1"}


def test_what_was_measured_under_another_request_is_not_run(tmp_path: Path) -> None:
    table = read(tmp_path, CELL)
    kept = {"mine/digits-1": record.Measured(table.cells[0].request, ((60.0,), (61.0,)), 0, ("a", "b"), (), 0, 0, "2")}
    assert [judged.word for *_, judged in page.compared(table, kept)] == ["reproduced"]
    other = read(tmp_path, CELL.replace("n_sets = 2", "n_sets = 3"))
    assert [judged.word for *_, judged in page.compared(other, kept)] == ["not run"]


def test_a_record_survives_its_file_and_a_damaged_one_is_invalid(tmp_path: Path) -> None:
    kept = {"a/b": record.Measured("x", ((60.0, 61.0), (61.5,)), 1, ("a", "b"), ("cpu",), 1.5, 2.5, "2.15.0")}
    file = tmp_path / "evidence" / "record.json"
    record.write(file, kept)
    assert record.read(file) == kept
    file.write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(InvalidInput, match="no record of reproduced tables"):
        record.read(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("reproduce", "select"), "unknown table 'select'. Did you mean 'selection'"),
        (("reproduce", "selection", "--cell", "random"), "unknown cell of table 'selection' 'random'"),
        (("reproduce", "--dry-run"), "which table?"),
    ],
)
def test_wrong_usage_is_2(command: Command, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    answer = command(*arguments, "--store", tmp_path)
    assert answer.code == 2 and message in answer.err


def test_the_committed_page_follows_from_the_committed_record() -> None:
    found = record.read(ROOT / "docs" / page.RECORD)
    told = (ROOT / "docs" / page.PAGE).read_text(encoding="utf-8")
    assert page.render([tables.load(name) for name in tables.names()], found) == told, (
        "run `distillbench reproduce --write`"
    )


def test_every_cell_of_the_record_is_of_a_table() -> None:
    known = {f"{name}/{cell.name}" for name in tables.names() for cell in tables.load(name).cells}
    assert set(record.read(ROOT / "docs" / page.RECORD)) <= known
    assert {cell.recipe for name in tables.names() for cell in tables.load(name).cells} <= set(registry.names("recipe"))
