"""Carries a scan out: copies of test images first, then neighbours, then one sentence that says what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmark.datasets import Dataset
from benchmark.errors import InvalidInput
from benchmark.scan.copies import Copies, Copy
from benchmark.scan.images import levels_of, to_bytes
from benchmark.scan.neighbours import RATE, Nearest, Neighbours, neighbours_of
from benchmark.scan.record import PAIRS, Pair, Scan
from benchmark.synthetic_set import SyntheticSet

__all__ = ["scan"]

SEARCHED = 2000
"""Images whose neighbours are looked for; of a larger set evenly spaced ones."""
CHANCE_NEAR = 0.005
"""A set is flagged where as many near images would come about by chance less often than this."""
CHANCE_SIDE = 0.001
"""The same of the share that lies nearer to test than to train."""
INDICES = "It names training images by their number, so it holds no test image but what both splits share."


def scan(synthetic: SyntheticSet, dataset: Dataset) -> Scan:
    """Compare a validated set with the test and training images of its dataset. Nothing is written.

    About a second for 500 images of CIFAR-10 once its index stands, which takes five (docs/evidence/scan.json).
    """
    blank = Scan(synthetic.digest, dataset.facts.name, dataset.facts.digest, "clean", INDICES)
    if synthetic.card.decoder.name == "indices":
        return replace(blank, images=len(synthetic.tensors["indices"]))
    try:
        levels = levels_of(synthetic, dataset)
    except InvalidInput as fault:
        return replace(blank, state="not-scanned", reason=f"Its images cannot be compared with real ones: {fault}")
    copies, natural = _copies(to_bytes(levels), dataset)
    rows = np.linspace(0, len(levels) - 1, min(SEARCHED, len(levels))).astype(np.int64)
    known = neighbours_of(dataset)
    nearest = known.nearest(levels[rows])
    found = replace(
        blank,
        images=len(levels),
        images_searched=len(rows),
        copies=len(copies),
        duplicates_in_train=natural,
        near_test=len(np.unique(nearest.test[nearest.ratio <= known.natural.cut])),
        near_test_by_chance=RATE * len(rows),
        nearest_in_test=len(np.unique(nearest.test[nearest.ratio < 1])),
        nearest_in_train=len(np.unique(nearest.train[nearest.ratio > 1])),
        share_in_test_by_chance=known.natural.share_nearer_test,
        ratio_of_near=round(known.natural.cut, 6),
        pairs=_pairs(copies, rows, nearest),
    )
    return _judged(found, known)


def _copies(images: npt.NDArray[np.uint8], dataset: Dataset) -> tuple[list[Copy], int]:
    """Copies of test images, and how many more equal a training image just as well: the dataset's own duplicates."""
    found = list(Copies(dataset.test.images).find(images))
    if not found:
        return [], 0
    also = Copies(dataset.train.images).find(images[[copy.image for copy in found]])
    in_train = {copy.image: copy.levels for copy in also}
    kept = [copy for k, copy in enumerate(found) if in_train.get(k, 2) > copy.levels]
    return kept, len(found) - len(kept)


def _pairs(copies: Sequence[Copy], rows: npt.NDArray[np.int64], nearest: Nearest) -> tuple[Pair, ...]:
    """The worst pairs: copies, then the nearest; each image of the set once."""
    pairs = [Pair(copy.image, copy.reference, copy.turn, 0.0, copy.levels) for copy in copies[:PAIRS]]
    taken = {copy.image for copy in copies}
    for k in np.argsort(nearest.ratio, kind="stable").tolist():
        if len(pairs) == PAIRS or nearest.ratio[k] >= 1:
            break
        if int(rows[k]) not in taken:
            turn = "mirrored" if nearest.mirrored[k] else "as it is"
            ratio = round(float(nearest.ratio[k]), 4)
            pairs.append(Pair(int(rows[k]), int(nearest.test[k]), turn, ratio, None, int(nearest.train[k])))
    return tuple(pairs)


def _judged(found: Scan, known: Neighbours) -> Scan:
    if found.copies:
        reason = f"{_of(found.copies, found.images)} equal test images within one level, turned or not."
        return replace(found, state="refused", code="E601", reason=reason)
    if _chance(found.near_test, found.images_searched, RATE) < CHANCE_NEAR:
        reason = (
            f"{_of(found.near_test, found.images_searched)} lie nearer to a test image, measured against the nearest "
            f"training image, than 99 % of real training images do; {found.near_test_by_chance:.3g} would by chance."
        )
        return replace(found, state="flagged", code="E602", reason=reason)
    n_sided = found.nearest_in_test + found.nearest_in_train
    if _chance(found.nearest_in_test, n_sided, found.share_in_test_by_chance) < CHANCE_SIDE:
        share = 100 * found.nearest_in_test / n_sided
        reason = (
            f"{share:.0f} % of {n_sided} nearest neighbours are test images; "
            f"{100 * found.share_in_test_by_chance:.0f} % would be if the set knew neither split."
        )
        return replace(found, state="flagged", code="E602", reason=reason)
    reason = f"No copy of a test image; {_of(found.near_test, found.images_searched)} near to one, as by chance."
    return replace(found, reason=reason)


def _of(n: int, total: int) -> str:
    return f"{n:,} of {total:,} images"


def _chance(k: int, n: int, share: float) -> float:
    """How often k or more of n come about, each with this chance."""
    from scipy.special import bdtrc

    return float(bdtrc(k - 1, n, share)) if k else 1.0
