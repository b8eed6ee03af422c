"""Cross-entropy of every image under its own label, in canonical order; what a membership attack looks at."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1


def probe(seen: Measurement) -> dict[str, Any]:
    """Return `losses` (N,), float32, in nats."""
    return {"losses": F.cross_entropy(seen.logits.float(), seen.labels, reduction="none").cpu().numpy()}
