"""One file with named arrays: an .npz, a safetensors file, or a torch dict with `images` and `labels`.

The plainest of all layouts, of no method in particular.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Found, Layout, is_array, is_images

__all__ = ["LAYOUT", "NAMES"]

NAMES = (("images", "labels"), ("x", "y"), ("data", "labels"), ("data", "targets"), ("image", "label"))


def _names(content: Any) -> tuple[str, str] | None:
    """Which two names the arrays bear."""
    if not isinstance(content, dict):
        return None
    both = [(x, y) for x, y in NAMES if is_images(content.get(x)) and is_array(content.get(y))]
    return both[0] if len(both) == 1 else None


def _recognises(files: Sequence[Loaded]) -> bool:
    if len(files) != 1 or files[0].kind == "folder" or (names := _names(files[0].content)) is None:
        return False
    return files[0].kind != "npz" or files[0].content[names[1]].ndim == 1 or names != ("images", "labels")


def _read(files: Sequence[Loaded], request: Request) -> Found:
    content = files[0].content
    names = _names(content) or NAMES[0]
    unused = sorted(set(content) - set(names))
    remarks = (f"passed over: {', '.join(unused)[:200]}",) if unused else ()
    return Found(f"arrays named {names[0]} and {names[1]}", content[names[0]], content[names[1]], remarks=remarks)


LAYOUT = Layout(
    "bare arrays: one .npz, .safetensors or torch dict with `images` and `labels` (or `x` and `y`)", _recognises, _read
)
