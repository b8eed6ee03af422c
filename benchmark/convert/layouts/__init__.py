"""The layouts that are read: an allow-list, one module for each family, each saying what it recognises.

Exactly one may recognise what an author names; a file that none does is refused with the list.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts import experiments, factorized, formations, kernel, named, pictures, refused, separate
from benchmark.convert.layouts._found import Found, Layout
from benchmark.errors import InvalidInput

__all__ = ["LAYOUTS", "find"]

LAYOUTS: tuple[Layout, ...] = (
    refused.LAYOUT,
    experiments.LAYOUT,
    formations.LAYOUT,
    separate.LAYOUT,
    factorized.LAYOUT,
    kernel.LAYOUT,
    named.LAYOUT,
    pictures.LAYOUT,
)


def find(files: Sequence[Loaded], request: Request) -> Found:
    """Images and labels of the files, by the one layout that recognises them; raises InvalidInput or UsageError."""
    fitting = [layout for layout in LAYOUTS if layout.recognises(files)]
    if len(fitting) != 1:
        names = ", ".join(sorted(file.name for file in files))
        known = "".join(f"\n  {layout.describes}" for layout in LAYOUTS if layout is not refused.LAYOUT)
        raise InvalidInput(f"{names}: no layout that is known here. Read are:{known}\nSee docs/convert.md.")
    return fitting[0].read(files, request)
