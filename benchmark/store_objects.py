"""What lies in a store: which files make an object, and how each object proves that it is whole.

Every object carries a hash of its content (a digest as its name, a seal, the checks of PNG), so damage is found
without a second copy. Files that this table does not know are nobody's: they are told, and left alone. Free of torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import _outcome_file, packed, tensor_file
from benchmark._seal import unsealed
from benchmark._strict import parse_json, read_bytes
from benchmark.errors import DistillBenchError
from benchmark.results import rows_of
from benchmark.states import LIMIT, Record
from benchmark.synthetic_set import CARD_LIMIT, Card, SyntheticSet
from benchmark.values import digest

__all__ = ["DERIVED", "Contents", "Object", "fault_of", "read_contents", "set_named_by"]

LAYOUT = {
    "set": r"sets/(?P<name>[0-9a-f]{64})/(?:tensors\.safetensors|card\.json)",
    "preview": r"sets/(?P<name>[0-9a-f]{64})/preview\.png",
    "made": r"made/(?P<ab>[0-9a-f]{2})/(?P<name>[0-9a-f]{64})\.json",
    "outcome": r"outcomes/(?P<ab>[0-9a-f]{2})/"
    r"(?P<name>[0-9a-f]{64}-\d+-[\w-]+-[0-9a-f]{16}-[\w.+-]+)\.(?:json|safetensors)",
    "packed outcomes": r"outcomes/(?P<name>[0-9a-f]{64}|real)\.parquet",
    "results": r"results/(?P<ab>[0-9a-z]{2})/(?P<name>[0-9a-z]+)\.json",
    "status": r"status/(?P<ab>[0-9a-f]{2})/(?P<name>[0-9a-f]{64})\.json",
    "scan": r"scans/(?P<name>[0-9a-f]{64})\.json",
    "picture of a scan": r"scans/(?P<name>[0-9a-f]{64})\.png",
    "conflict": r"conflicts/(?P<name>(?:sets|made|outcomes|results|scans)/.+~[0-9a-f]{16})",
}
"""Kinds of objects, and the paths of their files; what others speak of comes before them."""
DERIVED = ("FORMAT", "results.parquet", "results.csv", "README.md")
"""Files at the top that are no objects."""
PRIVATE = ("tmp", "locks", "work", "trash", "quarantine", "index")
"""Folders that hold no objects."""
RECORD_LIMIT = 64 * 2**20
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_LAYOUT = {kind: re.compile(pattern) for kind, pattern in LAYOUT.items()}


@dataclass(frozen=True)
class Object:
    """Files that belong together; each is a path relative to the store."""

    kind: str
    name: str
    files: tuple[str, ...]
    """Those that are there, in the order in which they are written: the one that others go by comes last."""

    @property
    def head(self) -> str:
        """The file that it goes by."""
        return self.files[-1]


@dataclass
class Contents:
    """All that lies in a store."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """By kind and name, in the order of LAYOUT and then of the names."""
    foreign: list[tuple[str, str]] = field(default_factory=list)
    """What is nobody's: its path, and what it is."""
    n_bytes: int = 0
    """Size of the files of all objects."""


def read_contents(root: Path) -> Contents:
    """List a store without reading any object. Links are not followed."""
    found: dict[tuple[str, str], list[str]] = {}
    contents = Contents()
    for entry in _walk(root):
        path = Path(entry.path).relative_to(root).as_posix()
        if entry.is_symlink() or not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            contents.foreign.append(
                (path, "a link, which is not followed" if entry.is_symlink() else "no regular file")
            )
        elif entry.is_file(follow_symlinks=False) and path not in DERIVED:
            known = _known(path)
            if known is None:
                contents.foreign.append((path, "not a name of this store"))
            else:
                found.setdefault(known, []).append(path)
                contents.n_bytes += entry.stat(follow_symlinks=False).st_size
    order = {kind: place for place, kind in enumerate(LAYOUT)}
    listed = sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    contents.objects = {key: Object(*key, _in_order(files)) for key, files in listed}
    return contents


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Every entry below a folder, but what is private; a folder that goes meanwhile is passed over."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            if folder == root and entry.name in PRIVATE:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            yield entry


def _known(path: str) -> tuple[str, str] | None:
    for kind, pattern in _LAYOUT.items():
        match = pattern.fullmatch(path)
        if match and match.groupdict().get("ab", match["name"][:2]) == match["name"][:2]:
            return kind, match["name"]
    return None


def _in_order(files: list[str]) -> tuple[str, ...]:
    return tuple(sorted(files, key=lambda file: (file.endswith(".json"), file)))


def fault_of(root: Path, thing: Object) -> tuple[str, str] | None:
    """How an object is not whole, as (`damaged` or `incomplete` or `stale`, a clause that says why); None if it is."""
    try:
        return _FAULTS[thing.kind](root, thing)
    except FileNotFoundError as fault:
        return "incomplete", f"{Path(str(fault.filename)).name} is missing"
    except (DistillBenchError, ValueError, KeyError, TypeError, OSError) as fault:
        return "damaged", " ".join(str(fault).split())[:300]


