"""KIP, RFAD, FRePo and RCIG: images and rows of numbers as labels, in an .npz or a checkpoint of flax.

Source: google-research KIP and Label Solve (.npz; images NHWC, whitened by its own ZCA; labels one-hot less 1/C); RFAD
`best.npz`; yongchao97/FRePo, script/eval.py, which trains on `params` of its checkpoint; yolky/RCIG, eval.py, which
trains on `ema_average`. Both call the arrays `x_proto` and `y_proto`. DC-BENCH takes the argmax of the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Array, Found, Layout, is_array, is_images
from benchmark.errors import UsageError

__all__ = ["LAYOUT"]

NAMES = {"npz": (("images", "labels"), ("x_proto", "y_proto")), "flax": (("x_proto", "y_proto"),)}
"""By kind of file; whatever else has `images` and `labels` are bare arrays."""
TRAINED_ON = {"params": "what FRePo's evaluation takes", "ema_average": "what RCIG's evaluation takes"}
USUAL = {
    "npz": "zca:kip (FRePo: a ZCA of its own)",
    "flax": "standardized images of MNIST and Fashion-MNIST; of all others those of a ZCA that is neither of the two "
    "here, which its preprocess_op_rev turns into pixels",
}


def _pair(content: Any, kind: str) -> tuple[Array, Array] | None:
    """Images and rows of labels, where a dict has both."""
    for x, y in NAMES.get(kind, ()) if isinstance(content, Mapping) else ():
        images, labels = content.get(x), content.get(y)
        if is_images(images) and is_array(labels) and labels.ndim == 2:
            return images, labels
    return None


def _places(file: Loaded) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """Where in a file there are images and labels, and these: in itself, or in a part of a checkpoint."""
    parts = {"": file.content}
    if file.kind == "flax" and isinstance(file.content, Mapping):
        parts |= {place: file.content.get(place) for place in TRAINED_ON}
    yield from ((place, pair) for place, part in parts.items() if (pair := _pair(part, file.kind)))


def _recognises(files: Sequence[Loaded]) -> bool:
    return len(files) == 1 and any(_places(files[0]))


def _read(files: Sequence[Loaded], request: Request) -> Found:
    (file,) = files
    places = list(_places(file))
    if len(places) > 1 and request.index is None:
        listed = "".join(f"\n  {i}: {place} ({TRAINED_ON.get(place, 'bare')})" for i, (place, _) in enumerate(places))
        raise UsageError(f"{file.name} holds {len(places)} sets. Which one? Add --index N:{listed}")
    chosen = request.index or 0
    if not 0 <= chosen < len(places):
        raise UsageError(f"--index {chosen}: {file.name} holds the sets 0 to {len(places) - 1}.")
    place, (images, labels) = places[chosen]
    remarks = (f"took {place!r} of the checkpoint",) if place else ()
    kind = "KIP, RFAD, FRePo (npz)" if file.kind == "npz" else "FRePo, RCIG (flax checkpoint)"
    return Found(kind, images, labels, usual=USUAL[file.kind], remarks=remarks)


LAYOUT = Layout(
    "KIP, RFAD, FRePo, RCIG: an .npz with images and labels, x_proto and y_proto, or a flax checkpoint with these",
    _recognises,
    _read,
)
