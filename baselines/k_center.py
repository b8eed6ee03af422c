"""k-center: real images spread so that no image of a class is far, in feature space, from the nearest selected one.

Source: the farthest-point greedy of Gonzalez (1985), at most twice as far as the best choice; for coresets of networks
Sener and Savarese (ICLR 2018). The first image is the one nearest to the class mean, as the authors of
VICO-UoE/DatasetCondensation do it (issue 21 there).

Differs: PatrickZH/DeepCore begins at a random image, does not select by class unless told to, takes features from
ImageNet weights and returns sorted indices; here the order of selection is kept, so that sets nest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines._features import FeatureSelection
from benchmark.baseline import Source
from benchmark.synthetic_set import Array

__all__ = ["KCenter"]

VERSION = 1


@dataclass(frozen=True)
class KCenter(FeatureSelection):
    """Greedy k-center in each class; a smaller set of a seed is the beginning of its larger ones."""

    source = Source(
        title="k-center",
        url="https://arxiv.org/abs/1708.00489",
        citation="Sener, O., Savarese, S. (2018). Active Learning for Convolutional Neural Networks: A Core-Set "
        "Approach. ICLR 2018.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )

    def select(self, features: Array, n: int) -> Array:
        """Positions (n,) in the order of selection; `features` (N, F)."""
        chosen = [int(np.linalg.norm(features - features.mean(axis=0), axis=1).argmin())]
        nearest = np.linalg.norm(features - features[chosen[0]], axis=1)  # distance to the nearest selected image
        while len(chosen) < n:
            nearest[chosen] = -1.0  # never again, even where all that are left are copies
            chosen.append(int(nearest.argmax()))
            nearest = np.minimum(nearest, np.linalg.norm(features - features[chosen[-1]], axis=1))
        return np.array(chosen)
