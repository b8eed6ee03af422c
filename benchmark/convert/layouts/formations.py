"""IDC, DREAM, IDM: one file with [images, labels], where an image may hold several smaller ones (multi-formation).

Source: snu-mllab/Efficient-Dataset-Condensation, condense.py: `torch.save([synset.data.detach().cpu(),
synset.targets.cpu()], "data.pt")`, pixels in 0..1 before any normalisation. How many formations an image holds is a
setting of the run (`--factor`) and not in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.convert._request import Request
from benchmark.convert._sandbox import Loaded
from benchmark.convert.layouts._found import Found, Layout, is_array, is_images

__all__ = ["LAYOUT"]


def _is_pair(content: Any) -> bool:
    return isinstance(content, list) and len(content) == 2 and is_images(content[0]) and is_array(content[1])


def _recognises(files: Sequence[Loaded]) -> bool:
    return len(files) == 1 and files[0].kind.startswith("torch") and _is_pair(files[0].content)


def _read(files: Sequence[Loaded], request: Request) -> Found:
    images, labels = files[0].content
    return Found("IDC, DREAM ([images, labels])", images, labels, usual="pixel", has_formations=True)


LAYOUT = Layout("IDC, DREAM: one file with [images, labels], with --factor", _recognises, _read)
