"""Correct predictions by class; every accuracy is derived from these counts."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.corruptions import corrupt
from benchmark.engine import Measurement, generator

__all__ = ["VERSION", "passes", "probe"]

VERSION = 1


def probe(
    seen: Measurement,
    among: tuple[int, ...] | None = None,
    corruption: str | None = None,
    severity: int = 0,
    subset: int | None = None,
) -> dict[str, Any]:
    """Count `correct` and `total` images of each class.

    Predictions are the argmax over all outputs, or over the classes in `among` (masked accuracy). With a `corruption`
    (benchmark/corruptions.py) the images are corrupted in pixel space first; with a `subset` only so many are used,
    the same ones for every network.
    """
    if corruption is not None or subset is not None:
        seen = seen.of(seen.subset(subset), lambda pixels: _corrupted(pixels, corruption, severity))
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


def passes(n: int, subset: int | None = None, corruption: str | None = None, **_: Any) -> float:
    """Image passes of its own, beyond those that all probes of `n` images share."""
    return 0.0 if corruption is None and subset is None else float(min(n, subset or n))


def _corrupted(pixels: torch.Tensor, corruption: str | None, severity: int) -> torch.Tensor:
    if corruption is None:
        return pixels
    return corrupt(pixels, corruption, severity, generator(0, f"corruption/{corruption}", severity))
