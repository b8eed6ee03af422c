"""What the images of a layout become: tensors, the card's fields that go with them, and remarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.convert.layouts._found import Array

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """All of a set but its labels."""

    tensors: Mapping[str, Array]
    card: Mapping[str, Any]
    """`space`, `decoder`, and `ipc` where it is not what was asked for."""
    copies: int
    """How many training images a stored one becomes; the labels are repeated as often, one after the other."""
    remarks: tuple[str, ...]
