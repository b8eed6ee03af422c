"""MTT, TESLA, FTD, DATM, and any two bare arrays: images in one file, labels in another, perhaps a learning rate.

Source: GeorgeCazenavette/mtt-distillation, distill.py: `images_best.pt` and `labels_best.pt`, or with a number of
iterations; under `--zca` also `images_zca_<it>.pt`, which is the *inverse* of the whitening, so pixels. The learned
rate is not saved. DATM writes `lr_best.pt` beside them, and logits of teachers as labels. DC-BENCH keeps its random and
k-means selections in two such files too. Sets too large for one file come as `images_best_0.pt`, `images_best_1.pt`, …
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Array, Found, Layout, is_array, is_images
from benchmark.errors import InvalidInput, UsageError

__all__ = ["LAYOUT", "by_role", "joined", "learning_rate"]

INVERTED = re.compile(r"images_zca")


def _role(file: Loaded) -> str:
    """`images`, `labels`, `rate`, or nothing: by the file's name, held against what is in it."""
    stem = file.name.rpartition(".")[0].lower()
    if isinstance(file.content, float) or (is_array(file.content) and file.content.size == 1):
        return "rate" if re.search(r"(^|_)(syn_)?lr", stem) else ""
    if not is_array(file.content):
        return ""
    if re.search(r"label|target", stem):
        return "labels" if file.content.ndim <= 2 else ""
    return "images" if is_images(file.content) else ""


def by_role(files: Sequence[Loaded]) -> dict[str, list[Loaded]]:
    """Files by what they hold: `images`, `labels`, `rate`, or the empty name."""
    return {role: [file for file in files if _role(file) == role] for role in ("images", "labels", "rate", "")}


def _recognises(files: Sequence[Loaded]) -> bool:
    roles = by_role(files)
    return bool(roles["images"]) and not roles[""] and all(file.kind != "folder" for file in files)


def _read(files: Sequence[Loaded], request: Request) -> Found:
    roles = by_role(files)
    if not roles["labels"]:
        raise UsageError(
            f"{roles['images'][0].name} holds images without labels. Name the file of the labels too: "
            "distillbench convert images_best.pt labels_best.pt …"
        )
    images, labels = joined(roles["images"], "images"), joined(roles["labels"], "labels")
    inverted = [file.name for file in roles["images"] if INVERTED.search(file.name)]
    remarks = (f"{inverted[0]} is what MTT inverts its whitening into: pixels",) if inverted else ()
    return Found(
        "MTT, TESLA, FTD, DATM (images and labels in files of their own)",
        images,
        labels,
        space="pixel" if inverted else "",
        usual="standardized images (of CIFAR-100 by the numbers of CIFAR-10), or zca:kornia where it ran with --zca",
        learning_rate=learning_rate(roles["rate"]),
        remarks=remarks,
    )


def joined(files: Sequence[Loaded], what: str) -> Array:
    """One array of a file, or of numbered parts in their order; several states of a run are no parts."""
    if len(files) == 1:
        array: Array = files[0].content
        return array
    parts = _numbered(files, what)
    return np.concatenate([parts[number].content for number in sorted(parts)])


def _numbered(files: Sequence[Loaded], what: str) -> Mapping[int, Loaded]:
    found, stems = {}, set()
    for file in files:
        matched = re.fullmatch(r"(.*?_)(\d+)\.\w+", file.name)
        if matched:
            stems.add(matched[1])
            found[int(matched[2])] = file
    if len(stems) != 1 or sorted(found) != list(range(len(files))):
        names = ", ".join(sorted(file.name for file in files))
        raise UsageError(
            f"several files hold {what} ({names}). Name one; only parts of one set, numbered 0, 1, 2, …, are joined."
        )
    return found


def learning_rate(files: Sequence[Loaded]) -> float | None:
    """The rate that the one file of this role holds, if there is one; raises UsageError or InvalidInput."""
    if len(files) > 1:
        raise UsageError(f"several files hold a learning rate: {', '.join(file.name for file in files)}. Name one.")
    if not files:
        return None
    rate = float(np.asarray(files[0].content).reshape(-1)[0])
    if not np.isfinite(rate):
        raise InvalidInput(f"{files[0].name} holds {rate}, which is no learning rate.")
    return rate


LAYOUT = Layout(
    "MTT, TESLA, FTD, DATM, bare arrays: images*.pt (or .npy) and labels*.pt, with lr*.pt where there is one",
    _recognises,
    _read,
)
