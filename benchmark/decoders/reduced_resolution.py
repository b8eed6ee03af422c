"""The set holds its images at a lower resolution; they are enlarged again before anything is trained on them.

By bicubic interpolation, rounded to pixels of 0 to 255.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmark import codecs

if TYPE_CHECKING:
    import torch

    from benchmark.datasets import Dataset, DatasetFacts
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["TENSORS", "VERSION", "decode", "problems"]

VERSION = 1
TENSORS = ("thumbnails", "labels")
CHUNK = 1000
"""Images enlarged at a time."""


def decode(tensors: Mapping[str, torch.Tensor], dataset: Dataset) -> torch.Tensor:
    """Return `thumbnails` (N, C, h, w), uint8, enlarged to the dataset's (N, C, H, W), uint8."""
    import torch
    import torch.nn.functional as F

    size = dataset.facts.shape[1:]
    parts = torch.split(tensors["thumbnails"], CHUNK)
    enlarged = [F.interpolate(part.float(), size, mode="bicubic", align_corners=False) for part in parts]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in enlarged])


def problems(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    """What is wrong with a set that names this decoder, one line each."""
    small, labels = synthetic.tensors["thumbnails"], synthetic.tensors["labels"]
    channels, height, width = facts.shape
    fits = small.ndim == 4 and small.shape[1] == channels and small.shape[2] <= height and small.shape[3] <= width
    if small.dtype != np.uint8 or not fits:
        yield (
            f"tensor 'thumbnails' is {small.dtype} of shape {small.shape}; it must be uint8 of shape "
            f"(N, {channels}, h, w) with h at most {height} and w at most {width}."
        )
    elif len(small) > facts.n_train:
        yield f"there are {len(small)} images, more than {facts.name} has training images ({facts.n_train})."
    elif labels.ndim and len(labels) != len(small):
        yield f"there are {len(small)} images but {len(labels)} labels."
    else:
        yield from codecs.counts(synthetic, facts)
    if synthetic.card.space.kind != "pixel":
        yield f"the decoder gives pixels, but the card declares the space {synthetic.card.space.kind!r}."
