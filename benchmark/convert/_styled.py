"""Brings HaBa's bases and styles into the form of the decoder `hallucinator`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark import datasets, factorization
from benchmark.convert import _space
from benchmark.convert._parts import Parts
from benchmark.convert._request import Request
from benchmark.convert.layouts._found import Array, Found
from benchmark.datasets import DatasetFacts
from benchmark.errors import InvalidInput, UsageError
from benchmark.space import Space

__all__ = ["parts"]

DIGITS = 6
"""Of the decoder's options, which are part of the set's digest: machines differ in the last ones."""


def parts(found: Found, request: Request, facts: DatasetFacts) -> Parts:
    """The tensors and the decoder's options; raises UsageError where an option must say more, or cannot be met.

    A space is believed: bases are no images yet, and what the styles make of them has the mean and SD of none.
    """
    if request.factor not in (None, 1):
        raise UsageError("--factor: bases are made into images by styles, not by cutting. Leave the option out.")
    if request.dtype == "uint8":
        raise UsageError("--dtype uint8: bases and styles are no pixels. Take float16 to halve them.")
    space = _bound(_declared(found, request, facts), facts)
    mean, std = (round(number, DIGITS) + 0.0 for number in factorization.matching(space, facts))  # and no -0.0
    tensors, rounded = _floats({"bases": found.images, **(found.styles or {})}, request.dtype)
    n_styles = len(tensors["scale"])
    card = {
        "space": space.to_json(),
        "decoder": {"name": "hallucinator", "options": {"mean": mean, "std": std}},
        "ipc": None,
    }
    remarks = (
        f"every base under each of {n_styles} styles is a training image: {n_styles * len(found.images)} in all; the "
        "card states no images per class, since bytes say what the set takes",
        f"decoded images have mean {mean:.4g} and SD {std:.4g}, as those of {facts.name} in this space, in place "
        "of the batches that HaBa's evaluation standardises",
    )
    return Parts(tensors, card, n_styles, (*remarks, *rounded))


def _floats(stored: Mapping[str, Array], wanted: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    """All arrays in one dtype, float16 where they came so, and a remark where that lost something."""
    whole = next((name for name, array in stored.items() if array.dtype.kind != "f"), None)
    if whole:
        raise InvalidInput(f"{whole} holds {stored[whole].dtype}; bases and styles are floats, as they were learned.")
    are_half = all(array.dtype == np.float16 for array in stored.values())
    dtype = np.dtype(wanted or ("float16" if are_half else "float32"))
    loses = any(array.dtype.itemsize > dtype.itemsize for array in stored.values())
    tensors = {name: np.ascontiguousarray(array, dtype) for name, array in stored.items()}
    return tensors, (f"bases and styles rounded to {dtype}",) if loses else ()


def _declared(found: Found, request: Request, facts: DatasetFacts) -> Space:
    if not request.space:
        raise UsageError(
            f"the files do not say in which space the real images were. The code of {found.layout} takes "
            f"{found.usual}. Add --space, one of {_space.FORMS}."
        )
    return _space.declared(request.space, facts).space


def _bound(space: Space, facts: DatasetFacts) -> Space:
    """Ready to be measured; whitening needs the training images, and KIP's cannot be decoded into."""
    return space.bound(datasets.load(facts.name)) if space.kind == "zca" else space
