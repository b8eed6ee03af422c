"""Named random parts of a train split, the same on every machine and for ever.

The draws come from SHAKE-256 of a text, not from a library's generator, so no release of a library can move them.
They refer to the canonical order. Changing a text or a rule here moves published results: never do it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from benchmark.errors import unknown_name

__all__ = ["PARTS", "draw", "members", "quota"]

Indices = npt.NDArray[np.int64]

N_HALVES = 16
N_FOLDS = 5
_FOLDS = tuple(f"fold-{number}" for number in range(N_FOLDS))
PARTS = (
    "holdout",
    "minus-holdout",
    *_FOLDS,
    *(f"minus-{fold}" for fold in _FOLDS),
    *(f"half-{number:02}" for number in range(N_HALVES)),
)


def members(part: str, labels: npt.NDArray[np.int64]) -> Indices:
    """Ascending positions of a part in a split with these labels; raises UsageError for an unknown part.

    `holdout`: a tenth of every class, rounded half up, but at least one image where a class has two.
    `minus-holdout`: the rest. `half-00` … `half-15`: independent random halves; of an odd class, halves of even
    number get the smaller share and halves of odd number the larger one. `fold-0` … `fold-4`: a stratified partition
    into fifths, for cross-validation; `minus-fold-0` …: what each leaves.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    sizes = {int(label): int(size) for label, size in zip(*np.unique(labels, return_counts=True), strict=True)}
    if part.startswith("half-"):
        odd = int(part.removeprefix("half-")) % 2
        return draw(labels, {label: (size + odd) // 2 for label, size in sizes.items()}, part)
    if part.startswith("minus-"):
        return np.setdiff1d(np.arange(len(labels)), members(part.removeprefix("minus-"), labels))
    if part.startswith("fold-"):
        number = int(part.removeprefix("fold-"))
        upto = [{label: (size * k + 4) // N_FOLDS for label, size in sizes.items()} for k in (number, number + 1)]
        return np.setdiff1d(draw(labels, upto[1], "folds"), draw(labels, upto[0], "folds"))
    tenth = {label: max(1, (size + 5) // 10) if size > 1 else 0 for label, size in sizes.items()}
    return draw(labels, tenth, "holdout")


def draw(labels: npt.NDArray[np.int64], sizes: Mapping[int, int], purpose: str) -> Indices:
    """Ascending positions of a random draw of `sizes[label]` images of each label, named by its purpose."""
    chosen = []
    for label, size in sizes.items():
        positions = np.flatnonzero(labels == label)
        text = f"distillbench part {purpose}, label {label}"
        numbers = hashlib.shake_256(text.encode()).digest(8 * len(positions))
        chosen.append(positions[np.argsort(np.frombuffer(numbers, dtype="<u8"), kind="stable")[:size]])
    return np.sort(np.concatenate(chosen))


def quota(labels: npt.NDArray[np.int64], n: int) -> dict[int, int]:
    """How many of each label make a stratified draw of `n`: largest remainders first, then lower labels."""
    found, sizes = np.unique(labels, return_counts=True)
    share = [divmod(int(size) * n, len(labels)) for size in sizes]
    most_left = sorted(range(len(share)), key=lambda place: (-share[place][1], place))
    rounded_up = set(most_left[: n - sum(whole for whole, _ in share)])
    return {int(label): share[place][0] + (place in rounded_up) for place, label in enumerate(found)}
