"""The command line: every bad input has its exit code, one clear line with the fix, and writes nothing."""

from __future__ import annotations

import errno
import json
import os
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
from benchmark.commands import listing
from benchmark.durable import write_replacing
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SetMaker = Callable[..., SyntheticSet]
FolderMaker = Callable[..., Path]
Command = Callable[..., Any]
Listing = Callable[[Path], dict[str, str]]


@pytest.fixture
def place(tmp_path: Path, make_set: SetMaker) -> Path:
    """A store with one set in it."""
    store = Store(tmp_path / "store")
    store.write_set(make_set(seed=7, method="was-there"))
    return store.root


# What works


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


# What does not


def refused(answer: Any, code: int, message: str) -> None:
    """Check code and message, and that nothing but one clear line came."""
    assert answer.code == code, answer.err
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


USAGE: list[tuple[list[str], str]] = [
    (["lst"], "No such command 'lst'"),
    (["list", "evaluators"], "unknown kind 'evaluators'. Did you mean 'evaluator'? Known: architecture, "),
    (["list", "--colour"], "No such option"),
    (["submit"], "Missing argument 'FOLDER'"),
    (["check"], "name a set folder or a file, or a code with --explain."),
    (["check", "x", "--explain", "E101"], "name a set folder or a file, or a code with --explain."),
    (["check", "--explain", "E999"], "unknown code 'E999'"),
    (["distill", "random-reel", "--dataset", "digits", "--ipc", "1"], "unknown baseline 'random-reel'. Did you mean"),
    (["distill", "random-real", "--dataset", "digit", "--ipc", "1"], "unknown dataset 'digit'. Did you mean 'digits'?"),
    (["distill", "random-real", "--dataset", "digits", "--ipc", "0"], "--ipc is 0; it must be at least 1."),
    (["distill", "random-real", "--dataset", "digits", "--ipc", "-3"], "--ipc is -3; it must be at least 1."),
    (["distill", "random-real", "--dataset", "digits", "--ipc", "one"], "'one' is not a valid integer"),
    (["distill", "random-real", "--dataset", "digits", "--bytes", "0"], "--bytes is 0; it must be at least 1."),
    (["distill", "random-real", "--dataset", "digits"], "Give --ipc or --bytes."),
    (["distill", "random-real", "--dataset", "digits", "--ipc", "1", "--bytes", "9"], "Give one of them."),
    (["distill", "random-real", "--dataset", "digits", "--ipc", "1", "--seed", "-1"], "--seed is -1; it must be 0"),
    (["distill", "random-real", "--ipc", "1"], "Missing option '--dataset'"),
    (["distill", "random-real", "--dataset", "gone.npz", "--ipc", "1"], "there is no such file or folder"),
    (["evaluate"], "name some sets, or a --plan"),
    (["evaluate", "SET", "--plan", "demo"], "name some sets, or a --plan"),
    (["evaluate", "SET", "--evaluator", "cros-architecture"], "unknown evaluator 'cros-architecture'. Did you mean"),
    (["evaluate", "SET", "--recipe", "standard-v9"], "unknown recipe 'standard-v9'. Did you mean 'standard-v1'?"),
    (["evaluate", "SET", "--architecture", "covnet"], "unknown architecture 'covnet'. Did you mean 'convnet'?"),
    (["evaluate", "SET", "--architecture", "convnet:deep=3"], "unknown option of architecture 'convnet' 'deep'"),
    (
        ["evaluate", "SET", "--architecture", "mlp", "--architecture", "lenet", "--evaluator", "augmentation"],
        "evaluator 'augmentation' works with one architecture. Give --architecture once.",
    ),
    (["evaluate", "--plan", "demo", "--quick"], "a plan says itself how its sets are scored"),
    (["evaluate", "--plan", "dmo"], "unknown plan 'dmo'. Did you mean 'demo'?"),
    (["evaluate", "--plan", "demo", "--recipe", "standard-v1"], "a plan says itself how its sets are scored"),
    (["evaluate", "SET", "--workers", "2", "--scheduler", "tcp://a:1"], "--scheduler is a cluster elsewhere. Give one"),
    (["evaluate", "SET", "--workers", "0"], "0 is not in the range x>=1"),
    (["leaderboard"], "the store holds no results yet. Run `distillbench demo`, or evaluate a set."),
    (["test", "evaluator", "none"], "unknown evaluator 'none'"),
    (["test", "evaluators", "none"], "unknown kind of plug-in 'evaluators'. Did you mean 'evaluator'?"),
    (["list", "--plugins", "gone"], "is not a folder"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_wrong_usage_is_2_and_names_the_fix(
    command: Command, place: Path, listing: Listing, arguments: list[str], message: str
) -> None:
    before = listing(place)
    (digest,) = Store(place).set_digests()
    arguments = [digest[:12] if argument == "SET" else argument for argument in arguments]
    options = [] if arguments[0] == "lst" else ["--store", str(place)]
    refused(command(*arguments, *options), 2, message)
    assert listing(place) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "0a1b2c3d"], "no set begins with '0a1b2c3d' in"),
        (["evaluate", "abc"], "'abc' is too short for a set. Give the first 4 digits"),
        (["evaluate", str(ROOT / "docs")], "is not a set of the store yet. Run `distillbench submit"),
    ],
)
def test_a_set_that_is_not_there_is_3(command: Command, place: Path, arguments: list[str], message: str) -> None:
    refused(command(*arguments, "--store", place), 3, message)


