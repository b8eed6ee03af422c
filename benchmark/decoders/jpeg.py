"""The set is one JPEG picture that holds all images side by side.

So real images can be compared with distilled ones at equal bytes: the bytes that count are those of the picture.
`benchmark/codecs.py` says how the images stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from benchmark import codecs

if TYPE_CHECKING:
    import torch

    from benchmark.datasets import Dataset, DatasetFacts
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["TENSORS", "VERSION", "decode", "problems"]

VERSION = 1
TENSORS = ("stream", "labels")


def decode(tensors: Mapping[str, torch.Tensor], dataset: Dataset) -> torch.Tensor:
    """Return the uint8 images (N, C, H, W) of the picture whose bytes are `stream` (L,), as many as labels."""
    import torch

    content, n = tensors["stream"].numpy().tobytes(), len(tensors["labels"])
    return torch.from_numpy(codecs.decode(content, n, dataset.facts.shape, "jpeg"))


def problems(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    """What is wrong with a set that names this decoder, one line each."""
    return codecs.problems(synthetic, facts, "jpeg")
