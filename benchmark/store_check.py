"""Reads every file of a store, says what is not as it should be and what to do, and restores from a peer. Torch-free.

Nothing is guessed: an object is restored from a peer's object of the same name that proves itself whole, or not at
all, and what it replaces goes to quarantine/. What was there at the last check and is gone now is told from the list
that each check leaves in index/objects.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import durable
from benchmark._seal import sealed, unsealed
from benchmark._strict import parse_json, read_bytes
from benchmark.errors import EnvironmentFault, InvalidInput
from benchmark.progress import Progress
from benchmark.results import in_bytes
from benchmark.states import now
from benchmark.store import Store
from benchmark.store_objects import Contents, Object, fault_of, read_contents, set_named_by

__all__ = ["Check", "Finding", "check", "forget", "place", "put_aside", "repair"]

INVENTORY_LIMIT = 2**30
TABLES = ("results.parquet", "results.csv")
FIXES = {
    "set": "restore it with --repair-from, or delete its folder and submit or make it again",
    "preview": "delete it; the next evaluation draws it again",
    "made": "nothing: it counts as absent, and is made again when it is asked for; or --repair-from",
    "outcome": "nothing: it counts as absent, and is computed again when it is asked for; or --repair-from",
    "packed outcomes": "restore it with --repair-from",
    "results": "evaluate its set again, which trains nothing that is stored; or --repair-from",
    "status": "restore it with --repair-from: until then its set is shown as if it had not been said",
    "scan": "scan its set again, or --repair-from",
    "picture of a scan": "scan its set again, or --repair-from",
    "conflict": "delete it, or --repair-from",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    path: str
    """Relative to the store."""
    kind: str
    """`damaged`; `incomplete`: something is missing; `stale`: of no use any more; `foreign`: not of a store."""
    what: str
    fix: str
    thing: Object | None = None
    """The object that a peer may have whole."""

    @property
    def is_harmless(self) -> bool:
        """Whether nothing that was stored is lost or unreadable."""
        return self.kind in ("stale", "foreign")


@dataclass
class Check:
    """What a check found."""

    n_objects: int
    n_bytes: int
    findings: list[Finding] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every object is there and whole; foreign and stale files harm nothing."""
        return all(finding.is_harmless for finding in self.findings)


def check(store: Store) -> Check:
    """Read everything in a store (not in its fallbacks) and leave the list of what is there; changes nothing else."""
    contents = read_contents(store.root)
    findings = [
        Finding(path, "foreign", what, "delete or move it; nothing reads it") for path, what in contents.foreign
    ]
    whole: dict[tuple[str, str], tuple[str, ...]] = {}
    progress = Progress("checking", contents.n_bytes / 2e8 + len(contents.objects) * 2e-4, len(contents.objects))
    for key, thing in contents.objects.items():
        fault = fault_of(store.root, thing)
        if fault:
            findings.append(Finding(thing.head, *fault, _fix(thing, fault[0]), thing))
        else:
            whole[key] = thing.files
            findings += _without_set(store, thing, contents)
        progress.advance(progress.expected / len(contents.objects))
    progress.close()
    findings += _gone(store.root, contents)
    findings += _tables(store)
    if store.root.is_dir():
        _write_inventory(store, {**_inventory(store.root), **whole})
    return Check(len(contents.objects), contents.n_bytes, sorted(findings, key=lambda found: (found.kind, found.path)))


def _fix(thing: Object, kind: str) -> str:
    return "run `distillbench store gc`" if kind == "stale" else FIXES[thing.kind]


def _without_set(store: Store, thing: Object, contents: Contents) -> list[Finding]:
    """A finding where an object speaks of a set that is nowhere."""
    named = set_named_by(store.root, thing)
    if not named or ("set", named) in contents.objects or store.has_set(named):
        return []
    lost = Object("set", named, (f"sets/{named}/tensors.safetensors", f"sets/{named}/card.json"))
    what = f"it is of the set {named[:12]}…, which is not here"
    return [Finding(thing.head, "incomplete", what, "restore the set with --repair-from, or submit it again", lost)]


