"""A user's own data: the stored name they are given, and how that name finds them again on this machine.

Cards and results name a dataset by a short text, never by a path. Own data are called `<stem>-<8 digits>`, the digits
being the first of their digest, so that two people's `mine.npz` never share a board. `<data root>/own/<name>.json`
remembers where they lie and what is known of them.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.datasets._facts import DatasetFacts, from_table, to_table
from benchmark.datasets._place import ENVIRONMENT, Place, data_root
from benchmark.errors import EnvironmentFault, InvalidInput

__all__ = ["Recorded", "recorded", "remember", "stored_name"]

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}")


@dataclass(frozen=True)
class Recorded:
    """Own data that were used on this machine before."""

    facts: DatasetFacts
    place: Place


def stored_name(path: Path, digest: str) -> str:
    """The name under which own data stand in cards and results: lower case, `-` for anything but letters and digits."""
    stem = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40].strip("-")
    return f"{stem or 'own'}-{digest[:8]}"


def remember(facts: DatasetFacts, place: Place) -> DatasetFacts:
    """Give own data their name and write down where they lie; raises EnvironmentFault when that cannot be written."""
    named = replace(facts, name=stored_name(place.path, facts.digest))
    file = _file(named.name)
    text = json.dumps({"format": 1, "path": str(place.path), "facts": to_table(named)}, indent=1)
    try:
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            staged = file.with_name(f".{file.name}.{os.getpid()}")
            staged.write_text(text, encoding="utf-8")
            staged.replace(file)
    except OSError as fault:
        raise EnvironmentFault(
            f"cannot write {file}: {fault.strerror}. Set {ENVIRONMENT} to a folder that you can write to."
        ) from fault
    return named


def recorded(name: str | Path) -> Recorded | None:
    """What is remembered of own data by their stored name; None where the name is no such name or unknown here."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not _file(name).exists():
        return None
    file = _file(name)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        path = Path(content["path"])
        facts = from_table(content["facts"], name, str(file))
    except (ValueError, KeyError, TypeError, OSError) as fault:
        raise InvalidInput(
            f"{file} cannot be read ({fault}). Delete it and name the data by their path again."
        ) from fault
    return Recorded(facts, Place("", path))


def _file(name: str) -> Path:
    return data_root() / "own" / f"{name}.json"
