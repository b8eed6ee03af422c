"""SRe2L, RDED and their kin: a folder with one sub-folder of PNG or JPEG files for each class.

Class ids follow the names of the sub-folders: names of the dataset's classes, or numbers from 0 (`3`, `00003`,
`new003`). Sorting other names would be a guess. The soft labels that such methods draw for every epoch are not read:
the set is ranked with hard labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from benchmark import datasets
from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Found, Layout
from benchmark.errors import InvalidInput

__all__ = ["LAYOUT"]


def _recognises(files: Sequence[Loaded]) -> bool:
    return len(files) == 1 and files[0].kind == "folder"


def _read(files: Sequence[Loaded], request: Request) -> Found:
    content = files[0].content
    names = sorted(set(content["folders"]))
    ids = _ids(names, datasets.facts(request.dataset).classes, request.dataset)
    labels = np.array([ids[name] for name in content["folders"]], dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    return Found("folders of images", content["pictures"][order], labels[order], space="pixel")


def _ids(names: Sequence[str], classes: Sequence[str], dataset: str) -> dict[str, int]:
    if set(names) <= set(classes):
        return {name: classes.index(name) for name in names}
    numbers = {name: re.fullmatch(r"(?:new|class_?)?(\d{1,5})", name) for name in names}
    ids = {name: int(found[1]) for name, found in numbers.items() if found}
    if len(ids) != len(names) or len(set(ids.values())) != len(names) or max(ids.values()) >= len(classes):
        strange = next((name for name in names if name not in classes and name not in ids), names[-1])
        raise InvalidInput(
            f"sub-folder {strange[:60]!r} is no class of {dataset!r}. Fix: name the sub-folders after the classes "
            f"({', '.join(classes[:3])}, …) or number them 0 to {len(classes) - 1}."
        )
    return ids


LAYOUT = Layout("SRe2L, RDED: a folder with a sub-folder of PNG or JPEG files for each class", _recognises, _read)
