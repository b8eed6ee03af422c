"""HaBa: bases in one file, the styles' networks in another; labels follow from the order of the bases.

Source: Huage001/DatasetFactorization, distill_fac.py (commit 60c9128): `images_best.pt` (classes · ipc, c, H, W), class
by class, and `weights_best.pt`, or `styles_<it>.pt`: the `state_dict` of a ModuleList, so `0.enc.weight`, `0.scale`, …
for each style. Labels and the learned rate are not saved; where files of these names lie beside them, they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark import datasets
from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts import separate
from benchmark.convert.layouts._found import Array, Found, Layout, is_array
from benchmark.errors import InvalidInput, UsageError

__all__ = ["LAYOUT", "looks_like_styles"]

PARTS = ("enc.weight", "enc.bias", "scale", "shift", "dec.weight", "dec.bias")
MOST_STYLES = 1000
NAME = re.compile(r"(?:(\d{1,4})\.)?(enc\.weight|enc\.bias|scale|shift|dec\.weight|dec\.bias)")


def looks_like_styles(content: Any) -> bool:
    """Whether a file holds what only the authors' style networks have, of the known form or not."""
    states = content if isinstance(content, list) else [content]
    return bool(states) and all(
        isinstance(state, dict) and all(any(part in str(name) for name in state) for part in ("enc.", "scale", "shift"))
        for state in states
    )


def _parts(content: Any) -> list[dict[str, Any]]:
    """The six arrays of each style by name; raises InvalidInput for any other form."""
    states = content if isinstance(content, list) else [content]
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for number, state in enumerate(states):
        for name, array in state.items():
            matched = NAME.fullmatch(name)
            if not matched or not is_array(array):
                raise InvalidInput(_unknown(f"{name[:60]!r} is none of {', '.join(PARTS)}"))
            style = found.setdefault((number, int(matched[1] or 0)), {})
            if matched[2] in style:
                raise InvalidInput(_unknown(f"{name[:60]!r} is there twice, under numbers that are equal"))
            style[matched[2]] = array
    styles = [found[place] for place in sorted(found)]
    whole = [len(style) == len(PARTS) for style in styles]
    if (
        not all(whole)
        or len(styles) > MOST_STYLES
        or [j for _, j in sorted(found)] not in (list(range(len(styles))), [0] * len(styles))
    ):
        raise InvalidInput(_unknown("not every style has all of them, numbered 0, 1, 2, …"))
    return styles


def _unknown(what: str) -> str:
    return (
        f"the styles are not those of HaBa's published code ({what}). Fix: save a ModuleList of its StyleTranslator by "
        "torch.save(styles.state_dict(), …); other networks need a decoder of their own (benchmark/decoders/)."
    )


def _stacked(content: Any) -> dict[str, Array]:
    """The arrays (S, …) of all styles by the decoder's names; `scale` and `shift` lose their axis of 1."""
    styles = _parts(content)
    stacked = {}
    for part in PARTS:
        arrays = [style[part] for style in styles]
        if part in ("scale", "shift") and all(array.ndim == 4 and len(array) == 1 for array in arrays):
            arrays = [array[0] for array in arrays]
        if len({(array.shape, array.dtype) for array in arrays}) != 1:
            raise InvalidInput(_unknown(f"{part} differs in shape or dtype from style to style"))
        stacked[part.replace(".", "_")] = np.stack(arrays)
    return stacked


def _split(files: Sequence[Loaded]) -> tuple[list[Loaded], Mapping[str, list[Loaded]]]:
    """The files of styles, and the others by their role."""
    styles = [file for file in files if looks_like_styles(file.content)]
    return styles, separate.by_role([file for file in files if not looks_like_styles(file.content)])


def _recognises(files: Sequence[Loaded]) -> bool:
    torch_files = [file for file in files if file.kind.startswith("torch")]
    return len(torch_files) == len(files) and any(looks_like_styles(file.content) for file in torch_files)


def _read(files: Sequence[Loaded], request: Request) -> Found:
    styles, others = _split(files)
    if len(styles) != 1 or not others["images"] or others[""]:
        names = ", ".join(sorted(file.name for file in files))
        raise UsageError(
            f"{names}: HaBa's styles need their bases, and one file of each. Name images_best.pt and weights_best.pt, "
            "or images_<it>.pt and styles_<it>.pt, of one run."
        )
    bases = separate.joined(others["images"], "images")
    labels, remarks = _labels(bases, others["labels"], request)
    return Found(
        "HaBa (bases and styles)",
        bases,
        labels,
        usual="zca:kornia where it ran with --zca, else standardized (of CIFAR-100 by the numbers of CIFAR-10)",
        learning_rate=separate.learning_rate(others["rate"]),
        remarks=remarks,
        styles=_stacked(styles[0].content),
    )


def _labels(bases: Array, files: Sequence[Loaded], request: Request) -> tuple[Array, tuple[str, ...]]:
    """As saved, or by the order in which the authors' code keeps its bases."""
    if files:
        return separate.joined(files, "labels"), ()
    n_classes = len(datasets.facts(request.dataset).classes)
    if len(bases) != request.ipc * n_classes:
        raise UsageError(
            f"{len(bases)} bases are not --ipc {request.ipc} for each of the {n_classes} classes of {request.dataset!r}"
            ". Give the bases per class, or name the file of their labels too."
        )
    ids = np.repeat(np.arange(n_classes), request.ipc)
    return ids, (f"labels: {request.ipc} bases for each class in turn, as HaBa's code keeps them; it saves none",)


LAYOUT = Layout("HaBa: images*.pt (bases) and weights*.pt or styles*.pt (styles)", _recognises, _read)
