"""The number of a store's layout, apart from the store, so that what only reads tables need not load what writes."""

from __future__ import annotations

import json
from pathlib import Path

from benchmark.errors import EnvironmentFault, InvalidInput, UsageError

__all__ = ["FORMAT", "read_format"]

FORMAT = 2
"""1: no status records and no seals. What reads 1 would rank sets that were retracted, so it must not read 2."""


def read_format(root: Path) -> int:
    """The format of a store, ours where there is none yet.

    Raises UsageError where it is no folder, InvalidInput where the number is damaged, and EnvironmentFault where it is
    newer than ours or cannot be read.
    """
    file = root / "FORMAT"
    try:
        if not root.is_dir() and root.exists():
            raise UsageError(f"store {root} is not a folder. Name a folder, or one that is to be made.")
        found = int(json.loads(file.read_text(encoding="utf-8"))["format"]) if file.exists() else FORMAT
    except (ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f'{file} is damaged ({fault}). Fix: write {{"format": {FORMAT}}} into it.') from fault
    except OSError as fault:
        raise EnvironmentFault(f"cannot read store {root}: {fault.strerror}. Fix: mend or move it.") from fault
    if found < 1:
        raise InvalidInput(f'{file} is damaged: format {found}. Fix: write {{"format": {FORMAT}}} into it.')
    if found > FORMAT:
        raise EnvironmentFault(f"store {root} has format {found}, this version knows {FORMAT}. Fix: update.")
    return found
