"""What a layout is, what it finds, and the questions that several of them ask of what was loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded

__all__ = ["Array", "Found", "Layout", "is_array", "is_images"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Found:
    """Images and labels as they stand in the file, and what the layout says of them."""

    layout: str
    images: Array
    labels: Array
    space: str = ""
    """The space where the layout itself fixes it, as `Request.space`; empty: the author must say."""
    usual: str = ""
    """What the published code of this family writes, for the question."""
    learning_rate: float | None = None
    """The learned one, where the files hold it."""
    has_formations: bool = False
    """Whether images of this layout may hold several smaller ones, so that a factor must be named."""
    remarks: tuple[str, ...] = ()
    styles: Mapping[str, Array] | None = None
    """Of bases and styles: the styles' arrays (S, …) by the names of the decoder `hallucinator`; images are bases."""


@dataclass(frozen=True)
class Layout:
    """One family of files."""

    describes: str
    """One line for a list."""
    recognises: Callable[[Sequence[Loaded]], bool]
    read: Callable[[Sequence[Loaded], Request], Found]
    """Called where `recognises` is true; raises InvalidInput, or UsageError naming the option that is missing."""


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def is_images(value: Any) -> bool:
    """Whether a value may be images: (N, C, H, W), (N, H, W, C) or (N, H, W)."""
    return isinstance(value, np.ndarray) and value.ndim in (3, 4)
