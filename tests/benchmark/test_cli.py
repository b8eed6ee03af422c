"""The command line: what its commands print and store when all goes well, and that its page names all of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from benchmark import cli, datasets, registry, results
from benchmark.cli import cli as group
from benchmark.durable import write_replacing
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SetMaker = Callable[..., SyntheticSet]
FolderMaker = Callable[..., Path]
Command = Callable[..., Any]
Listing = Callable[[Path], dict[str, str]]


def test_a_set_is_submitted_listed_and_known_again(command: Command, set_folder: FolderMaker, tmp_path: Path) -> None:
    folder, store = set_folder(title="Mine", distil_seed=4), tmp_path / "new" / "store"
    first = command("submit", folder, "--store", store)
    digest = first.out.strip()
    assert first.code == 0 and re.fullmatch(r"[0-9a-f]{64}", digest)
    assert first.err == f"stored. Next: distillbench evaluate {digest[:12]}\n"
    assert (store / "sets" / digest / "preview.png").exists()
    again = command("submit", folder, "--store", store, "--json")
    assert json.loads(again.out) == {"set": digest, "method": "by-hand", "bytes": 2570, "new": False}
    listed = json.loads(command("list", "set", "--store", store, "--json").out)
    assert listed == [
        {
            "set": digest[:12],
            "dataset": "digits",
            "method": "by-hand",
            "ipc": 1,
            "seed": 4,
            "space": "pixel",
            "labels": "hard",
        }
    ]
    assert digest[:12] in command("list", "set", "--store", store).out


def test_submitting_changes_nothing_of_the_contributor_s(
    command: Command, set_folder: FolderMaker, tmp_path: Path, listing: Listing
) -> None:
    folder = set_folder()
    (folder / "README").write_text("passed over")
    before = listing(folder)
    assert command("submit", folder, "--store", tmp_path / "store").code == 0
    assert listing(folder) == before


def test_a_digest_is_all_that_stdout_holds(command: Command, set_folder: FolderMaker, tmp_path: Path) -> None:
    assert len(command("submit", set_folder(), "--store", tmp_path / "store").out.splitlines()) == 1


@pytest.mark.parametrize("kind", [*registry.KINDS, "plan"])
def test_every_kind_is_listed_as_a_table_and_as_json(command: Command, tmp_path: Path, kind: str) -> None:
    rows = json.loads(command("list", kind, "--json", "--store", tmp_path / "store").out)
    assert rows and all(row["kind"] == kind and row["summary"] for row in rows)
    lines = command("list", kind, "--store", tmp_path / "store").out.splitlines()
    assert len(lines) == len(rows) + 1 and lines[0].startswith("kind")
    if kind == "dataset":
        assert next(row["digest"] for row in rows if row["name"] == "digits") == datasets.facts("digits").digest
    assert not (tmp_path / "store").exists()


def test_without_a_kind_all_plug_ins_are_listed(command: Command) -> None:
    rows = json.loads(command("list", "--json").out)
    assert {row["kind"] for row in rows} == set(registry.KINDS)


def test_a_set_that_cannot_be_read_does_not_hide_the_others(command: Command, place: Path, make_set: SetMaker) -> None:
    digest = Store(place).write_set(make_set())
    (place / "sets" / digest / "card.json").write_text("{")
    answer = command("list", "set", "--store", place)
    assert answer.code == 0
    assert "was-there" in answer.out and digest[:12] not in answer.out
    assert answer.err.startswith("E504 left out: ") and digest in answer.err


def test_scores_are_means_over_seeds_of_each_set(make_set: SetMaker, command: Command, tmp_path: Path) -> None:
    from benchmark._tables import score_rows

    known = {"dataset": "digits", "bytes": 650, "track": "hard", "evaluator": "cross-architecture", "version": 1}
    subject = {**known, "recipe": "standard-v1", "method": "m", "set": "a" * 64}
    rows = []
    for ipc, distil_seed in ((None, None), (1, 0), (1, 1)):
        for seed, value in ((0, 50.0), (1, 53.0)):
            score = results.Score("accuracy", value, "percent", True, "mlp", seed)
            rows.append(results.row({**subject, "ipc": ipc, "distil_seed": distil_seed}, score))
        failed = results.Score("accuracy", None, "percent", True, "mlp", 2, "nan", "failed")
        rows.append(results.row({**subject, "ipc": ipc, "distil_seed": distil_seed}, failed))
    found = score_rows(results.frame(rows), ["a" * 64])
    assert [(row["ipc"], row["distil_seed"]) for row in found] == [(1, 0), (1, 1), (None, None)]
    assert {(row["mean"], row["sd"], row["n"], row["set"]) for row in found} == {(51.5, 2.12, 2, "a" * 12)}
    assert score_rows(results.frame(rows), ["b" * 64]) == []
    json.dumps(found)


def test_a_quick_form_of_one_architecture_is_asked_for_by_name(command: Command, place: Path) -> None:
    digest = command("distill", "random-real", "--dataset", "digits", "--ipc", "1", "--store", place).out.strip()
    arguments = ["--evaluator", "calibration", "--architecture", "mlp", "--device", "cpu", "--json", "--store", place]
    scored = command("evaluate", digest, "--quick", *arguments)
    assert scored.code == 0, scored.err
    rows = json.loads(scored.out)
    bins = [row for row in rows if row["metric"].startswith("bin_")]
    assert len(bins) == 45 and {row["n"] for row in bins} == {1}, "of all seeds together"
    others = {(row["evaluator"], row["architecture"], row["n"]) for row in rows if row not in bins}
    assert others == {("calibration/quick", "mlp", 2)}
    shown = command("evaluate", digest, "--quick", *(one for one in arguments if one != "--json"))
    assert "ece_adaptive" in shown.out and "bin_" not in shown.out
    assert "45 points of curves are not shown; --json has them." in shown.err


def test_a_plan_makes_what_nothing_scores_and_a_dry_run_makes_nothing(command: Command, tmp_path: Path) -> None:
    plan, store = tmp_path / "mine.toml", tmp_path / "store"
    plan.write_text('[[make]]\ndataset = "digits"\nbaselines = ["class-mean", "random-real"]\nipc = 1\n')
    dry = command("evaluate", "--plan", plan, "--dry-run", "--json", "--device", "cpu", "--store", store)
    assert json.loads(dry.out)["n_sets"] == 2 and json.loads(dry.out)["n_blocks"] == 0
    assert not store.exists() or not list(store.rglob("*.*"))
    done = command("evaluate", "--plan", plan, "--device", "cpu", "--store", store)
    assert (done.code, done.out) == (0, "") and "made 2 sets" in done.err
    assert len(Store(store).set_digests()) == 2
    again = command("evaluate", "--plan", plan, "--device", "cpu", "--store", store)
    assert again.code == 0 and "made 0 sets" in again.err


# The page


def sections() -> dict[str, str]:
    """The text of docs/cli.md under each command's heading."""
    parts = re.split(r"^## `distillbench ([a-z ]+)`$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(within: click.Group = group, before: str = "") -> dict[str, click.Command]:
    """Every command by its words, those of a group after the group."""
    found: dict[str, click.Command] = {}
    for name, command in within.commands.items():
        found[before + name] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{before}{name} ")
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_documented_with_an_example(name: str) -> None:
    section = sections()[name]
    assert f"\ndistillbench {name}" in section.partition("```")[2], "no example"
    assert commands()[name].help and "Example" in str(commands()[name].help)
    for parameter in commands()[name].params:
        if isinstance(parameter, click.Option):
            text = PAGE if parameter.name in ("store", "plugins") else section
            assert f"`{parameter.opts[0]}" in text, f"{name} {parameter.opts[0]}"
            assert parameter.help


def test_no_command_or_option_is_documented_that_is_not_there() -> None:
    assert set(sections()) == set(commands())
    for name, section in sections().items():
        options = {option for parameter in commands()[name].params for option in parameter.opts}
        assert set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)) <= options


