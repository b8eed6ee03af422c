"""ZCA whitening: the matrix that a set in `zca` space was whitened by, computed again from the train split.

Source: kornia's `ZCAWhitening` with `eps = 0.1`, as GeorgeCazenavette/mtt-distillation calls it: over the flattened
pixels in 0..1 of all training images, less their mean, the covariance (divided by n - 1) has eigenvectors U and
eigenvalues s; images times U diag(1 / √(s + eps)) Uᵀ are white, and U diag(√(s + eps)) Uᵀ leads back.

Differs: computed in float64 and rounded once, so that machines agree to the last digits of float32. Whoever whitens a
part of train uses the matrix of all of it, since a card does not say which part.

Free of torch until a tensor is whitened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import datasets, tensor_file
from benchmark.datasets import Dataset
from benchmark.durable import write_replacing
from benchmark.errors import DistillBenchError, EnvironmentFault

__all__ = ["Whitening", "fit", "of"]

Floats = npt.NDArray[np.float32]
KEPT_FROM = 512
"""Values of an image from which on the matrix is kept on disk: for 32x32 colour images it takes half a minute."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map of flattened images and its inverse, float32."""

    mean: Floats
    """(D,)"""
    forward: Floats
    """(D, D), symmetric"""
    inverse: Floats
    """(D, D), symmetric"""
    _moved: dict[Any, tuple[Any, Any, Any]] = field(default_factory=dict, repr=False)

    def whiten(self, images: Any) -> Any:
        """Pixels (N, C, H, W) in 0..1 to whitened values; numpy array or tensor, like what is given."""
        mean, forward, _ = self._like(images)
        return ((images.reshape(len(images), -1) - mean) @ forward).reshape(images.shape)

    def restore(self, images: Any) -> Any:
        """Undo `whiten`; not clipped."""
        mean, _, inverse = self._like(images)
        return (images.reshape(len(images), -1) @ inverse + mean).reshape(images.shape)

    def _like(self, images: Any) -> tuple[Any, Any, Any]:
        """mean, forward and inverse as the kind of array, and on the device, of `images`."""
        if not hasattr(images, "new_tensor"):
            return self.mean, self.forward, self.inverse
        if images.device not in self._moved:
            import torch

            whole = (self.mean, self.forward, self.inverse)
            mean, forward, inverse = (torch.from_numpy(part).to(images.device) for part in whole)
            self._moved[images.device] = mean, forward, inverse
        return self._moved[images.device]


def fit(images: npt.NDArray[np.uint8], eps: float) -> Whitening:
    """The whitening of images (N, C, H, W) of 0..255, which count as pixels of 0..1."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    pixels = images.reshape(len(images), -1)
    mean = pixels.mean(axis=0, dtype=np.float64) / 255
    total = np.zeros((pixels.shape[1], pixels.shape[1]))
    with threadpool_limits(1):  # threads add up in any order, and the last digits would move
        for start in range(0, len(pixels), 5000):
            centred = pixels[start : start + 5000] / 255 - mean
            total += centred.T @ centred
        values, vectors = np.linalg.eigh(total / (len(pixels) - 1))
        scale = np.sqrt(np.maximum(values, 0) + eps)
        forward, inverse = (vectors / scale) @ vectors.T, (vectors * scale) @ vectors.T
    return Whitening(mean.astype(np.float32), forward.astype(np.float32), inverse.astype(np.float32))


def of(dataset: Dataset, eps: float) -> Whitening:
    """The whitening of a dataset's train split; kept in memory, and for larger images on disk."""
    return _of(dataset.facts.name, dataset.facts.digest, eps)


@lru_cache(maxsize=4)
def _of(name: str, digest: str, eps: float) -> Whitening:
    """`digest` is there for the cache, and for the name on disk."""
    images = datasets.load(name).train.images
    if images[0].size < KEPT_FROM:
        return fit(images, eps)
    file = datasets.data_root() / "whitening" / f"{digest}-{eps!r}.safetensors"
    kept = _read(file, images[0].size)
    if kept is None:
        kept = fit(images, eps)
        _keep(file, kept)
    return kept


def _read(file: Path, size: int) -> Whitening | None:
    """What was kept; None where there is none, or it is damaged."""
    try:
        kept = tensor_file.read(file)
        found = Whitening(kept["mean"], kept["forward"], kept["inverse"])
    except (OSError, KeyError, DistillBenchError):
        return None
    return found if found.forward.shape == (size, size) and np.isfinite(found.forward).all() else None


def _keep(file: Path, found: Whitening) -> None:
    """A folder that cannot be written only costs time again."""
    content = tensor_file.to_bytes({"mean": found.mean, "forward": found.forward, "inverse": found.inverse})
    try:
        write_replacing(file, content, file.parent)
    except (OSError, EnvironmentFault):
        return
