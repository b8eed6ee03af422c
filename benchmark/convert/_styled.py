"""Brings HaBa's bases and styles into the form of the decoder `hallucinator`."""

from __future__ import annotations

import numpy as np

from benchmark import datasets, factorization
from benchmark.convert import _space
from benchmark.convert._parts import Parts
from benchmark.convert._request import Request
from benchmark.convert.layouts._found import Found
from benchmark.datasets import DatasetFacts
from benchmark.errors import UsageError
from benchmark.space import Space

__all__ = ["parts"]


def parts(found: Found, request: Request, facts: DatasetFacts) -> Parts:
    """The tensors and the decoder's options; raises UsageError where an option must say more, or cannot be met.

    A space is believed: bases are no images yet, and what the styles make of them has the mean and SD of none.
    """
    if request.factor not in (None, 1):
        raise UsageError("--factor: bases are made into images by styles, not by cutting. Leave the option out.")
    if request.dtype == "uint8":
        raise UsageError("--dtype uint8: bases and styles are no pixels. Take float16 to halve them.")
    space = _bound(_declared(found, request, facts), facts)
    mean, std = factorization.matching(space, facts)
    dtype = np.dtype(request.dtype or "float32")
    stored = {"bases": found.images, **(found.styles or {})}
    tensors = {name: np.ascontiguousarray(array, dtype) for name, array in stored.items()}
    rounded = (
        (f"bases and styles rounded to {dtype}",)
        if any(a.dtype.itemsize > dtype.itemsize for a in stored.values())
        else ()
    )
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
