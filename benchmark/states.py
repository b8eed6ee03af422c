"""What has been said of each set, record by record, and the state that follows from it.

A record is one immutable file `status/<ab>/<id>.json`, named by the sha256 of its bytes, so stores merge by copying
and a damaged record never passes for another. Nothing is ever deleted: a retraction is a record like any other. The
state of a set is a fold over its records in order of (at, id); it does not depend on the order in which they came.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark._strict import parse_json, read_bytes, shown
from benchmark.errors import InvalidInput
from benchmark.values import canonical_json

__all__ = [
    "FINAL",
    "RANKED",
    "STATES",
    "TIME",
    "Record",
    "State",
    "fold",
    "next_command",
    "now",
    "read_records",
    "states_of",
]

FORMAT = 1
TIME = "%Y-%m-%dT%H:%M:%SZ"
"""How records write a time, in UTC; in the order of the alphabet they are in order of time."""
LIMIT = 256 * 2**10
"""Bytes of a record that are read."""
STATES = ("received", "refused", "needs-review", "verified", "disputed", "retracted", "superseded")
"""What a record may say. A set of which none speaks is `received`, or `scored` once it has a result."""
FINAL = ("retracted", "superseded")
"""What only one of these two, or a withdrawal, can change."""
RANKED = ("scored", "verified", "disputed")
"""States whose results stand in ranked tables; a dispute alone takes nobody off a board."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Record:
    """One thing said of one set."""

    set: str
    """Its digest."""
    state: str
    """One of STATES."""
    reason: str
    at: str
    """UTC, to the second, as in 2026-11-22T10:00:00Z."""
    by: str = ""
    """Who or what says so."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What it rests on. `withdraws`: id of a record that counts no longer; `successor`: digest of the better set."""

    def __post_init__(self) -> None:
        texts = (self.set, self.state, self.reason, self.at, self.by)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.evidence, Mapping):
            raise InvalidInput("a status record needs texts, and an object as its evidence.")
        if not _DIGEST.fullmatch(self.set):
            raise InvalidInput(f"a status record is of a set's whole digest, not of {shown(self.set)}.")
        if self.state not in STATES:
            raise InvalidInput(f"no record can say {shown(self.state)}. It says one of: {', '.join(STATES)}.")
        if not _is_time(self.at):
            raise InvalidInput(f"a status record's time is written like 2026-11-22T10:00:00Z, not {shown(self.at)}.")

    def to_bytes(self) -> bytes:
        """The content of its file. Raises InvalidInput where the evidence is no plain JSON."""
        try:
            return canonical_json({"format": FORMAT, **asdict(self), "evidence": dict(self.evidence)}).encode()
        except (TypeError, ValueError) as fault:
            raise InvalidInput(f"the evidence of a status record must be plain JSON ({fault}).") from fault

    @property
    def id(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Record:
        """A record from the content of the file `name`; raises InvalidInput if damaged or newer."""
        stored = parse_json(content, name)
        if isinstance(stored, dict) and type(stored.get("format")) is int and stored["format"] > FORMAT:
            raise InvalidInput(f"{name} has format {stored['format']}; this version reads up to {FORMAT}. Fix: update.")
        if not isinstance(stored, dict) or stored.pop("format", None) != FORMAT or set(stored) != _FIELDS:
            raise InvalidInput(f"{name} is no status record.")
        found = hashlib.sha256(content).hexdigest()
        if found != Path(name).stem:
            raise InvalidInput(f"{name} is damaged: its content has the id {found[:12]}….")
        return cls(**stored)


_FIELDS = set(Record.__dataclass_fields__)


@dataclass(frozen=True)
class State:
    """Where a set stands, and why."""

    set: str
    state: str
    """One of STATES, or `scored`."""
    reason: str = ""
    since: str = ""
    """When it came to this state, as in a record; where no record says so, when the set came into this store."""
    by: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Record, ...] = ()
    """Every record of the set, withdrawn ones too, in order."""

    @property
    def is_ranked(self) -> bool:
        """Whether its results stand in ranked tables."""
        return self.state in RANKED

    @property
    def successor(self) -> str:
        """Digest of the set that supersedes it; empty where none does."""
        return str(self.evidence.get("successor", "")) if self.state == "superseded" else ""


def fold(records: Iterable[Record], is_scored: bool) -> State | None:
    """The state that a set's records give, in whatever order they come; None where there is no record.

    In order of time: what was withdrawn does not count; `received` changes nothing but a refusal; retracted and
    superseded stay; otherwise the last one holds. A set that is merely received is `scored` once it has a result.
    """
    history = tuple(sorted(records, key=lambda record: (record.at, record.id)))
    withdrawn = {str(record.evidence.get("withdraws", "")) for record in history}
    holds: Record | None = None
    for record in (one for one in history if one.id not in withdrawn):
        is_weaker = record.state == "received" and holds is not None and holds.state != "refused"
        if not is_weaker and (holds is None or holds.state not in FINAL or record.state in FINAL):
            holds = record
    if not history:
        return None
    holds = holds or history[0]
    name = "scored" if holds.state == "received" and is_scored else holds.state
    return State(holds.set, name, holds.reason, holds.at, holds.by, holds.evidence, history)


def read_records(roots: Sequence[Path], only: str = "") -> list[Record]:
    """All records of these stores, each once; of the set `only` where one is named.

    A damaged one is left out with a line on stderr; what is no record's file is passed over.
    """
    files = {file.name: file for root in reversed(roots) for file in root.glob("status/*/*.json")}
    found = []
    for name in sorted(name for name in files if _DIGEST.fullmatch(name.removesuffix(".json"))):
        try:
            record = Record.from_bytes(read_bytes(files[name], LIMIT), str(files[name]))
        except InvalidInput as fault:
            print(f"E504 left out: {fault} See `distillbench store fsck`.", file=sys.stderr)
            continue
        if only in ("", record.set):
            found.append(record)
    return found


def _derived(set_digest: str, is_scored: bool, place: Path | None) -> State:
    """The state of a set of which no record speaks; `place`: its folder, whose age stands for when it came."""
    try:
        since = _text(place.stat().st_mtime) if place else ""
    except OSError:
        since = ""
    return State(set_digest, "scored" if is_scored else "received", since=since)


def states_of(records: Iterable[Record], places: Mapping[str, Path], scored: Collection[str]) -> dict[str, State]:
    """The state of every set that is stored (`places`: its folder) or spoken of, sorted by digest."""
    said: dict[str, list[Record]] = {}
    for record in records:
        said.setdefault(record.set, []).append(record)
    return {
        name: fold(said.get(name, ()), name in scored) or _derived(name, name in scored, places.get(name))
        for name in sorted({*said, *places})
    }


def next_command(state: State) -> str:
    """What its owner would do next; empty where nothing is to be done."""
    short = state.set[:12]
    return {
        "received": f"distillbench evaluate {short}",
        "refused": f"distillbench status {short}",
        "scored": "distillbench leaderboard",
        "needs-review": f"distillbench status {short}",
        "disputed": f"distillbench status {short}",
        "superseded": f"distillbench status {state.successor[:12]}" if state.successor else "",
    }.get(state.state, "")


def now() -> str:
    """The time as records write it."""
    return _text(datetime.now(UTC).timestamp())


def _is_time(text: str) -> bool:
    try:
        return datetime.strptime(text, TIME).strftime(TIME) == text
    except ValueError:
        return False


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(TIME)