Fault = tuple[str, str] | None


def _set_fault(root: Path, thing: Object) -> Fault:
    folder = root / "sets" / thing.name
    missing = [name for name in ("tensors.safetensors", "card.json") if f"sets/{thing.name}/{name}" not in thing.files]
    if missing:
        return "incomplete", f"{missing[0]} is missing"
    card = Card.from_json(unsealed(parse_json(read_bytes(folder / "card.json", CARD_LIMIT), "card.json")))
    found = SyntheticSet(tensor_file.read(folder / "tensors.safetensors"), card).digest
    return None if found == thing.name else ("damaged", f"its content has the digest {found[:12]}…")


def _made_fault(root: Path, thing: Object) -> Fault:
    stored = _record(root / thing.head)
    if set(stored) != {"made", "digest", "cost"} or not re.fullmatch("[0-9a-f]{64}", str(stored["digest"])):
        return "damaged", "it is no record of what was made"
    return None


def _outcome_fault(root: Path, thing: Object) -> Fault:
    if not thing.head.endswith(".json"):
        return "stale", "arrays of which no outcome speaks; their writer was stopped between the two"
    name = re.match(r"[0-9a-f]{64}-\d+-[\w-]+?-[0-9a-f]{16}(?=-)", thing.name)
    body = _record(root / thing.head).get("outcome")
    if isinstance(body, dict) and body.get("arrays") and len(thing.files) == 1:
        return "incomplete", "its arrays are missing"
    outcome = _outcome_file.read(root / thing.head, name[0] if name else "")
    if outcome is None or f"{name[0] if name else ''}-{outcome.numerics}" != thing.name:
        return "damaged", "its content does not fit its sha256, or its name"
    if not _outcome_file.is_intact_beside(root / thing.head):
        return "damaged", "its cost or device is not as it was written"
    return None


def _packed_fault(root: Path, thing: Object) -> Fault:
    import pyarrow.parquet as parquet

    table = parquet.read_table(root / thing.head, page_checksum_verification=True).to_pydict()
    if set(table) != set(packed.COLUMNS):
        return "damaged", "it has other columns than packed outcomes"
    wrong = [row for row, record in enumerate(table["record"]) if digest(json.loads(record)) != table["sha256"][row]]
    return ("damaged", f"{len(wrong)} of its outcomes do not fit their sha256") if wrong else None


def _results_fault(root: Path, thing: Object) -> Fault:
    rows_of(root / thing.head)
    return None


def _status_fault(root: Path, thing: Object) -> Fault:
    Record.from_bytes(read_bytes(root / thing.head, LIMIT), thing.head)
    return None


def _scan_fault(root: Path, thing: Object) -> Fault:
    stored = _record(root / thing.head)
    return None if stored.get("set") == thing.name else ("damaged", "it is no record of a scan of this set")


def _picture_fault(root: Path, thing: Object) -> Fault:
    """Walk through the chunks of a PNG, each of which carries a checksum."""
    content = read_bytes(root / thing.head, RECORD_LIMIT)
    at, kind = len(PNG_HEAD), b""
    while content.startswith(PNG_HEAD) and kind != b"IEND" and at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 4 : at + 8 + length]
        if content[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(body)):
            break
        at += 12 + length
    else:
        if kind == b"IEND" and at == len(content):
            return None
    return "damaged", "it is no whole PNG picture"


def _conflict_fault(root: Path, thing: Object) -> Fault:
    with open(root / thing.head, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return None if thing.name.endswith(f"~{found[:16]}") else ("damaged", "its content does not fit its name")


def _record(file: Path) -> dict[str, Any]:
    """The object of a JSON file, its seal checked where it has one; an outcome has one inside."""
    stored = parse_json(read_bytes(file, RECORD_LIMIT), file.name)
    if isinstance(stored, dict) and "outcome" in stored:
        return stored
    return unsealed(stored)


_FAULTS: dict[str, Callable[[Path, Object], Fault]] = {
    "set": _set_fault,
    "preview": _picture_fault,
    "made": _made_fault,
    "outcome": _outcome_fault,
    "packed outcomes": _packed_fault,
    "results": _results_fault,
    "status": _status_fault,
    "scan": _scan_fault,
    "picture of a scan": _picture_fault,
    "conflict": _conflict_fault,
}


def set_named_by(root: Path, thing: Object) -> str:
    """The digest of the set that a whole record speaks of and cannot do without; empty where there is none."""
    if thing.kind == "made":
        return str(_record(root / thing.head)["digest"])
    if thing.kind == "results":
        rows = rows_of(root / thing.head)
        return str(rows[0]["set"]) if rows else ""
    return thing.name if thing.kind == "preview" else ""