def _gone(root: Path, contents: Contents) -> list[Finding]:
    """What the last check saw and this one does not."""
    fix = "restore it with --repair-from; if it went on purpose, run `distillbench store fsck --forget`"
    return [
        Finding(files[-1], "incomplete", "it was here at the last check, and is gone", fix, Object(kind, name, files))
        for (kind, name), files in _inventory(root).items()
        if (kind, name) not in contents.objects
    ]


def _tables(store: Store) -> list[Finding]:
    """Whether the collected tables are those of the results."""
    names = [name for name in TABLES if (store.root / name).exists()]
    if not names:
        return []
    expected = dict(zip(TABLES, in_bytes(store.results()), strict=True))
    what = "it is not what the results give: older, damaged, or written by other versions"
    fix = "run `distillbench leaderboard` or `distillbench store merge`, which write it again"
    return [Finding(name, "stale", what, fix) for name in names if (store.root / name).read_bytes() != expected[name]]


# Restoring


def repair(store: Store, found: Check, peer: Store) -> Check:
    """Restore what a peer has whole; returns the check with what is restored and what is left."""
    theirs = read_contents(peer.root).objects
    left = []
    for finding in found.findings:
        thing = finding.thing and theirs.get((finding.thing.kind, finding.thing.name))
        if finding.is_harmless or thing is None or fault_of(peer.root, thing):
            left.append(finding)
            continue
        if finding.thing is not None:
            put_aside(store, finding.thing, "quarantine")
        place(store, thing, peer.root)
        found.repaired.append(finding)
    found.findings = [finding for finding in left if finding.path not in TABLES] + _tables(store)
    return found


def put_aside(store: Store, thing: Object, folder: str, source: Path | None = None) -> list[str]:
    """Copy an object's files to a folder of the store, under names that tell contents apart.

    They are those of the store itself, or of the store at `source`. Returns the paths of the copies that are new.
    """
    new = []
    for path in thing.files:
        file = (source or store.root) / path
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            copy = f"{folder}/{path}~{hashlib.sha256(content).hexdigest()[:16]}"
            if durable.write_once(store.root / copy, content, store.staging):
                new.append(copy)
    return new


def place(store: Store, thing: Object, source: Path) -> None:
    """Copy an object that is whole in `source` to its place, the file that it goes by last. Raises EnvironmentFault."""
    contents = {path: (source / path).read_bytes() for path in thing.files}
    folder = store.root / "sets" / thing.name
    if thing.kind == "set" and not folder.exists():
        with durable.staging_folder(store.staging) as staged:
            for path, content in contents.items():
                durable.write_file(staged / Path(path).name, content)
            if durable.place_folder(staged, folder):
                return
    for path, content in contents.items():
        durable.write_replacing(store.root / path, content, store.staging)


# The list of what is there

Inventory = Mapping[tuple[str, str], tuple[str, ...]]


def forget(store: Store) -> None:
    """Let what is here now be all that there is, so that what went on purpose is not missed any more."""
    _write_inventory(store, {key: thing.files for key, thing in read_contents(store.root).objects.items()})


def _inventory(root: Path) -> Inventory:
    """Kind, name and files of everything that the last check saw; nothing where there was none."""
    try:
        stored = unsealed(parse_json(read_bytes(root / "index" / "objects.json", INVENTORY_LIMIT), "objects.json"))
        return {(kind, name): tuple(files) for kind, name, files in stored["objects"]}
    except (InvalidInput, KeyError, TypeError, ValueError):
        return {}


def _write_inventory(store: Store, inventory: Inventory) -> None:
    """Best effort: a store that may only be read is checked all the same."""
    listed = [[kind, name, list(files)] for (kind, name), files in sorted(inventory.items())]
    text = json.dumps(sealed({"format": 1, "at": now(), "objects": listed}))
    with suppress(EnvironmentFault):
        durable.write_replacing(store.root / "index" / "objects.json", text.encode(), store.staging)
