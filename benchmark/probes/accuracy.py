"""Correct predictions by class; every accuracy is derived from these counts."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1


def probe(seen: Measurement, among: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Count `correct` and `total` test images of each class.

    Predictions are the argmax over all outputs, or over the classes in `among` (masked accuracy).
    """
    logits = seen.logits
    if among is not None:
        masked = torch.full_like(logits, float("-inf"))
        masked[:, list(among)] = logits[:, list(among)]
        logits = masked
    right = seen.labels[logits.argmax(dim=1) == seen.labels]
    n_classes = logits.shape[1]
    return {
        "correct": torch.bincount(right, minlength=n_classes).tolist(),
        "total": torch.bincount(seen.labels, minlength=n_classes).tolist(),
    }
