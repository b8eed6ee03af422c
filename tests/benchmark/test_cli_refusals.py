"""The command line: every bad input has its exit code, one clear line with the fix, and writes nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.commands import listing
from benchmark.store import Store

ROOT = Path(__file__).parents[2]
FolderMaker = Callable[..., Path]
Command = Callable[..., Any]
Listing = Callable[[Path], dict[str, str]]


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


def test_a_leaderboard_without_results_leaves_the_store_alone(command: Command, tmp_path: Path) -> None:
    assert command("leaderboard", "--store", tmp_path / "store", "--out", tmp_path / "site").code == 2
    assert not (tmp_path / "store").exists() and not (tmp_path / "site").exists()
