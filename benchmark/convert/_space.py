"""Which value space an author declares, and which one the numbers resemble, measured against the dataset's statistics.

Distance of a space: turned into pixels by it, how far the images' means lie from the dataset's (in its SDs), plus
how far their SDs are off (log ratio), each averaged over channels. Real images have 0 in their own space; distilled
ones drift, so a declared space is refused only where it is far off and another fits twice as well. Whitened images have
no such formula without the training images; what marks them on colour images is a mean near 0, an SD below that of
standardized ones, and neighbouring pixels that correlate little. On 12,000 images of CIFAR-10 (n = 1 draw): pixels SD
0.25, correlation 0.91; kornia's ZCA SD 0.26, correlation 0.65; KIP's SD 0.51, correlation 0.39.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.datasets import DatasetFacts
from benchmark.errors import InvalidInput, UsageError
from benchmark.space import PIXEL, Space

__all__ = ["FORMS", "Declared", "Measured", "check", "declared", "measure"]

Array = npt.NDArray[Any]
EPS = 0.1
"""Of both whitenings: kornia's in MTT (eps = 0.1) and KIP's (0.1 of the mean eigenvalue)."""
FAR, TWICE = 0.6, 2.0
WHITE_SD, WHITE_CORRELATION = 0.75, 0.72
UNSURE = FAR
"""Distance of whitening where the numbers allow it without showing it: never refused, never a reason to refuse."""
FORMS = "pixel, 0-255, standardized, standardized:NAME, standardized:MEANS/STDS, zca:kornia or zca:kip"


@dataclass(frozen=True)
class Declared:
    """A space, and what must be done to the numbers first."""

    space: Space
    divisor: float = 1.0


@dataclass(frozen=True)
class Measured:
    """What the numbers of the images look like."""

    text: str
    """For messages."""
    distances: Mapping[str, float]
    """By family: `pixel`, `0-255`, `standardized`, `zca`; nearest first."""

    @property
    def nearest(self) -> str:
        return next(iter(self.distances))


def declared(text: str, facts: DatasetFacts) -> Declared:
    """Read the option `--space`; raises UsageError naming what is allowed."""
    family, _, rest = text.partition(":")
    if text == "pixel":
        return Declared(PIXEL)
    if text == "0-255":
        return Declared(PIXEL, 255.0)
    if text in ("zca:kornia", "zca:kip"):
        return Declared(Space("zca", variant=rest, eps=EPS))
    if family == "standardized":
        return Declared(_standardized(rest, facts))
    raise UsageError(f"--space {text[:60]!r} is none of {FORMS}.")


def _standardized(name: str, facts: DatasetFacts) -> Space:
    """The mean and std of a named normalisation, or those that are written out: `0.49,0.48,0.45/0.20,0.20,0.20`."""
    known = {which: Space("standardized", one.mean, one.std) for which, one in facts.statistics.items()}
    if not name and len(set(known.values())) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    if re.fullmatch(r"[-0-9.,e]+/[-0-9.,e]+", name):
        try:
            mean, std = ([float(number) for number in part.split(",")] for part in name.split("/"))
            return Space.from_json({"kind": "standardized", "mean": mean, "std": std})
        except (ValueError, InvalidInput) as fault:
            raise UsageError(f"--space standardized:{name[:100]}: {fault}") from fault
    which = "".join(f"\n  standardized:{n}: mean {list(s.mean)}, std {list(s.std)}" for n, s in known.items())
    asked = f"no normalisation {name[:60]!r} of {facts.name}" if name else "several normalisations are in use"
    raise UsageError(f"--space standardized: {asked}. Name the one that your real images had:{which}")


def measure(images: Array, facts: DatasetFacts) -> Measured:
    """Look at floats (N, C, H, W); raises InvalidInput where they are not finite."""
    exact = images.astype(np.float64)
    if not np.isfinite(exact).all():
        raise InvalidInput("the images hold values that are NaN or infinite. Fix: take a state of the run before them.")
    mean, std = exact.mean(axis=(0, 2, 3)), exact.std(axis=(0, 2, 3))
    known = [PIXEL, *(Space("standardized", one.mean, one.std) for one in facts.statistics.values())]
    correlation = _correlation(exact)
    found = {
        "pixel": _distance(mean, std, known[0], facts),
        "0-255": _distance(mean / 255, std / 255, known[0], facts),
        "standardized": min(_distance(mean, std, space, facts) for space in known[1:]),
        "zca": _whitened(mean, std, correlation, facts),
    }
    low, high = np.percentile(exact, [1, 99])
    text = (
        f"mean {exact.mean():.2f}, SD {exact.std():.2f}, 1 to 99 % in {low:.2f} … {high:.2f}, neighbouring pixels "
        f"correlate {correlation:.2f}"
    )
    return Measured(text, dict(sorted(found.items(), key=lambda pair: pair[1])))


def _distance(mean: Array, std: Array, space: Space, facts: DatasetFacts) -> float:
    """How far means and SDs, turned into pixels, are from those of the dataset."""
    real = facts.statistics["dataset"]
    scale, shift = (np.asarray(space.std), np.asarray(space.mean)) if space.kind == "standardized" else (1.0, 0.0)
    if np.size(scale) not in (1, len(mean)):
        return float("inf")
    off = np.abs(mean * scale + shift - real.mean) / real.std
    spread = np.abs(np.log(np.maximum(std * scale, 1e-9) / real.std))
    return float(off.mean() + spread.mean())


def _correlation(images: Array) -> float:
    """Of horizontal neighbours, each image and channel about its mean; 0 for flat images."""
    centred = images - images.mean(axis=(2, 3), keepdims=True)
    power = (centred**2).mean()
    return float((centred[..., 1:] * centred[..., :-1]).mean() / power) if power > 0 else 0.0


def _whitened(mean: Array, std: Array, correlation: float, facts: DatasetFacts) -> float:
    if (np.abs(mean) > 0.3 * std).any():
        return float("inf")
    if facts.shape[0] != 3:  # measured on colour photographs only
        return UNSURE
    if correlation >= WHITE_CORRELATION:
        return float("inf")
    return 0.3 if std.mean() < WHITE_SD else UNSURE


def check(chosen: Declared, text: str, measured: Measured, as_declared: bool) -> tuple[str, ...]:
    """Compare what is declared with what was measured; raises InvalidInput naming what the numbers resemble instead.

    Returns remarks.
    """
    family = "0-255" if chosen.divisor != 1 else chosen.space.kind
    shown = {name: far for name, far in measured.distances.items() if name != "zca" or far != UNSURE}
    own, nearest = measured.distances[family], min(shown, key=lambda name: shown[name])
    if own <= FAR or own <= TWICE * shown[nearest]:
        return ()
    what = f"the images resemble {nearest} images ({measured.text}), not {text}"
    if as_declared:
        return (f"{what}; kept as declared",)
    raise InvalidInput(
        f"--space {text}: {what}. A set in the wrong space scores far below its worth. Fix: declare what your code "
        f"trained on ({FORMS}); if it is {text} all the same, add --as-declared, and the card will say so."
    )
