"""How many numbers a network learns: the simplest guess at how good an architecture is, without any training."""

from __future__ import annotations

from typing import Any

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1


def probe(seen: Measurement) -> dict[str, Any]:
    """Return `count`, over all parameters that a gradient reaches; running statistics are none."""
    return {"count": sum(parameter.numel() for parameter in seen.network.parameters())}
