"""A branch may add one set folder and nothing else; what its run leaves is text of a stranger."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.contribution import changes, comment
from benchmark.errors import InvalidInput, PolicyRefusal, UsageError
from benchmark.submission import read_set_folder

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
FolderMaker = Callable[..., Path]
Command = Callable[..., Any]
HERE = f"{changes.PLACE}/mine"
URL = "https://github.com/someone/distillbench/actions/runs/123"


class Branch:
    """A repository with a base, and a branch on which a test does what a contributor might."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("README.md", b"base")
        self.write(f"{changes.PLACE}/there/card.json", b"{}")
        self.commit()
        self.git("switch", "-q", "-c", "mine")

    def git(self, *arguments: str) -> None:
        settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
        command = ["git", "-C", str(self.root), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **settings})

    def write(self, path: str, content: bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def add_set(self, folder: Path, name: str = "mine") -> None:
        for file in folder.iterdir():
            self.write(f"{changes.PLACE}/{name}/{file.name}", file.read_bytes())

    def folder(self) -> str:
        self.commit()
        return changes.added_folder(changes.changes(self.root, "main", "HEAD"))


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    return Branch(tmp_path / "repository")


def test_one_set_folder_is_taken_and_written_out(
    branch: Branch, set_folder: FolderMaker, command: Command, tmp_path: Path
) -> None:
    folder = set_folder()
    branch.add_set(folder)
    branch.commit()
    branch.git("switch", "-q", "main")
    branch.write("later.txt", b"the base went on meanwhile")
    branch.commit()
    place = ("--repository", branch.root, "--base", "main", "--head", "mine", "--store", tmp_path / "store")
    answer = command("contribution", *place, "--out", tmp_path / "out")
    digest = read_set_folder(folder).digest
    assert (answer.code, answer.out.strip()) == (0, digest)
    assert answer.err == "artifacts/submissions/mine: fine, 2,570 bytes, by-hand.\n"
    assert read_set_folder(tmp_path / "out").digest == digest
    assert command("contribution", *place, "--out", tmp_path / "out").code == 2, "it is there already"


def test_a_set_that_breaks_its_format_or_bears_our_name_is_refused(
    branch: Branch, set_folder: FolderMaker, command: Command, tmp_path: Path
) -> None:
    options = ("--repository", branch.root, "--base", "main", "--store", tmp_path / "store")
    branch.add_set(set_folder("ours", method="dm"))
    branch.commit()
    assert command("contribution", *options).code == 4
    branch.add_set(set_folder("broken", ipc=3))
    branch.commit()
    answer = command("contribution", *options, "--out", tmp_path / "out")
    assert answer.code == 3 and "the card says 3 images per class" in answer.err
    assert not (tmp_path / "out").exists() and not (tmp_path / "store").exists()


def test_changes_outside_the_folder_are_refused(branch: Branch, set_folder: FolderMaker) -> None:
    branch.add_set(set_folder())
    branch.write("benchmark/engine.py", b"print()")
    branch.write("README.md", b"changed")
    with pytest.raises(
        PolicyRefusal, match=r"also changes 'README.md', 'benchmark/engine.py'\. Fix: a branch of its own"
    ):
        branch.folder()


@pytest.mark.parametrize("path", [f"{changes.PLACE}/card.json", "artifacts/submissions-2/mine/card.json"])
def test_a_file_beside_the_folders_is_outside(branch: Branch, set_folder: FolderMaker, path: str) -> None:
    branch.add_set(set_folder())
    branch.write(path, b"{}")
    with pytest.raises(PolicyRefusal, match="and nothing else"):
        branch.folder()


def test_several_folders_are_refused(branch: Branch, set_folder: FolderMaker) -> None:
    branch.add_set(set_folder())
    branch.add_set(set_folder("other"), "other")
    with pytest.raises(PolicyRefusal, match="one set a pull request; this branch has 'mine', 'other'"):
        branch.folder()


def test_a_folder_that_is_there_is_never_changed(branch: Branch) -> None:
    branch.write(f"{changes.PLACE}/there/card.json", b'{"format": 1}')
    branch.write(f"{changes.PLACE}/there/tensors.safetensors", b"")
    with pytest.raises(InvalidInput, match=r"'card.json' is there already\. Sets are never changed"):
        branch.folder()
    branch.git("rm", "-q", "-rf", f"{changes.PLACE}/there")
    with pytest.raises(InvalidInput, match="Sets are never changed"):
        branch.folder()


def test_links_executables_and_other_files_are_refused_together(branch: Branch, set_folder: FolderMaker) -> None:
    branch.add_set(set_folder())
    (branch.root / HERE / "card.json").unlink()
    (branch.root / HERE / "card.json").symlink_to("/etc/passwd")
    (branch.root / HERE / "tensors.safetensors").chmod(0o755)
    branch.write(f"{HERE}/deeper/\u202e\n.sh", b"true")
    with pytest.raises(InvalidInput) as refused:
        branch.folder()
    assert str(refused.value).splitlines() == [
        "'card.json' is a symbolic link. Fix: add a plain file.",
        r"'deeper/\u202e\n.sh' does not belong there; a set is card.json and tensors.safetensors. Fix: remove it.",
        "'tensors.safetensors' is executable. Fix: add a plain file.",
    ]


def test_a_folder_that_is_a_link_or_a_submodule_is_refused(branch: Branch, tmp_path: Path) -> None:
    (branch.root / HERE).symlink_to("/etc")
    with pytest.raises(PolicyRefusal, match="and nothing else"):
        branch.folder()
    (branch.root / HERE).unlink()
    branch.commit()
    other = Branch(tmp_path / "other")
    branch.git("submodule", "add", "-q", str(other.root), f"{HERE}/card.json")
    branch.git("rm", "-q", "--cached", ".gitmodules")
    (branch.root / ".gitmodules").unlink()
    branch.git("commit", "-q", "-m", "x")
    with pytest.raises(InvalidInput, match=r"'card\.json' is a submodule"):
        changes.added_folder(changes.changes(branch.root, "main", "HEAD"))


@pytest.mark.parametrize("name", ["Mine", "mine.", "a b", "-x", "é", "x" * 65])
def test_a_strange_name_is_refused(branch: Branch, set_folder: FolderMaker, name: str) -> None:
    branch.add_set(set_folder(), name)
    with pytest.raises(InvalidInput, match="the folder's name is"):
        branch.folder()


def test_a_file_that_is_missing_or_too_large_is_refused(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    branch.write(f"{HERE}/card.json", b" " * 70_000)
    with pytest.raises(InvalidInput, match=r"tensors\.safetensors is missing"):
        branch.folder()
    branch.write(f"{HERE}/tensors.safetensors", b"0")
    branch.folder()
    with pytest.raises(InvalidInput, match=r"card.json has 70,000 bytes; a pull request takes 65,536"):
        changes.extract(branch.root, changes.changes(branch.root, "main", "HEAD"), tmp_path)


def test_no_change_and_an_unknown_branch_are_told(branch: Branch) -> None:
    with pytest.raises(UsageError, match="the branch changes nothing"):
        changes.added_folder(changes.changes(branch.root, "main", "HEAD"))
    for ref in ("nothing", "--output=/tmp/x"):
        with pytest.raises(UsageError, match="git rev-parse says"):
            changes.changes(branch.root, ref, "HEAD")


# The comment


def archive(tmp_path: Path, content: bytes, name: str = comment.MEMBER) -> Path:
    file = tmp_path / "scores.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, content)
    return file


def printed(*arguments: str | Path) -> str:
    """What the script prints where nothing is installed: the standard library alone."""
    command = [sys.executable, "-S", "-m", "benchmark.contribution.comment", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_stands_in_a_block_of_code(tmp_path: Path) -> None:
    row = {"dataset": "digits", "ipc": 1, "method": "mine", "set": "04eafcfe599a", "recipe": "standard-v1-lite"}
    row |= {"architecture": "mlp", "condition": "", "metric": "accuracy", "mean": 86.5, "sd": 1.17, "n": 5}
    text = printed(archive(tmp_path, json.dumps([row]).encode()), URL)
    table = text.split("```text\n")[1].split("\n```\n")[0].splitlines()
    assert table[0].split() == [
        "dataset",
        "ipc",
        "method",
        "set",
        "recipe",
        "architecture",
        "metric",
        "mean",
        "sd",
        "n",
    ]
    assert table[1].split() == [
        "digits",
        "1",
        "mine",
        "04eafcfe599a",
        "standard-v1-lite",
        "mlp",
        "accuracy",
        "86.5",
        "1.17",
        "5",
    ]
    assert URL in text and text.count("```") == 2


def test_nothing_that_a_stranger_writes_leaves_the_block(tmp_path: Path) -> None:
    evil = "```\n@everyone <img src=x> [a](b) https://evil \u202e|" + "x" * 20
    rows = [{name: evil for name in (*comment.COLUMNS, *comment.NUMBERS, "more")} | {"n": True, "mean": 1e300}] * 120
    text = comment.body(comment.rows_of(archive(tmp_path, json.dumps(rows).encode())), URL)
    block = text.split("```text\n")[1].split("\n```\n")[0]
    assert text.count("```") == 2 and not set("@<>[]`|\u202e") & set(block) and "more" not in block
    assert len(text) < 60_000, "what GitHub takes"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"[1]", b"[" * 100_000, b'[{"mean": NaN}]', b'[{"a": 1, "a": 2}]', b" " * 300_000, b"\xff"],
)
def test_what_is_no_table_says_that_there_is_no_score(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    comment.main([str(archive(tmp_path, content)), URL])
    answer = capsys.readouterr()
    assert answer.out == comment.FAILED.format(url=URL) and answer.err.startswith("not shown:")


def test_an_archive_of_other_members_or_none_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (archive(tmp_path, b"[]", "../scores.json"), tmp_path / "gone.zip", ROOT / "LICENSE"):
        comment.main([str(file), URL])
        assert capsys.readouterr().out == comment.FAILED.format(url=URL)


def test_the_address_of_the_run_is_checked() -> None:
    with pytest.raises(InvalidInput, match="the address of the run is none"):
        comment.body([], f"{URL})[x](javascript:alert(1)")


# The workflows


def workflow(name: str) -> dict[Any, Any]:
    yaml = pytest.importorskip("yaml")
    loaded: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))
    return loaded


