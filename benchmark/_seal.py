"""Seals of JSON objects: a hash that stands beside the other keys and tells damage from content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from benchmark.errors import InvalidInput

__all__ = ["SEAL", "sealed", "unsealed"]

SEAL = "sha256"


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its seal. Raises TypeError where it is no JSON."""
    return {SEAL: _hash(body), **body}


def unsealed(stored: Any) -> dict[str, Any]:
    """The object without its seal, which was checked; one without a seal is of an older store and taken as it is.

    Raises InvalidInput where the seal does not fit, or there is no object.
    """
    if not isinstance(stored, dict):
        raise InvalidInput("it holds no JSON object.")
    body = {key: value for key, value in stored.items() if key != SEAL}
    if SEAL in stored and stored[SEAL] != _hash(body):
        raise InvalidInput(
            "its content does not fit its sha256: it was damaged or edited. See `distillbench store fsck`."
        )
    return body


def _hash(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
