"""KIP, RFAD and FRePo: an .npz with `images` and `labels`, or `x_proto` and `y_proto`; one row of numbers a label.

Source: google-research KIP and Label Solve (images NHWC, whitened by its own ZCA; labels one-hot less 1/C); RFAD
`best.npz`; FRePo's prototypes. DC-BENCH takes the argmax of the labels. FRePo's flax checkpoints are not read: save the
two arrays with numpy.savez.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Found, Layout, is_array, is_images

__all__ = ["LAYOUT"]

NAMES = (("images", "labels"), ("x_proto", "y_proto"))


def _names(file: Loaded) -> tuple[str, str] | None:
    content = file.content if file.kind == "npz" else {}
    both = [(x, y) for x, y in NAMES if is_images(content.get(x)) and is_array(content.get(y)) and content[y].ndim == 2]
    return both[0] if both else None


def _recognises(files: Sequence[Loaded]) -> bool:
    return len(files) == 1 and _names(files[0]) is not None


def _read(files: Sequence[Loaded], request: Request) -> Found:
    x, y = _names(files[0]) or NAMES[0]
    content = files[0].content
    return Found("KIP, RFAD, FRePo (npz)", content[x], content[y], usual="zca:kip (FRePo: a ZCA of its own)")


LAYOUT = Layout("KIP, RFAD, FRePo: an .npz with images and labels, or x_proto and y_proto", _recognises, _read)
