"""Scans the sets of a store, each once, and says of each what follows: a status record, which boards go by.

A record of ours stands until a later record says otherwise: `accept` takes it back after a review, and the same finding
is not said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark import datasets
from benchmark.errors import UsageError
from benchmark.progress import say
from benchmark.scan.picture import draw
from benchmark.scan.record import VERSION, Scan
from benchmark.scan.scanning import scan
from benchmark.states import Record, State, fold, now, read_records
from benchmark.store import Store

__all__ = ["accept", "hold", "of_stored", "refusal_of"]

STATE_OF = {"flagged": "needs-review", "refused": "refused"}
"""What a status record says of a scan's finding."""


def of_stored(digest: str, store: Store) -> Scan:
    """The scan of a stored set, made where there is none of this version; raises InvalidInput for a damaged set."""
    known, card = store.read_scan(digest), store.read_card(digest)
    if known and (known.version, known.dataset_digest) == (VERSION, card.dataset_digest):
        return known
    synthetic, dataset = store.read_set(digest), datasets.load(card.dataset)
    found = scan(synthetic, dataset)
    if found.is_suspect:  # first, so that a kill in between loses no finding
        evidence = {"scan": VERSION, "copies": found.copies, "near_test": found.near_test}
        hold(digest, STATE_OF[found.state], found.code, found.reason, evidence, store)
    store.write_scan(found, draw(found, synthetic, dataset))
    return found


def refusal_of(digest: str, store: Store) -> str:
    """Why a stored set is not scored; empty where it is, or where a review has accepted it."""
    found = of_stored(digest, store)
    if found.state != "refused" or _state(digest, store) != "refused":
        return ""
    return f"{found.code} set {digest[:12]}: {found.reason} The pairs: `distillbench scan {digest[:12]}`."


def hold(digest: str, state: str, code: str, reason: str, evidence: Mapping[str, Any], store: Store) -> None:
    """Take a set out of the ranking until somebody has looked at it; said once for each code, and told on stderr."""
    if any(record.evidence.get("code") == code for record in read_records(store.roots, only=digest)):
        return
    store.write_status(Record(digest, state, f"{code}: {reason}", now(), "DistillBench", {"code": code, **evidence}))
    say(f"{digest[:12]} {state}, {code}: {reason}")


def accept(digest: str, reason: str, by: str, store: Store) -> State:
    """After a review, take back what holds a set; returns its state. Raises UsageError where nothing does."""
    records = read_records(store.roots, only=digest)
    withdrawn = {record.evidence.get("withdraws") for record in records}
    ours = [record for record in records if record.evidence.get("code") and record.id not in withdrawn]
    if not ours:
        raise UsageError(f"nothing of ours holds set {digest[:12]}. See `distillbench status {digest[:12]}`.")
    for record in ours:
        store.write_status(Record(digest, "received", reason, now(), by, {"withdraws": record.id}))
    return store.state(digest)


def _state(digest: str, store: Store) -> str:
    found = fold(read_records(store.roots, only=digest), is_scored=False)
    return found.state if found else ""
