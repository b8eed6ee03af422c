"""A function over many images, as many at a time as memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

__all__ = ["CHUNK", "in_chunks"]

Found = TypeVar("Found")

CHUNK = 500
"""Images of one pass without gradients."""


def in_chunks(function: Callable[..., Found], *tensors: torch.Tensor, most: int = CHUNK) -> Iterator[Found]:
    """Yield what the function gives for `most` rows of the tensors (N, ...) after another.

    Where a GPU has no memory for so many, half as many are taken from there on, and so on; raises OutOfMemoryError
    where one alone does not fit.
    """
    at, size = 0, most
    while at < len(tensors[0]):
        try:
            found = function(*(tensor[at : at + size] for tensor in tensors))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            fits = False
        else:
            fits = True
        if fits:
            yield found
            at += size
        else:  # only now that the fault is forgotten, and the tensors behind it
            size //= 2
            torch.cuda.empty_cache()
