"""Reads what a branch adds to the repository, through git's plumbing: nothing of the branch is checked out or run.

A contribution is one new folder artifacts/submissions/<name>/ with card.json and tensors.safetensors. Everything else
is refused before a byte of it is read: other paths, several folders, links, submodules, executables, large files.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark._strict import shown
from benchmark.errors import InvalidInput, PolicyRefusal, UsageError
from benchmark.synthetic_set import CARD_LIMIT

__all__ = ["PLACE", "Change", "added_folder", "changes", "extract"]

PLACE = "artifacts/submissions"
LIMITS = {"card.json": CARD_LIMIT, "tensors.safetensors": 95 * 2**20}
"""The files of a contribution, and their bytes at most; GitHub itself takes no file above 100 MiB."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PLAIN_FILE = "100644"
MODES = {"120000": "a symbolic link", "160000": "a submodule", "100755": "executable"}
MANY = 1000


@dataclass(frozen=True)
class Change:
    """One file that differs between the base and the branch."""

    status: str
    """`A`: added; `M`: changed; `D`: removed; `T`: of another type."""
    mode: str
    """Of the branch's file, as git writes it: `100644` is a plain file."""
    blob: str
    path: str


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(repository), "--no-replace-objects", *arguments]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise UsageError(f"git {arguments[0]} says: {reason[:300]}. Fix: fetch both branches with their history.")
    return done.stdout


def changes(repository: Path, base: str, head: str) -> list[Change]:
    """What `head` changes since it left `base`; raises UsageError where git knows one of them not."""
    ends = [_commit(repository, ref) for ref in (base, head)]
    fork = _git(repository, "merge-base", *ends).decode().split()[0]
    raw = _git(repository, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", fork, ends[1])
    fields = raw.decode("utf-8", errors="surrogateescape").split("\0")
    found = []
    for head_line, path in zip(fields[:-1:2], fields[1::2], strict=True):
        _, mode, _, blob, status = head_line.lstrip(":").split(" ")
        found.append(Change(status[0], mode, blob, path))
    return found


def _commit(repository: Path, ref: str) -> str:
    return _git(repository, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").decode().strip()


def added_folder(found: Sequence[Change]) -> str:
    """The name of the one folder that is added; raises InvalidInput or PolicyRefusal with a line for each problem."""
    if not found:
        raise UsageError(f"the branch changes nothing. Fix: add your set folder under {PLACE}/ and commit it.")
    outside = [change.path for change in found if not _parts(change.path)]
    if outside:
        raise PolicyRefusal(
            f"a contribution adds one folder {PLACE}/<name>/ and nothing else; this branch also changes "
            f"{_listed(outside)}. Fix: a branch of its own for everything else."
        )
    names = sorted({change.path.split("/")[2] for change in found})
    if len(names) > 1:
        raise PolicyRefusal(f"one set a pull request; this branch has {_listed(names)}. Fix: a branch for each.")
    problems = list(_problems(found, names[0]))
    if problems:
        raise InvalidInput("\n".join(problems[:20]))
    return names[0]


def _parts(path: str) -> list[str]:
    """The parts of a path below a folder of PLACE; empty where it is not there."""
    parts = path.split("/")
    return parts if path.startswith(f"{PLACE}/") and len(parts) >= 4 else []


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + rest


def _problems(found: Sequence[Change], name: str) -> Iterator[str]:
    if not NAME.fullmatch(name) or name.endswith("."):
        yield (
            f"the folder's name is {shown(name)}; it must be 1 to 64 lower-case letters, digits, '.', '_' or '-', the "
            "first a letter or digit."
        )
    here = f"{PLACE}/{name}/"
    for change in found[:MANY]:
        file = change.path.removeprefix(here)
        if change.status != "A":
            yield f"{shown(file)} is there already. Sets are never changed. Fix: add a folder of another name."
        elif change.mode != PLAIN_FILE:
            yield f"{shown(file)} is {MODES.get(change.mode, 'no plain file')}. Fix: add a plain file."
        elif file not in LIMITS:
            yield f"{shown(file)} does not belong there; a set is {' and '.join(LIMITS)}. Fix: remove it."
    missing = set(LIMITS) - {change.path.removeprefix(here) for change in found}
    yield from (f"{file} is missing." for file in sorted(missing))


def extract(repository: Path, found: Sequence[Change], folder: Path) -> None:
    """Write the files of a checked contribution into a folder; raises InvalidInput for one that is too large."""
    for change in found:
        file = change.path.rpartition("/")[2]
        size = int(_git(repository, "cat-file", "-s", change.blob))
        if size > LIMITS[file]:
            raise InvalidInput(
                f"{file} has {size:,} bytes; a pull request takes {LIMITS[file]:,}. Fix: store fewer bytes "
                "(`distillbench convert --dtype uint8`), or send the set another way."
            )
        (folder / file).write_bytes(_git(repository, "cat-file", "blob", change.blob))
