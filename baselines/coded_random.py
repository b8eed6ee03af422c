"""Random real images, coded as JPEG, WebP or at a lower resolution: what a distilled set must beat at equal bytes.

The images are those of `random-real` with the same seed. A preset names codec and quality.

Differs: no publication has this baseline in this form.
"""

from __future__ import annotations

from dataclasses import dataclass

from baselines._coded import Coded
from benchmark.baseline import Source
from benchmark.run import Run
from benchmark.synthetic_set import Array
from benchmark.values import Real

__all__ = ["CodedRandom"]

VERSION = 1


@dataclass(frozen=True)
class CodedRandom(Coded):
    """A smaller set of a seed holds the first images of its larger ones."""

    source = Source(
        title="Coded random real images",
        url="https://www.w3.org/Graphics/JPEG/itu-t81.pdf",
        citation="ITU-T Recommendation T.81 (1992), JPEG; RFC 9649 (2024), WebP. Random selection as in Wang et al. "
        "(2018), arXiv:1811.10959.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )

    def select(self, real: Real, per_class: int, run: Run) -> Array:
        """Canonical train indices of the draw."""
        return run.random_rows(per_class)
