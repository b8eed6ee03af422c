"""DC, DSA, DM, CAFE, DataDAM, IDM: a dict whose `data` is a list of [images, labels], one for each experiment or save.

Source: VICO-UoE/DatasetCondensation, main.py and main_DM.py: `data` grows by one pair an experiment (five), and
`accs_all_exps` holds test accuracies by architecture. DataDAM appends a pair at each evaluation instead, so its pairs
are states of one run; its released files hold a single pair. Which pair others take differs (the first, the last): here
the author says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Array, Found, Layout, is_array, is_images
from benchmark.errors import UsageError

__all__ = ["LAYOUT"]

USUAL = "standardized images (standardized:vico where the dataset has these)"
Pair = tuple[Array, Array]


def _pairs(content: Any) -> list[Pair]:
    """The pairs of a dict, empty where it is not of this layout."""
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        return []
    entries = [data] if len(data) == 2 and all(map(is_array, data)) else data
    are_pairs = all(isinstance(e, list) and len(e) == 2 and is_images(e[0]) and is_array(e[1]) for e in entries)
    return [(entry[0], entry[1]) for entry in entries] if are_pairs else []


def _recognises(files: Sequence[Loaded]) -> bool:
    return len(files) == 1 and files[0].kind.startswith("torch") and bool(_pairs(files[0].content))


def _read(files: Sequence[Loaded], request: Request) -> Found:
    pairs, index = _pairs(files[0].content), request.index
    if index is None and len(pairs) > 1:
        listed = "".join(f"\n  {i}: images {images.shape}" for i, (images, _) in enumerate(pairs))
        raise UsageError(
            f"{files[0].name} holds {len(pairs)} sets. Which one? Add --index, from 0. In files of DC, DSA and DM they "
            "are experiments with seeds of their own (take each, with --seed); in DataDAM's, states of one run, the "
            f"last the newest:{listed}"
        )
    chosen = index or 0
    if not 0 <= chosen < len(pairs):
        raise UsageError(f"--index {chosen}: {files[0].name} holds the sets 0 to {len(pairs) - 1}.")
    images, labels = pairs[chosen]
    remarks = (f"took set {chosen} of {len(pairs)}",) if len(pairs) > 1 else ()
    return Found("DC, DSA, DM, DataDAM (a dict with `data`)", images, labels, usual=USUAL, remarks=remarks)


LAYOUT = Layout("DC, DSA, DM, CAFE, DataDAM: a dict whose `data` is a list of [images, labels]", _recognises, _read)
