"""What has been said of each set: status records and contamination scans, read from the stores.

A record that is damaged is left out; a set of which no record speaks is `scored`. Dates are those of the records.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.states import Record, fold, read_records

__all__ = ["SCORED", "Event", "Scan", "Standing", "png_of", "read_bounded", "read_scans", "read_states"]

SCORED = "scored"
"""The state of a set that has results and of which no record speaks."""
DIGEST = re.compile(r"[0-9a-f]{64}")
SCAN_LIMIT = 1 * 2**20
SIDE_LIMIT = 8192
"""Pixels of a picture's side; more would be a decompression bomb in the reader's browser."""
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PICTURE_LIMIT = 4 * 2**20
"""Bytes that are read of a scan and of its picture."""


class Event(NamedTuple):
    """One status record."""

    id: str
    set: str
    state: str
    reason: str
    at: str
    """UTC, as in 2026-11-22T10:00:00Z."""
    by: str
    withdrawn: bool = False


@dataclass(frozen=True)
class Standing:
    """Where a set stands and why."""

    state: str
    reason: str = ""
    since: str = ""
    by: str = ""
    successor: str = ""
    """Digest of the set that supersedes it; empty where none does."""
    events: tuple[Event, ...] = ()
    """Oldest first."""


@dataclass(frozen=True)
class Scan:
    """What a contamination scan found, as it stands in the record."""

    facts: tuple[tuple[str, str], ...]
    """Single values, (label, text); those inside objects have labels such as `test, nearest`."""
    tables: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    """Lists of objects: (label, headings, rows)."""
    picture: bytes | None = field(repr=False)
    picture_size: tuple[int, int] = (0, 0)
    """Width and height in pixels; 0 where there is none."""


def read_states(roots: Sequence[Path], digests: Sequence[str]) -> dict[str, Standing]:
    """The state of each set of `digests`, and of every other set that a record speaks of."""
    by_set: dict[str, list[Record]] = {}
    for record in read_records(roots):
        by_set.setdefault(record.set, []).append(record)
    scored = set(digests)
    return {name: _standing(by_set.get(name, []), name in scored) for name in sorted({*digests, *by_set})}


def _standing(records: Sequence[Record], is_scored: bool) -> Standing:
    state = fold(records, is_scored)
    if state is None:
        return Standing(SCORED)
    withdrawn = {str(record.evidence.get("withdraws", "")) for record in state.history}
    events = tuple(
        Event(one.id, one.set, one.state, one.reason, one.at, one.by, one.id in withdrawn) for one in state.history
    )
    successor = state.successor if DIGEST.fullmatch(state.successor) else ""
    return Standing(state.state, state.reason, state.since, state.by, successor, events)


def read_scans(roots: Sequence[Path], digests: Sequence[str]) -> dict[str, Scan]:
    """The scan of each set that has one which can be read; where two stores hold one, the first wins."""
    found = {}
    for digest in digests:
        for root in roots:
            scan = _scan(root / "scans" / f"{digest}.json")
            if scan is not None:
                found[digest] = scan
                break
    return found


def _scan(file: Path) -> Scan | None:
    content = read_bounded(file, SCAN_LIMIT)
    if content is None:
        return None
    try:
        stored = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(stored, dict):
        return None
    facts, tables = _facts("", stored, 0), _tables("", stored, 0)
    picture = png_of(read_bounded(file.with_suffix(".png"), PICTURE_LIMIT))
    return Scan(tuple(facts), tuple(tables), *(picture or (None, (0, 0))))


def _facts(prefix: str, part: Mapping[str, Any], depth: int) -> list[tuple[str, str]]:
    """Single values and lists of such; those inside an object have its label before theirs."""
    found = []
    for name, value in part.items():
        label = ", ".join(filter(None, (prefix, str(name).replace("_", " "))))
        if isinstance(value, dict) and depth < 3:
            found += _facts(label, value, depth + 1)
        elif not isinstance(value, dict) and not _is_table(value) and label not in ("format", "set"):
            found.append((label, _short(value)))
    return found


def _tables(prefix: str, part: Mapping[str, Any], depth: int) -> list[Any]:
    found: list[Any] = []
    for name, value in part.items():
        label = ", ".join(filter(None, (prefix, str(name).replace("_", " "))))
        if isinstance(value, dict) and depth < 3:
            found += _tables(label, value, depth + 1)
        elif _is_table(value):
            headings = tuple(dict.fromkeys(str(key) for row in value for key in row))
            rows = tuple(tuple(_short(row.get(key, "")) for key in headings) for row in value[:100])
            found.append((label, tuple(key.replace("_", " ") for key in headings), rows))
    return found


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_short(one) for one in value[:50]) + (", …" if len(value) > 50 else "")
    return "\N{EN DASH}" if value is None else str(value)


def read_bounded(file: Path, limit: int) -> bytes | None:
    """The bytes of a regular file within the limit; links are not followed."""
    if file.is_symlink() or not file.is_file() or file.stat().st_size > limit:
        return None
    return file.read_bytes()


def png_of(content: bytes | None) -> tuple[bytes, tuple[int, int]] | None:
    """A PNG with its width and height in pixels; None where it is none, or too large to show."""
    if content is None or not content.startswith(PNG_HEAD) or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    width, height = struct.unpack(">II", content[16:24])
    fine = 0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT
    return (content, (width, height)) if fine else None
