"""One outcome and one result row, and the names they are stored under, for the tests of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.store import Store
from benchmark.values import Outcome, Probe, Real
from tests import stores
from tests.stores import NUMERICS

__all__ = ["KEY", "NAME", "NUMERICS", "PROBE", "files", "outcome", "row"]

KEY = "ab" + "0" * 62
NAME = f"{KEY}-0-accuracy-0123456789abcdef"
PROBE = Probe("accuracy", Real("digits", "test"), (("level", 1),))


def outcome(value: int = 7, numerics: str = NUMERICS, **changes: Any) -> Outcome:
    arrays = {"logits": np.arange(6, dtype=np.float16).reshape(2, 3), "losses": np.array([0.5])}
    content = {"end": {"correct": [value, 1], **arrays}}
    return replace(Outcome(0, PROBE, "ok", content, "", numerics, "cpu"), **changes)


def row(**changes: Any) -> dict[str, Any]:
    """A result row of one seed."""
    return stores.row("a" * 64, **changes)


def files(store: Store, pattern: str) -> list[Path]:
    return sorted(store.root.glob(pattern))
