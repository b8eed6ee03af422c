"""Features before the classifier of every image, in canonical order; herding and k-center select in them."""

from __future__ import annotations

from typing import Any

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1


def probe(seen: Measurement) -> dict[str, Any]:
    """Return `embeddings` (N, F), float32."""
    return {"embeddings": seen.embeddings.float().cpu().numpy()}
