"""`check` and the codes: no side effects, the same on every way in, each code explained once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import problems
from benchmark.errors import EnvironmentFault, InvalidInput, PolicyRefusal
from benchmark.problems import TABLE
from benchmark.refusals import Problem, refusal
from benchmark.store import FORMAT, Store
from benchmark.submission import check
from tests.benchmark.bad_inputs import IMAGES, LINE, fine, hashes, with_card, with_tensors

ROOT = Path(__file__).parents[2]
Command = Callable[..., Any]


def test_the_page_of_errors_is_the_table() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == problems.page()


def test_every_code_that_is_raised_is_in_the_table_and_every_one_of_the_table_is_documented() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "benchmark").rglob("*.py"))
    raised = set(re.findall(r'"(E[1-6]\d\d)"', sources))
    assert raised <= set(TABLE)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert re.findall(r'<a id="(e\d+)"></a>', page) == [code.lower() for code in TABLE] == sorted(map(str.lower, TABLE))
    for row in TABLE.values():
        assert row.title and row.cause.endswith(".") and row.fix and not row.fix.endswith(".")


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (["E101"], InvalidInput),
        (["E404", "E608"], InvalidInput),
        (["E608"], PolicyRefusal),
        (["E608", "E501"], PolicyRefusal),
        (["E502"], EnvironmentFault),
    ],
)
def test_the_code_decides_the_exit_code(codes: list[str], kind: type[Exception]) -> None:
    fault = refusal([Problem(code, "card.json", "wrong") for code in codes])
    assert type(fault) is kind and [problem.code for problem in fault.problems] == codes


def test_a_problem_is_one_printable_line_whatever_it_is_about() -> None:
    hostile = "\x1b[2J\n\u202e\ud800" * 100
    problem = Problem("E307", hostile, hostile, hostile, hostile, hostile, hostile)
    assert problem.line().isprintable()
    assert all(part.isprintable() for part in problem.to_json().values())
    plain = Problem("E202", "tensors.safetensors", "a wrong id", "labels", "10", "0 to 9")
    assert (
        plain.line()
        == "E202 tensors.safetensors:labels: a wrong id (got 10, limit 0 to 9). Fix: count class ids from 0."
    )


def test_checking_leaves_no_trace(command: Command, stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    before = hashes(tmp_path)
    answer = command("check", folder, "--store", stored)
    assert (
        answer.code == 0
        and "track    hard\n" in answer.out
        and "bytes    2,570 (images 2,560, labels 10)" in answer.out
    )
    assert answer.err == "nothing is wrong, and nothing was stored.\n"
    told = json.loads(command("check", folder, "--store", stored, "--json").out)
    assert told == {
        "set": check(folder).digest,
        "method": "by-hand",
        "dataset": "digits",
        "track": "hard",
        "bytes": 2570,
        "ledger": {"images": 2560, "labels": 10, "total": 2570},
        "problems": [],
    }
    assert command("check", folder / "card.json", "--store", stored).code == 0
    assert command("check", folder, "--store", tmp_path / "no" / "store").code == 0
    assert hashes(tmp_path) == before


def test_every_way_in_tells_the_same(command: Command, stored: Path, tmp_path: Path) -> None:
    folder, before = fine(tmp_path / "my-set"), hashes(stored)
    with_tensors(images=IMAGES * np.float32(np.nan), card={"title": "\x1b[2J"})(folder)
    with pytest.raises(InvalidInput) as caught:
        check(folder, Store(stored))
    lines = str(caught.value).splitlines()
    assert [LINE.fullmatch(line) is not None for line in lines] == [True, True]
    for verb in ("check", "submit"):
        answer = command(verb, folder, "--store", stored)
        assert (answer.code, answer.out, answer.err.splitlines()) == (3, "", lines)
        answer = command(verb, folder, "--store", stored, "--json")
        told = json.loads(answer.out)
        assert (answer.code, told["exit_code"], told["more"], answer.err) == (3, 3, 0, "")
        assert told["problems"] == [problem.to_json() for problem in caught.value.problems]
        assert set(told["problems"][0]) == {"code", "file", "field", "what", "got", "limit", "fix"}
    assert hashes(stored) == before


def test_a_refusal_by_the_rules_and_a_fault_of_the_machine_have_their_exit_codes(
    command: Command, stored: Path, tmp_path: Path
) -> None:
    folder = fine(tmp_path / "my-set")
    with_card(licence=...)(folder)
    assert command("check", folder, "--store", stored).code == 4
    (stored / "FORMAT").write_text(json.dumps({"format": FORMAT + 1}))
    answer = command("submit", folder, "--store", stored, "--json")
    assert answer.code == 5 and json.loads(answer.out)["problems"][0]["code"] == "E505"


def test_a_code_is_explained(command: Command, tmp_path: Path) -> None:
    for code in ("E207", "e207"):
        answer = command("check", "--explain", code)
        assert answer.code == 0 and answer.out.startswith("E207: numbers that do not fit the declared value space\n\n")
        assert "\n\nFix: declare in `space` what the numbers are.\n" in answer.out


def test_a_set_is_stored_under_the_method_it_had_before(command: Command, stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    first = json.loads(command("submit", folder, "--store", stored, "--json").out)
    again = json.loads(command("submit", folder, "--store", stored, "--json").out)
    assert first == {**again, "new": True} and again["new"] is False