def test_the_documented_exit_codes_are_those_of_the_help() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([^|:]+)", PAGE, re.MULTILINE))
    assert set(rows) == {"0", "1", "2", "3", "4", "5", "6", "130", "141", "143"}
    assert set(re.findall(r"\d", cli.EXIT_CODES)) == {"0", "1", "2", "3", "4", "5", "6"}


# docs/submit.md


def test_the_script_of_the_docs_makes_a_set_that_is_submitted_scored_and_listed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "submit.md").read_text(encoding="utf-8")
    script = page.split("## Write the folder")[1].split("```python\n")[1].split("```")[0]
    assert len([line for line in script.splitlines() if line.strip()]) <= 20
    assert set(re.findall(r"^(?:import|from) (\w+)", script, re.MULTILINE)) == {"json", "numpy"}
    (tmp_path / "my-set").mkdir()
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

    store, site = tmp_path / "store", tmp_path / "site"
    digest = command("submit", tmp_path / "my-set", "--store", store).out.strip()
    scored = command("evaluate", digest[:12], "--architecture", "mlp", "--store", store, "--json", "--device", "cpu")
    assert scored.code == 0, scored.err
    (row,) = json.loads(scored.out)
    assert (row["method"], row["architecture"], row["n"]) == ("my-method", "mlp", 5)
    assert 0 < row["mean"] < 40, "noise teaches nothing"
    again = command("evaluate", digest[:12], "--architecture", "mlp", "--store", store, "--json", "--device", "cpu")
    assert again.out == scored.out and "trained 0 networks" in again.err
    listed = command("leaderboard", "--store", store, "--out", site)
    assert listed.code == 0 and "my-method" in listed.out, listed.err
    assert "my-method" in (site / "index.html").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    table = results.frame(json.loads(file.read_text())["rows"][0] for file in store.glob("results/*/*.json"))
    assert table["method"].tolist() == ["my-method"]


def test_the_store_can_be_named_by_the_environment(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, set_folder: FolderMaker
) -> None:
    monkeypatch.setenv("DISTILLBENCH_STORE", str(tmp_path / "named"))
    assert command("submit", set_folder()).code == 0
    assert len(Store(tmp_path / "named").set_digests()) == 1
    write_replacing(tmp_path / "named" / "FORMAT", b'{"format": 9}', tmp_path / "named" / "tmp")
    assert command("list", "set").code == 5
