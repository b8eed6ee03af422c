"""Paths, links, pipes, races, signals and full disks: refused or survived, the store whole at every moment."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmark import _intake, submission
from benchmark.store import FORMAT, Store
from benchmark.synthetic_set import SyntheticSet
from tests.benchmark.bad_inputs import (
    IMAGES,
    LINE,
    check_refusal,
    fine,
    hashes,
    problems_of,
    with_tensors,
)

ROOT = Path(__file__).parents[2]
Command = Callable[..., Any]
SetMaker = Callable[..., SyntheticSet]


# What stands where a folder or file should be


def replaced(folder: Path, name: str, how: str) -> None:
    """Put something else in place of a file of the folder."""
    file, kept = folder / name, folder.with_name(f"kept-{name}")
    file.rename(kept)
    if how == "a link":
        file.symlink_to(kept)
    elif how == "a dangling link":
        file.symlink_to(folder / "nowhere")
    elif how == "a link to a system file":
        file.symlink_to("/etc/passwd")
    elif how == "a link to a device":
        file.symlink_to("/dev/zero")
    elif how == "a hard link":
        os.link(kept, file)
    elif how == "a pipe":
        os.mkfifo(file)
    elif how == "a folder":
        file.mkdir()
    elif how == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            here = os.open(folder, os.O_RDONLY)
            bound.bind(f"/proc/self/fd/{here}/{name}")  # paths of sockets are short
            os.close(here)


@pytest.mark.parametrize("name", ["card.json", "tensors.safetensors"])
@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("nothing", "E401"),
        ("a folder", "E401"),
        ("a pipe", "E401"),
        ("a socket", "E401"),
        ("a link", "E402"),
        ("a dangling link", "E402"),
        ("a link to a system file", "E402"),
        ("a link to a device", "E402"),
        ("a hard link", "E402"),
    ],
)
def test_what_is_no_regular_file_is_3_at_once(stored: Path, tmp_path: Path, name: str, how: str, code: str) -> None:
    folder = fine(tmp_path / "my-set")
    replaced(folder, name, how)
    before, opened = hashes(stored), Store(stored)
    started = time.monotonic()
    exit_code, found, text = problems_of(lambda: submission.submit(folder, opened))
    assert time.monotonic() - started < 5
    assert (exit_code, {problem.code for problem in found}) == (3, {code}), text
    assert hashes(stored) == before


def test_a_link_under_any_other_name_is_3(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    (folder / "README.md").symlink_to("/etc/passwd")
    check_refusal(folder, stored, "E402", 3, "README.md")


def test_a_folder_of_thousands_of_files_is_3(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    for i in range(1001):
        (folder / f"{i}").touch()
    check_refusal(folder, stored, "E401", 3)


@pytest.mark.parametrize("where", ["missing", "file/below", "a file", "/dev/null", "/dev/zero", "", "a\0b", "x" * 5000])
def test_what_is_no_folder_is_3(stored: Path, tmp_path: Path, where: str) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "file").touch()
    before = hashes(tmp_path)
    place = f"{tmp_path}/{where}" if where and not where.startswith("/") else where
    exit_code, found, text = problems_of(lambda: submission.submit(place, Store(stored)))
    assert (exit_code, [problem.code for problem in found]) == (3, ["E401"]), text
    assert hashes(tmp_path) == before


def test_a_link_to_a_folder_is_3(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(fine(tmp_path / "my-set"))
    for place in (f"{tmp_path}/link", f"{tmp_path}/link/"):
        assert [problem.code for problem in problems_of(partial(submission.check, place))[1]] == ["E402"]


@pytest.mark.parametrize("name", ["tmp", "sets"])
def test_a_store_whose_folders_lead_elsewhere_is_3(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / name).symlink_to(tmp_path / "elsewhere")
    check_only = problems_of(lambda: submission.submit(fine(tmp_path / "my-set"), Store(tmp_path / "store")))
    assert (check_only[0], check_only[1][0].code) == (3, "E402")
    assert list((tmp_path / "elsewhere").iterdir()) == []


# What changes while it is read


def overtaken(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let somebody act between the opening of the tensor file and the reading of its data."""
    real = _intake._array

    def array(*arguments: Any) -> Any:
        act()
        return real(*arguments)

    monkeypatch.setattr(_intake, "_array", array)


