"""Finds a set that is another method's in disguise: its images in another order, value space or dtype.

The very same set has the same digest, which `_rules` compares; this compares pixels. A stranger's set is compared with
those of other methods on the same data, as long as `BYTES` last: a store may hold thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import DistillBenchError
from benchmark.refusals import Problem, shown
from benchmark.synthetic_set import labels_array

if TYPE_CHECKING:
    from benchmark._rules import Stored
    from benchmark.store import Store
    from benchmark.synthetic_set import Array, SyntheticSet

__all__ = ["problems"]

BYTES = 2**28
"""Of stored sets that are read for one comparison: a second or so."""
APART = 0.6 / 255
"""How far pixels of 0 to 1 move when they are rounded to 8 bits, and a little for float16."""


def problems(synthetic: SyntheticSet, store: Store, known: list[Stored]) -> Iterator[Problem]:
    """The first stored set of another method that has the same images and labels."""
    ours = _sorted_pixels(synthetic) if synthetic.ledger["total"] <= BYTES else None
    if ours is None:
        return
    card, left = synthetic.card, BYTES
    for one in known:
        alike = one.dataset_digest == card.dataset_digest and one.decoder == "identity" and one.method != card.method
        if not alike or (None not in (one.ipc, card.ipc) and one.ipc != card.ipc) or left <= 0:
            continue
        try:
            other = store.read_set(one.digest)
        except DistillBenchError:
            continue
        left -= other.ledger["total"]
        theirs = _sorted_pixels(other)
        if theirs is not None and _is_same(ours, theirs):
            what = f"the images and labels of a set of the method {one.method!r}, in another order or form"
            yield Problem("E604", "card.json", what, "method", shown(card.method), f"set {one.digest[:12]}")
            return


def _sorted_pixels(synthetic: SyntheticSet) -> tuple[Array, Array] | None:
    """Labels (N,) and pixels (N, D) float32 in an order that follows from them; None where pixels are not at hand."""
    card = synthetic.card
    if card.decoder.name != "identity" or card.space.kind == "zca":
        return None
    images, labels = synthetic.tensors["images"], labels_array(synthetic)
    pixels = images.astype(np.float32) / 255 if images.dtype == np.uint8 else card.space.to_pixel(images.astype("f4"))
    flat = pixels.reshape(len(pixels), -1)
    weights = np.random.default_rng(0).standard_normal(flat.shape[1]).astype(np.float32)
    order = np.lexsort((flat @ weights, labels))
    return labels[order], flat[order]


def _is_same(ours: tuple[Array, Array], theirs: tuple[Array, Array]) -> bool:
    """Whether labels are equal and pixels are, as far as rounding keeps them; both clipped, as uint8 would."""
    if ours[1].shape != theirs[1].shape or not np.array_equal(ours[0], theirs[0]):
        return False
    return bool(np.abs(np.clip(ours[1], 0, 1) - np.clip(theirs[1], 0, 1)).max() <= APART)
