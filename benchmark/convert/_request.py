"""What an author says about a file beyond what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """The options of `distillbench convert`; what is empty or None is asked for where it is needed."""

    dataset: str
    method: str
    ipc: int
    """Stored images per class."""
    space: str = ""
    """`pixel`, `0-255`, `standardized`, `standardized:NAME`, `standardized:MEANS/STDS`, `zca:kornia` or `zca:kip`."""
    as_declared: bool = False
    """Keep `space` though the numbers resemble another."""
    labels: str = ""
    """`hard`, `probabilities` or `logits`."""
    temperature: float = 1.0
    index: int | None = None
    """Which of several sets in one file, from 0."""
    factor: int | None = None
    """Formations on a side of an image (IDC); 1: none."""
    learning_rate: float | None = None
    dtype: str = ""
    """Images are stored as `uint8`, `float16` or `float32`; empty: as they come."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of card.json that describe: title, source, licence, distil_seed, …"""
