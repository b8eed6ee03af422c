"""Brings images and labels of any layout into the one form of a set: (N, C, H, W) and class ids or rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.convert._request import Request
from benchmark.datasets import DatasetFacts
from benchmark.errors import InvalidInput, UsageError

__all__ = ["images_of", "labels_of"]

Array = npt.NDArray[Any]
Remarks = tuple[str, ...]
SLACK = 1e-5


def images_of(images: Array, facts: DatasetFacts) -> tuple[Array, Remarks]:
    """uint8, float16 or float32 (N, C, H, W), and remarks on what was changed; raises InvalidInput."""
    channels, height, width = facts.shape
    remarks: list[str] = []
    if images.ndim == 3 and channels == 1:
        images = images[:, None]
    if images.ndim == 4 and images.shape[1:] != facts.shape and images.shape[1:] == (height, width, channels):
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        remarks.append("images turned from (N, H, W, C) into (N, C, H, W)")
    if images.ndim != 4 or images.shape[1:] != facts.shape or not len(images):
        needed = ", ".join(map(str, facts.shape))
        raise InvalidInput(f"the images have shape {images.shape}; {facts.name} needs (N, {needed}).")
    if images.dtype == np.float64:
        remarks.append("images rounded from float64 to float32")
        return images.astype(np.float32), tuple(remarks)
    if images.dtype.kind in "iu" and images.dtype != np.uint8:
        if images.min() < 0 or images.max() > 255:
            raise InvalidInput(f"the images are whole numbers of {images.min()} … {images.max()}; pixels are 0 … 255.")
        return images.astype(np.uint8), tuple(remarks)
    return images, tuple(remarks)


def labels_of(labels: Array, request: Request, facts: DatasetFacts) -> tuple[Array, str, Remarks]:
    """The label tensor, its kind, and remarks; raises UsageError where the file leaves the kind open."""
    n_classes = len(facts.classes)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        if request.labels not in ("", "hard"):
            raise InvalidInput(f"--labels {request.labels}: the labels are one number an image, so they are hard.")
        return _ids(labels), "hard", ()
    if labels.ndim != 2 or labels.shape[1] != n_classes or not len(labels):
        raise InvalidInput(f"the labels have shape {labels.shape}; {facts.name} needs (N,) or (N, {n_classes}).")
    rows = labels.astype(np.float64)
    if not np.isfinite(rows).all():
        raise InvalidInput("the labels hold values that are NaN or infinite.")
    form = _one_hot(rows)
    if request.labels == "hard" or (form and not request.labels):
        lost = f"{form} rows become class ids, losslessly" if form else "of each row only its largest number is kept"
        return rows.argmax(axis=1).astype(np.int64), "hard", (f"labels: {lost}",)
    if not request.labels:
        raise UsageError(f"the labels are rows of {n_classes} numbers ({_looks(rows)}). {_QUESTION}")
    kept = labels if labels.dtype == np.float16 else labels.astype(np.float32)
    return kept, request.labels, ()


_QUESTION = (
    "What are they? Add --labels probabilities, --labels logits (with --temperature where it is not 1), or --labels "
    "hard to keep only the largest of each row."
)


def _ids(labels: Array) -> Array:
    """Class ids int64; floats only where all are whole."""
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise InvalidInput("the labels are one number an image, but not whole numbers. Fix: save class ids.")
    if labels.size and not (labels.min() >= 0 and labels.max() < 2**15):
        raise InvalidInput(f"the labels are {labels.min()} … {labels.max()}; class ids start at 0.")
    return labels.astype(np.int64)


def _one_hot(rows: Array) -> str:
    """`one-hot`, or `centred one-hot` (less 1/C, as KIP has them), where the rows are exactly that; else nothing."""
    hot = np.eye(rows.shape[1])[rows.argmax(axis=1)]
    for name, shift in (("one-hot", 0.0), ("centred one-hot", 1 / rows.shape[1])):
        if np.abs(rows - (hot - shift)).max() <= SLACK:
            return name
    return ""


def _looks(rows: Array) -> str:
    sums = rows.sum(axis=1)
    if rows.min() >= 0 and np.abs(sums - 1).max() <= 1e-3:
        return "none negative, every row sums to 1: they look like probabilities"
    return (
        f"from {rows.min():.2f} to {rows.max():.2f}, rows sum to {sums.min():.2f} … {sums.max():.2f}: no probabilities"
    )
