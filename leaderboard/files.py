"""Puts the files of a site in place: makes and writes what changed, removes what an earlier build listed and no other.

The site's manifest holds, for each file, its sha256 and the key of what it was made from: the inputs and the code. A
file whose key and content are as they were is not made again, so that the site is its own cache. Nothing here depends
on the clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from benchmark.errors import EnvironmentFault, InvalidInput

__all__ = ["MANIFEST", "STAGING", "Item", "Made", "place", "previous"]

MANIFEST = "site.json"
"""Lists a site's files with sha256 and key; its presence marks a folder as ours."""
STAGING = ".staging"
FORMAT = 2
ROOM = Path(__file__).parent


@dataclass(frozen=True)
class Item:
    """One file of the site, not made yet."""

    path: str
    inputs: object
    """All that the content depends on beside the code; its `repr` is hashed, so what follows from the rest may hide."""
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Made:
    """A manifest: sha256 and key of every file by its path."""

    files: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


def previous(out: Path) -> Made:
    """What an earlier build left in `out`; raises InvalidInput where something else than a site lies there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return Made()
    try:
        stored = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        files = {str(path): str(sha256) for path, sha256 in stored["files"].items()}
        keys = {str(path): str(key) for path, key in stored.get("keys", {}).items()}
        return Made(files, keys)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidInput(
            f"{out} holds something else than a site (no readable {MANIFEST}). Fix: name a new or empty folder."
        ) from fault


def place(items: Iterable[Item], before: Made, out: Path, progress: Callable[[str], None]) -> int:
    """Make and write what changed, remove what is gone; returns how many files were made.

    The manifest lists every file of ours at every moment, so that a build that was cut off is mended by the next.
    Raises EnvironmentFault where the folder cannot be written.
    """
    wanted = {item.path: item for item in items}
    keys = {path: _key(item.inputs) for path, item in sorted(wanted.items())}
    sums: dict[str, str] = {}
    staging, n_made = out / STAGING, 0
    try:
        shutil.rmtree(staging, ignore_errors=True)  # left by a build that was cut off
        staging.mkdir(parents=True)
        _write(out / MANIFEST, _manifest({**dict.fromkeys(keys, ""), **before.files}, before.keys), staging)
        for path, key in keys.items():
            old = _sha256(out / path)
            if old is None or before.keys.get(path) != key or before.files.get(path) != old:
                content = wanted[path].make()
                n_made += 1
                sums[path] = hashlib.sha256(content).hexdigest()
                if sums[path] != old:
                    _write(out / path, content, staging)
            else:
                sums[path] = old
            progress(path)
        for path in sorted(set(before.files) - set(sums)):
            if _inside(path):
                (out / path).unlink(missing_ok=True)
        _write(out / MANIFEST, _manifest(sums, keys), staging)
        staging.rmdir()
    except OSError as fault:
        raise EnvironmentFault(
            f"cannot write the site in {out}: {fault.strerror}. Fix: check the folder and try again."
        ) from fault
    return n_made


def _key(inputs: object) -> str:
    return hashlib.sha256(f"{_code()}\n{inputs!r}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


@cache
def _code() -> str:
    """Hash of all that turns inputs into bytes: this room, the statistics beneath it, and the libraries that draw."""
    whole = hashlib.sha256(f"{version('matplotlib')} {version('jinja2')} {version('pandas')}".encode())
    sources = [*ROOM.rglob("*.py"), *ROOM.glob("templates/*"), *ROOM.glob("static/*"), *ROOM.glob("protocols/*")]
    for file in sorted([*sources, *(ROOM.parent / "benchmark").glob("*.py")]):
        whole.update(f"{file.name} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _manifest(sums: Mapping[str, str], keys: Mapping[str, str]) -> bytes:
    told = {"format": FORMAT, "files": dict(sorted(sums.items())), "keys": dict(sorted(keys.items()))}
    return (json.dumps(told, indent=1) + "\n").encode("ascii")


def _inside(path: str) -> bool:
    """Whether a path that a file told us is one that a site may hold."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not PurePosixPath(path).is_absolute() and ".." not in parts


def _write(target: Path, content: bytes, staging: Path) -> None:
    """Put a file in place whole. Not synced: a site can be built again at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = staging / "file"
    staged.write_bytes(content)
    os.replace(staged, target)