def steps(loaded: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in loaded["jobs"].values() for step in job["steps"]]


def test_no_workflow_runs_on_a_pull_request_with_secrets() -> None:
    for file in WORKFLOWS.glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        assert "pull_request_target" not in text and "secrets." not in text, file
        for step in steps(workflow(file.name)):
            assert "${{" not in step.get("run", ""), f"{file}: text of a stranger may stand in a script"


def test_the_scoring_workflow_reads_and_takes_its_tools_from_the_base() -> None:
    loaded = workflow("contribution.yml")
    assert loaded["permissions"] == {"contents": "read"} and "permissions" not in loaded["jobs"]["score"]
    (checkout,) = (step for step in steps(loaded) if "checkout" in step.get("uses", ""))
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert checkout["with"]["persist-credentials"] is False
    commands = " ".join(step.get("run", "") for step in steps(loaded))
    assert re.findall(r"distillbench (\w+)", commands) == ["contribution", "submit", "evaluate"]
    assert "git checkout" not in commands and "git switch" not in commands and "git merge" not in commands


def test_the_commenting_workflow_never_sees_the_branch() -> None:
    loaded = workflow("contribution-comment.yml")
    assert loaded["permissions"] == {} and set(loaded[True]) == {"workflow_run"}  # YAML takes `on` for true
    assert loaded[True]["workflow_run"]["workflows"] == [workflow("contribution.yml")["name"]]
    job = loaded["jobs"]["comment"]
    assert job["permissions"] == {"actions": "read", "contents": "read", "pull-requests": "write"}
    (checkout,) = (step for step in job["steps"] if "uses" in step)
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    commands = " ".join(step.get("run", "") for step in job["steps"])
    assert "git " not in commands and "unzip" not in commands and "pip" not in commands
