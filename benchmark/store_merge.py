"""Copies the objects of another store into this one, each proved whole on the way. Torch-free.

In whichever order stores are merged, the same files come out. Where two differ under one name, the better one by a
fixed rule takes the place (for results the one with more values, then the smaller sha256), and the other is kept in
conflicts/ under the same path with the beginning of its sha256. Nothing is lost, and nothing that comes is trusted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.progress import Progress
from benchmark.results import rows_of
from benchmark.store import Store
from benchmark.store_check import Finding, place, put_aside
from benchmark.store_objects import Object, fault_of, read_contents

__all__ = ["Merge", "merge"]


@dataclass
class Merge:
    """What a merge did."""

    copied: Counter[str] = field(default_factory=Counter)
    """Objects that were not here, by kind."""
    mended: Counter[str] = field(default_factory=Counter)
    """Objects that were damaged here and whole there."""
    n_same: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    """The path that both had, and where the one that gave way is kept."""
    refused: list[Finding] = field(default_factory=list)
    """What is damaged in the other store, and was not copied."""


def merge(store: Store, other: Store) -> Merge:
    """Take in all that another store holds, and write the tables again. The other store is only read.

    Raises UsageError where the two are one, and EnvironmentFault where something cannot be written; what was copied
    until then is whole, and the same call goes on.
    """
    if store.root == other.root or store.root in other.root.parents or other.root in store.root.parents:
        raise UsageError(f"{other.root} is this store, or within it, or around it. Name another one.")
    if not other.root.is_dir():
        raise UsageError(f"there is no store {other.root}.")
    store.prepare()
    theirs, done = read_contents(other.root), Merge()
    progress = Progress("merging", theirs.n_bytes / 1e8 + len(theirs.objects) * 1e-3, len(theirs.objects))
    ours = read_contents(store.root).objects
    for key, thing in theirs.objects.items():
        _take(store, other, thing, ours.get(key), done)
        progress.advance(progress.expected / len(theirs.objects))
    progress.close()
    store.collect()
    return done


def _take(store: Store, other: Store, thing: Object, ours: Object | None, done: Merge) -> None:
    fault = fault_of(other.root, thing)
    if thing.kind == "preview" and not (store.root / "sets" / thing.name / "card.json").exists():
        return  # its set did not come, and a folder without one would be in the way of it
    if fault:
        if fault[0] != "stale":
            done.refused.append(Finding(thing.head, *fault, "run `distillbench store fsck` there", thing))
    elif ours is None:
        place(store, thing, other.root)
        done.copied[thing.kind] += 1
    elif _contents(store.root, ours) == _contents(other.root, thing):
        done.n_same += 1
    elif fault_of(store.root, ours):
        put_aside(store, ours, "quarantine")
        place(store, thing, other.root)
        done.mended[thing.kind] += 1
    else:
        _settle(store, other, thing, ours, done)


def _settle(store: Store, other: Store, thing: Object, ours: Object, done: Merge) -> None:
    """Let the better of two stand in the place, and keep the other: first of all, so that a kill loses neither."""
    if _rank(other.root, thing) < _rank(store.root, ours):
        kept = put_aside(store, ours, "conflicts")
        place(store, thing, other.root)
    else:
        kept = put_aside(store, thing, "conflicts", other.root)
    if kept:
        done.conflicts.append((thing.head, kept[-1]))
    else:
        done.n_same += 1  # settled before


def _contents(root: Path, thing: Object) -> dict[str, str]:
    return {path: hashlib.sha256((root / path).read_bytes()).hexdigest() for path in thing.files}


def _rank(root: Path, thing: Object) -> tuple[int, list[str]]:
    """Smaller is better; the same wherever it is computed."""
    n_values = sum(row["status"] == "ok" for row in rows_of(root / thing.head)) if thing.kind == "results" else 0
    return -n_values, [_contents(root, thing)[path] for path in reversed(thing.files)]