def test_a_damaged_set_is_3_when_it_is_scored(command: Command, place: Path) -> None:
    (digest,) = Store(place).set_digests()
    file = place / "sets" / digest / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    refused(command("evaluate", digest, "--architecture", "mlp", "--store", place), 3, "is damaged")


def test_a_broken_plug_in_is_3_with_its_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "evaluators").mkdir(parents=True)
    (tmp_path / "mine" / "evaluators" / "broken.py").write_text('"""Has no version."""\n')
    answer = command("list", "--plugins", tmp_path / "mine", "--store", tmp_path / "store")
    refused(answer, 3, "broken.py) needs a line `VERSION = 1`")
    assert not (tmp_path / "store").exists()


def test_a_newer_store_is_5_whatever_is_asked(command: Command, place: Path, set_folder: FolderMaker) -> None:
    (place / "FORMAT").write_text('{"format": 3}')
    for arguments in (["list", "set"], ["submit", str(set_folder())], ["evaluate", "abcd"], ["leaderboard"]):
        refused(command(*arguments, "--store", place), 5, "has format 3, this version knows 2. Fix: update")


def test_a_full_disk_is_5_and_leaves_the_store_as_it_was(
    command: Command, place: Path, set_folder: FolderMaker, listing: Listing
) -> None:
    folder, before = set_folder(), listing(place)

    def full(*arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("fsync", "write"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, name, full)
            refused(command("submit", folder, "--store", place), 5, "No space left on device. Fix: free some space")
        assert listing(place) == before
    assert command("submit", folder, "--store", place).code == 0


@pytest.mark.parametrize("place_of_store", ["a/file/below", "x" * 300])
def test_an_impossible_place_for_the_store_is_no_bug_of_ours(
    command: Command, tmp_path: Path, set_folder: FolderMaker, place_of_store: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    answer = command("submit", set_folder(), "--store", tmp_path / place_of_store)
    assert answer.code == 5 and "Traceback" not in answer.err and len(answer.err.splitlines()) == 1


def test_what_escapes_as_a_fault_of_the_machine_is_5(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*arguments: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", "/secret")

    monkeypatch.setattr(listing, "listing", unreadable)
    refused(command("list"), 5, "error: /secret: Permission denied. Fix: check the file or folder")


def test_our_own_bug_is_6_and_shows_where(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "listing", lambda *arguments: 1 / 0)
    answer = command("list")
    assert answer.code == 6
    assert "ZeroDivisionError" in answer.err
    assert answer.err.splitlines()[-1].startswith("error: this is a bug of DistillBench. Please report it")


def test_ctrl_c_is_130_and_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "listing", stopped)
    answer = command("list")
    assert answer.code == 130
    assert answer.err.strip() == "stopped. Run the same command again to go on."


def test_a_reader_that_leaves_is_141_without_noise(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "benchmark.cli", "list", "--store", str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


DIVERGES = '''"""Diverges."""

from dataclasses import dataclass

from benchmark.baseline import Baseline, Source
from benchmark.errors import TrainingDiverged

VERSION = 1


@dataclass(frozen=True)
class Diverges(Baseline):
    source = Source("None", "https://example.org", "None", "None")

    def distill(self, real, budget, run):
        raise TrainingDiverged("the loss is nan")
'''


def test_a_failed_cell_is_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine" / "baselines").mkdir(parents=True)
    (tmp_path / "mine" / "baselines" / "diverges.py").write_text(DIVERGES)
    arguments = ["distill", "diverges", "--dataset", "digits", "--ipc", "1", "--device", "cpu"]
    answer = command(*arguments, "--plugins", tmp_path / "mine", "--store", tmp_path / "store")
    assert (answer.code, answer.out) == (1, ""), answer.err
    assert "the loss is nan" in answer.err.splitlines()[-1]
    assert Store(tmp_path / "store").set_digests() == []


def test_a_plug_in_that_fails_its_contract_is_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes" / "lists.py").write_text(
        '"""Returns no dict."""\n\nVERSION = 1\n\n\ndef probe(measurement):\n    return [1]\n'
    )
    answer = command("test", "probe", "lists", "--plugins", tmp_path)
    assert answer.code == 1
    assert answer.out.splitlines()[0].startswith("ok    Has a one-line summary")
    assert answer.out.splitlines()[1].startswith(
        "FAIL  Returns plain values and arrays that can be stored, the same ones each time"
    )
    assert answer.err == "1 checks failed.\n"


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


def test_a_leaderboard_without_results_leaves_the_store_alone(command: Command, tmp_path: Path) -> None:
    assert command("leaderboard", "--store", tmp_path / "store", "--out", tmp_path / "site").code == 2
    assert not (tmp_path / "store").exists() and not (tmp_path / "site").exists()


def test_the_store_can_be_named_by_the_environment(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, set_folder: FolderMaker
) -> None:
    monkeypatch.setenv("DISTILLBENCH_STORE", str(tmp_path / "named"))
    assert command("submit", set_folder()).code == 0
    assert len(Store(tmp_path / "named").set_digests()) == 1
    write_replacing(tmp_path / "named" / "FORMAT", b'{"format": 9}', tmp_path / "named" / "tmp")
    assert command("list", "set").code == 5
