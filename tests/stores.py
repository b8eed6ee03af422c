"""A store with one of everything in it, for tests that damage, kill, fill and merge stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import datasets, preview
from benchmark._seal import sealed
from benchmark.errors import InvalidInput
from benchmark.results import COLUMNS, rows_of
from benchmark.space import PIXEL
from benchmark.states import Record
from benchmark.store import MadeRecord, Store
from benchmark.synthetic_set import Card, SyntheticSet
from benchmark.values import Outcome, Probe, Real

__all__ = ["KINDS", "NUMERICS", "is_there", "key", "outcome_name", "row", "said", "synthetic", "write_all", "write_one"]

KINDS = ("set", "made", "outcome", "results", "status")
"""What can be written of one number, in the order in which it is."""
NUMERICS = "cpu-eager-float32-torch2.15-threads1"
PROBE = Probe("logits", Real("digits", "test"))


def synthetic(number: int, **card: Any) -> SyntheticSet:
    """A set of digits that no other number gives."""
    images = np.full((10, 1, 8, 8), number % 255, dtype=np.uint8)
    images[0, 0, 0, :4] = [number >> shift & 255 for shift in (0, 8, 16, 24)]
    known = {"dataset": "digits", "dataset_digest": datasets.facts("digits").digest, "space": PIXEL, "ipc": 1}
    return SyntheticSet({"images": images, "labels": np.arange(10)}, Card(**{**known, "method": "by-hand", **card}))


def key(number: int) -> str:
    return f"{number % 256:02x}{number:062x}"


def outcome_name(number: int) -> str:
    return f"{key(number)}-0-logits-{0:016x}"


def row(digest: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A result row; `number` is its seed."""
    known: dict[str, Any] = {
        "dataset": "digits",
        "ipc": 1,
        "bytes": 650,
        "track": "hard",
        "method": "by-hand",
        "set": digest,
        "evaluator": "cross-architecture",
        "version": 1,
        "recipe": "standard-v1-lite",
        "architecture": "mlp",
        "condition": "",
        "metric": "accuracy",
        "unit": "percent",
        "higher_is_better": True,
        "seed": number,
        "distil_seed": None,
        "value": 50.0 + number % 7,
        "status": "ok",
        "numerics": NUMERICS,
        "device": "cpu",
    }
    assert list(known) == list(COLUMNS)
    return {**known, **changes}


def said(number: int) -> Record:
    """A status record of the set of this number."""
    return Record(synthetic(number).digest, "verified", f"number {number}", "2026-11-22T10:00:00Z", "a test")


def write_one(store: Store, kind: str, number: int, with_preview: bool = True) -> None:
    """Write one record of a kind; the same number gives the same content."""
    if kind == "set":
        made = synthetic(number)
        store.write_set(made, preview.draw(made) if with_preview else None)
    elif kind == "made":
        store.write_made(key(number), MadeRecord({"kind": "made"}, synthetic(number).digest, {"seconds": 1.5}))
    elif kind == "outcome":
        value = {"end": {"logits": np.full((20, 10), number, dtype=np.float32), "n": number}}
        outcome = Outcome(0, PROBE, "ok", value, "", NUMERICS, "cpu")
        store.write_outcome(outcome_name(number), {"kind": "training"}, outcome, {"seconds": 2.5})
    elif kind == "results":
        digest = synthetic(number).digest
        store.write_results(key(number), {"set": digest}, [row(digest, seed) for seed in range(2)])
    elif kind == "status":
        store.write_status(said(number))
    else:
        raise ValueError(kind)


def is_there(store: Store, kind: str, number: int) -> bool:
    """Whether what `write_one` writes can be read again, whole."""
    try:
        return _is_there(store, kind, number)
    except InvalidInput:
        return False


def _is_there(store: Store, kind: str, number: int) -> bool:
    if kind == "set":
        digest = synthetic(number).digest
        return store.has_set(digest) and store.read_set(digest).digest == digest
    if kind == "made":
        record = store.read_made(key(number))
        return record is not None and record.digest == synthetic(number).digest
    if kind == "outcome":
        outcome = store.read_outcome(outcome_name(number))
        return (
            outcome is not None
            and outcome.at_end()["n"] == number
            and bool((outcome.at_end()["logits"] == number).all())
        )
    if kind == "results":
        file = store.root / "results" / key(number)[:2] / f"{key(number)}.json"
        return len(rows_of(file)) == 2
    file = store.root / "status" / said(number).id[:2] / f"{said(number).id}.json"
    return file.exists() and Record.from_bytes(file.read_bytes(), str(file)) == said(number)


def write_all(root: Path, *numbers: int) -> Store:
    """A store at `root` with everything of these numbers, and a scan of each set."""
    store = Store(root)
    for number in numbers:
        for kind in KINDS:
            write_one(store, kind, number)
        digest = synthetic(number).digest
        scans = root / "scans"
        scans.mkdir(exist_ok=True)
        (scans / f"{digest}.json").write_text(json.dumps(sealed({"format": 1, "set": digest, "state": "clean"})))
        (scans / f"{digest}.png").write_bytes(preview.draw(synthetic(number)) or b"")
    store.collect()
    return store