def test_a_file_that_changes_while_it_is_read_is_3(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = fine(tmp_path / "my-set"), hashes(stored)
    file, content = folder / "tensors.safetensors", (folder / "tensors.safetensors").read_bytes()

    def appended() -> None:
        with file.open("ab") as stream:
            stream.write(b"x")

    def rewritten() -> None:
        file.write_bytes(content[:-1] + b"\x07")

    for act in (lambda: os.truncate(file, len(content) - 100), lambda: os.truncate(file, 10), appended, rewritten):
        file.write_bytes(content)
        with monkeypatch.context() as patched:
            overtaken(patched, act)
            exit_code, found, text = problems_of(lambda: submission.submit(folder, Store(stored)))
        assert (exit_code, [problem.code for problem in found]) == (3, ["E403"]), text
    assert hashes(stored) == before


def test_a_file_that_is_replaced_while_it_is_read_is_not_what_is_stored(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is put aside and another one in its place: what was opened is what is read, checked and stored."""
    folder, evil = fine(tmp_path / "my-set"), fine(tmp_path / "evil")
    expected = submission.check(folder).digest
    with_tensors(images=IMAGES[::-1].copy())(evil)

    def swapped() -> None:
        if evil.exists():
            folder.rename(tmp_path / "aside")
            evil.rename(folder)

    overtaken(monkeypatch, swapped)
    assert submission.submit(folder, Store(stored)).digest == expected
    assert submission.check(folder).digest != expected


# The machine


@pytest.mark.parametrize("name", ["card.json", "tensors.safetensors", ""])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO])
def test_a_file_that_may_not_be_read_is_5(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    folder, before, real = fine(tmp_path / "my-set"), hashes(stored), os.open

    def closed(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path) == (name or str(folder)):
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **named)

    monkeypatch.setattr(os, "open", closed)
    exit_code, found, text = problems_of(lambda: submission.submit(folder, Store(stored)))
    assert (exit_code, [problem.code for problem in found]) == (5, ["E501"]), text
    monkeypatch.undo()
    assert hashes(stored) == before


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "E502"),
        (errno.EDQUOT, "E502"),
        (errno.EFBIG, "E502"),
        (errno.EROFS, "E501"),
        (errno.EACCES, "E501"),
        (errno.EIO, "E501"),
        (errno.ENAMETOOLONG, "E506"),
    ],
)
@pytest.mark.parametrize("operation", ["fsync", "mkdir", "rename"])
def test_a_store_that_cannot_be_written_is_5_and_stays_as_it_was(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, number: int, code: str
) -> None:
    folder = fine(tmp_path / "my-set")
    before = {name: what for name, what in hashes(stored).items() if (stored / name).is_file()}

    def fails(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, operation, fails)
        exit_code, found, text = problems_of(lambda: submission.submit(folder, Store(stored)))
    assert (exit_code, [problem.code for problem in found]) == (5, [code]), text
    assert {name: what for name, what in hashes(stored).items() if (stored / name).is_file()} == before
    assert list((stored / "tmp").iterdir()) == []
    assert submission.submit(folder, Store(stored)).is_new


def test_a_newer_store_is_5_and_not_written(command: Command, stored: Path, tmp_path: Path) -> None:
    (stored / "FORMAT").write_text(json.dumps({"format": FORMAT + 1}))
    before, folder = hashes(stored), fine(tmp_path / "my-set")
    for verb in ("check", "submit"):
        answer = command(verb, folder, "--store", stored)
        assert answer.code == 5 and answer.err.startswith("E505 ") and LINE.fullmatch(answer.err.strip())
    assert hashes(stored) == before


@pytest.mark.parametrize("place", ["file/below", "x" * 300, "file"])
def test_an_impossible_place_for_the_store_is_no_bug(command: Command, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    before = hashes(tmp_path)
    answer = command("submit", fine(tmp_path / "my-set"), "--store", tmp_path / place)
    assert answer.code == (2 if place == "file" else 5), answer.err
    assert place == "file" or answer.err.startswith("E50")
    assert {n for n in hashes(tmp_path) if not n.startswith("my-set")} == set(before)


@pytest.mark.parametrize("place", ["with blanks", "ünï-çode", "a/b/c", "x" * 200, "."])
def test_a_store_may_lie_anywhere(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = fine(tmp_path / "my-set")
    mask = os.umask(0o077)
    try:
        answer = command("submit", "../my-set", "--store", place)  # both relative
    finally:
        os.umask(mask)
    assert answer.code == 0, answer.err
    assert Store(tmp_path / "here" / place).has_set(answer.out.strip())
    assert {path.name for path in tmp_path.iterdir()} == {"here", "my-set"} and folder.exists()


def test_a_tilde_is_the_home_folder(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fine(tmp_path / "my-set")
    answer = command("submit", "~/my-set", "--store", "~/store")
    assert answer.code == 0 and Store(tmp_path / "store").has_set(answer.out.strip())
