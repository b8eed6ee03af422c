"""What the coded baselines share: real images, coded small, so that many stand where one distilled image does.

A distilled image of float32 takes four times the bytes of a real one; what every distilled set must beat is therefore
not as many real images, but as many as fit its bytes when they are coded well. Given bytes, the set is filled with as
many images of each class as fit at the preset's quality. Qualities are fixed by preset; none was chosen by a score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmark import codecs
from benchmark.baseline import Baseline
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.space import PIXEL
from benchmark.synthetic_set import Array, Decoder, SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["Coded"]

REDUCED = "reduced-resolution"


@dataclass(frozen=True)
class Coded(Baseline):
    """Base of baselines that code real images; they define `select`."""

    bytes_per_value = 1
    codec: str = "jpeg"
    """`jpeg` or `webp`: all images in one picture; `reduced-resolution`: uint8 images of fewer pixels."""
    quality: int = 25
    """Of JPEG and WebP, 1 to 100."""
    factor: int = 2
    """Of reduced resolution: by how much each side shrinks."""

    def select(self, real: Real, per_class: int, run: Run) -> Array:
        """Canonical train indices of `per_class` images of each class, by class; fewer are the beginning of more."""
        raise NotImplementedError

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return coded images; raises UsageError where not one of each class fits, or a class has too few."""
        if budget.ipc is not None:
            return self._coded(self.select(real, budget.ipc, run), budget.ipc, run)
        if budget.bytes is None:
            raise UsageError("this baseline needs a budget: images per class, or bytes.")
        return self._filled(real, budget.bytes, run)

    def _filled(self, real: Real, n_bytes: int, run: Run) -> SyntheticSet:
        """The largest set that fits; sizes grow almost in proportion to the number of images.

        Its card states no images per class: they differ from seed to seed by what the codec makes of the images.
        """
        most = min(len(rows) for rows in run.class_rows().values())
        chosen: dict[str, Array] = {}
        made: dict[int, SyntheticSet] = {}

        def size(per_class: int) -> int:
            if "rows" not in chosen or chosen["rows"].shape[1] < per_class:  # selecting all may take long
                ahead = min(most, 2 * per_class)
                chosen["rows"] = self.select(real, ahead, run).reshape(-1, ahead)
            if per_class not in made:
                made[per_class] = self._coded(chosen["rows"][:, :per_class].ravel(), per_class, run)
            return made[per_class].ledger["total"]

        if size(1) > n_bytes:
            n = len(chosen["rows"])
            raise UsageError(f"{n_bytes} bytes hold no image of each of {n} classes. Ask for {size(1)} or more.")
        per_class = _largest(size, n_bytes, most)
        return _padded(made[per_class], n_bytes if per_class < most else 0)

    def _coded(self, rows: Array, per_class: int, run: Run) -> SyntheticSet:
        """A set of these images, by class."""
        named = run.of_indices(rows, per_class)
        images = run.dataset.train.images[named.tensors["indices"]]
        if self.codec == REDUCED:
            coded = {"thumbnails": _shrunk(images, self.factor)}
        elif self.codec in codecs.CODECS:
            coded = {"stream": np.frombuffer(codecs.encode(images, self.codec, self.quality), np.uint8).copy()}
        else:
            raise UsageError(f"codec is {self.codec!r}; it must be {', '.join(codecs.CODECS)} or {REDUCED}.")
        card = replace(named.card, space=PIXEL, decoder=Decoder(self.codec))
        return SyntheticSet({**coded, "labels": named.tensors["labels"]}, card)


def _largest(size: Callable[[int], int], limit: int, most: int) -> int:
    """The k up to `most` with size(k) within the limit and size(k + 1) beyond it, found by secants; size(1) fits."""
    low, high = 1, most + 1  # low fits, high does not
    while high - low > 1:
        guess = int(low * limit / size(low))
        middle = min(max(guess, low + 1), high - 1)
        if size(middle) <= limit:
            low = middle
            if middle + 1 < high and size(middle + 1) > limit:
                break
        else:
            high = middle
    return low


def _padded(made: SyntheticSet, n_bytes: int) -> SyntheticSet:
    """The set without its number of images per class; a picture is followed by zeros up to `n_bytes` in all.

    So the sets of all seeds take what they were given, to the byte, and are one line of a board. No decoder reads on
    behind a picture's end.
    """
    tensors = dict(made.tensors)
    if "stream" in tensors:
        missing = max(0, n_bytes - made.ledger["total"])
        tensors["stream"] = np.concatenate([tensors["stream"], np.zeros(missing, np.uint8)])
    return SyntheticSet(tensors, replace(made.card, ipc=None))


def _shrunk(images: Array, factor: int) -> Array:
    """Means over squares of `factor` x `factor` pixels; raises UsageError where the sides do not divide."""
    n, channels, height, width = images.shape
    if factor < 1 or height % factor or width % factor:
        raise UsageError(f"images of {height}x{width} do not shrink by {factor} without a rest. Take another preset.")
    squares = images.reshape(n, channels, height // factor, factor, width // factor, factor)
    shrunk: Array = np.rint(squares.mean(axis=(3, 5))).astype(np.uint8)
    return shrunk
