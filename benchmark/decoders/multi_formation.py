"""Each stored image holds several smaller ones, side by side; each is cut out and enlarged to the full size.

Kim et al. (2022), Dataset Condensation via Efficient Synthetic-Data Parameterization, section 4.1; compared with
`decode_zoom` of snu-mllab/Efficient-Dataset-Condensation, condense.py: crops of ceil(H / factor), the image padded with
0.5 below and to the right where the factor does not divide it, bilinear without aligned corners.
Differs: for all images at once instead of class by class, which changes their order and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from benchmark.datasets import Dataset
from benchmark.errors import InvalidInput

__all__ = ["TENSORS", "VERSION", "decode"]

VERSION = 1
TENSORS = ("images", "labels")


def decode(tensors: Mapping[str, torch.Tensor], dataset: Dataset, *, factor: int = 2) -> torch.Tensor:
    """Return factor² times as many images (M, C, H, W) float32, in the space of `images`; uint8 become pixels.

    Position by position, row-major: first the upper left part of every image, then the next. `labels` has one for each
    image that comes out, in this order. Raises InvalidInput where their number or the factor does not fit.
    """
    images = tensors["images"].float() / 255 if tensors["images"].dtype == torch.uint8 else tensors["images"].float()
    height, width = images.shape[-2:]
    if type(factor) is not int or not 1 <= factor <= min(height, width):
        raise InvalidInput(f"decoder multi-formation: factor is {factor}; it must be a whole number from 1.")
    if len(tensors["labels"]) != len(images) * factor**2:
        raise InvalidInput(f"{len(images)} images of factor {factor} need {len(images) * factor**2} labels.")
    padded = F.pad(images, (0, -width % factor, 0, -height % factor), value=0.5)
    rows, columns = padded.shape[-2] // factor, padded.shape[-1] // factor
    parts = [
        padded[..., i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
        for i in range(factor)
        for j in range(factor)
    ]
    return F.interpolate(torch.cat(parts), size=(height, width), mode="bilinear", align_corners=False)
