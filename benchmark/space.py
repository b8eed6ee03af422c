"""Value spaces: what the numbers of a synthetic set mean, and how they map to pixels.

The commonest failure of the field is a set tested in the wrong space, so every card declares one. A network trains in
the space of its set; real test images are converted to match. Works on numpy arrays and on torch tensors alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark._strict import shown
from benchmark.errors import InvalidInput

if TYPE_CHECKING:
    from benchmark.datasets import Dataset
    from benchmark.whitening import Whitening

__all__ = ["KINDS", "PIXEL", "Space"]

KINDS = ("pixel", "standardized", "zca")
ZCA_VARIANTS = ("kip", "kornia")
LARGEST, SMALLEST_STD = 1000, 1e-4
"""Bounds of mean and std, in pixel units of 0..1: far beyond all data, and safe in float32."""
Array = TypeVar("Array")


@dataclass(frozen=True)
class Space:
    """How stored numbers relate to pixels in 0..1."""

    kind: str
    mean: tuple[float, ...] = ()
    """`standardized`: per channel, in pixel units."""
    std: tuple[float, ...] = ()
    variant: str = ""
    """`zca`: whose whitening; it is recomputed from the train split, never stored."""
    eps: float = 0.0
    whitening: Whitening | None = field(default=None, compare=False, repr=False)
    """`zca`: its matrix, once `bound`; no part of what the space is."""

    def to_json(self) -> dict[str, Any]:
        """The card's form: only the fields that the kind uses."""
        if self.kind == "standardized":
            return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}
        return {"kind": "zca", "variant": self.variant, "eps": self.eps} if self.kind == "zca" else {"kind": self.kind}

    @classmethod
    def from_json(cls, stored: Any) -> Space:
        """Read the card's form; raises InvalidInput naming what is wrong."""
        if not isinstance(stored, Mapping) or stored.get("kind") not in KINDS:
            kinds = ", ".join(KINDS)
            raise InvalidInput(f"space is {shown(stored)}; it must be an object whose kind is one of {kinds}.")
        expected = {"pixel": set(), "standardized": {"mean", "std"}, "zca": {"variant", "eps"}}[stored["kind"]]
        if set(stored) - {"kind"} != expected:
            raise InvalidInput(
                f"space of kind {stored['kind']!r} has exactly the fields {sorted({'kind', *expected})}."
            )
        if stored["kind"] == "standardized":
            mean, std = _numbers(stored["mean"], "mean"), _numbers(stored["std"], "std")
            if len(mean) != len(std) or min(std) < SMALLEST_STD:
                raise InvalidInput(
                    f"space: mean and std need a number for each channel, a std of {SMALLEST_STD} or more."
                )
            return cls("standardized", mean, std)
        if stored["kind"] == "zca":
            if stored["variant"] not in ZCA_VARIANTS:
                raise InvalidInput(f"space: variant is {shown(stored['variant'])}; allowed: {', '.join(ZCA_VARIANTS)}.")
            eps = _numbers([stored["eps"]], "eps")[0]
            if not eps > 0:
                raise InvalidInput(f"space: eps is {eps}; it must be above 0, or the whitening may divide by nought.")
            return cls("zca", variant=stored["variant"], eps=eps)
        return PIXEL

    def bound(self, dataset: Dataset) -> Space:
        """The same space, ready to convert: of `zca` the matrix is computed from the dataset's train split.

        Raises InvalidInput for the variant `kip`, which scales every image to length 1 and so leads nowhere back.
        """
        if self.kind != "zca":
            return self
        if self.variant != "kornia":
            raise InvalidInput(
                f"sets whitened as {self.variant!r} does it are stored and listed, but not trained on: it scales "
                "each image by its own length, which cannot be undone. Store the images in pixel or standardized space."
            )
        from benchmark import whitening

        return replace(self, whitening=whitening.of(dataset, self.eps))

    def to_pixel(self, images: Array) -> Array:
        """Stored numbers (N, C, H, W) to pixels; not clipped, since distilled images overshoot."""
        if self.kind == "pixel":
            return images
        if self.kind == "zca":
            return self._matrix().restore(images)  # type: ignore[no-any-return]
        mean, std = self._columns(images)
        return images * std + mean  # type: ignore[no-any-return]

    def from_pixel(self, images: Array) -> Array:
        """Pixels (N, C, H, W) in 0..1 to this space."""
        if self.kind == "pixel":
            return images
        if self.kind == "zca":
            return self._matrix().whiten(images)  # type: ignore[no-any-return]
        mean, std = self._columns(images)
        return (images - mean) / std  # type: ignore[no-any-return]

    def _matrix(self) -> Whitening:
        if self.whitening is None:
            raise InvalidInput(
                "a zca space says which whitening, not its matrix. Fix: convert by `space.bound(dataset)`."
            )
        return self.whitening

    def _columns(self, like: Any) -> tuple[Any, Any]:
        """mean and std shaped (1, C, 1, 1), of the array type, dtype and device of `like`."""
        if hasattr(like, "new_tensor"):
            import torch

            columns = (torch.tensor(part, dtype=like.dtype).view(1, -1, 1, 1) for part in (self.mean, self.std))
            moved = [column.to(like.device, non_blocking=True) for column in columns]  # nothing waits for a GPU
            return moved[0], moved[1]
        import numpy as np

        mean, std = (np.asarray(part, dtype=like.dtype).reshape(1, -1, 1, 1) for part in (self.mean, self.std))
        return mean, std


PIXEL = Space("pixel")


def _numbers(value: Any, field: str) -> tuple[float, ...]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    if not is_list or any(type(number) not in (int, float) or not abs(number) <= LARGEST for number in value):
        raise InvalidInput(f"space: {field} is {shown(value)}; it must hold numbers of at most {LARGEST}.")
    return tuple(float(number) for number in value)
