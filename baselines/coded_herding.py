"""Real images selected by herding, coded as JPEG, WebP or at a lower resolution, for comparison at equal bytes.

The images are those of `herding` with the same recipe and seed. A preset names codec and quality.

Differs: no publication has this baseline in this form. Herding to thousands of images keeps little of its choice: with
all images of a class it is the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines._coded import Coded
from baselines.herding import Herding
from benchmark.baseline import Source
from benchmark.run import Run
from benchmark.synthetic_set import Array
from benchmark.values import Cell, Real

__all__ = ["CodedHerding"]

VERSION = 1


@dataclass(frozen=True)
class CodedHerding(Coded):
    """A smaller set of a seed holds the first images of its larger ones."""

    source = Source(
        title="Coded herding",
        url="https://www.w3.org/Graphics/JPEG/itu-t81.pdf",
        citation="ITU-T Recommendation T.81 (1992), JPEG; RFC 9649 (2024), WebP. Selection: Welling, M. (2009). "
        "Herding dynamical weights to learn. ICML 2009, 1121-1128.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )
    architecture: str = "convnet"
    recipe: str = "standard-v1-lite/reference"
    """How the network is trained whose features select."""

    def needs(self, real: Real, seed: int) -> tuple[Cell, ...]:
        """The network of `herding`, and its features of every real image."""
        return self._herding().needs(real, seed)

    def select(self, real: Real, per_class: int, run: Run) -> Array:
        """Canonical train indices in the order of selection."""
        rows = self._herding().selected(real, per_class, run)
        return np.concatenate(list(rows.values()))

    def _herding(self) -> Herding:
        return Herding(architecture=self.architecture, recipe=self.recipe)
