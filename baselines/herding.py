"""Herding: real images whose mean feature stays as near as can be to the class mean as each one is added.

Source: Welling (ICML 2009); with the features of a trained network as in Rebuffi et al. (iCaRL, CVPR 2017), which is
the form that the condensation papers compare with. Image i+1 is argmin_f ‖(i+1)·μ - Σ_selected - f‖ over the images f
not yet selected.

Differs: PatrickZH/DeepCore `herding.py` takes the argmax of that distance and so selects outliers; that is an error
there. iCaRL scales features to unit length; here, as in VICO-UoE/DatasetCondensation's description, they stay as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines._features import FeatureSelection
from benchmark.baseline import Source
from benchmark.synthetic_set import Array

__all__ = ["Herding"]

VERSION = 1


@dataclass(frozen=True)
class Herding(FeatureSelection):
    """Greedy herding in each class; a smaller set of a seed is the beginning of its larger ones."""

    source = Source(
        title="Herding",
        url="https://doi.org/10.1145/1553374.1553517",
        citation="Welling, M. (2009). Herding dynamical weights to learn. ICML 2009, 1121-1128.",
        licence="Apache-2.0 (code); the images stay under the dataset's licence",
    )

    def select(self, features: Array, n: int) -> Array:
        """Positions (n,) in the order of selection; `features` (N, F)."""
        mean, total = features.mean(axis=0), np.zeros(features.shape[1])
        chosen: list[int] = []
        for i in range(n):
            distances = np.linalg.norm((i + 1) * mean - total - features, axis=1)
            distances[chosen] = np.inf
            chosen.append(int(distances.argmin()))
            total += features[chosen[-1]]
        return np.array(chosen)
