"""Distribution matching: synthetic images whose mean features equal the class means in many random networks.

Source: Zhao and Bilen, "Dataset Condensation with Distribution Matching" (WACV 2023), compared with
VICO-UoE/DatasetCondensation `main_DM.py`. Each step takes a fresh untrained network ψ, augments the real and the
synthetic images of each class alike (A, one siamese draw a class), and steps down
Σ_c ‖mean ψ(A(real_c)) - mean ψ(A(synthetic_c))‖² by SGD on the pixels, which begin as real images.

Differs: draws are keyed by seed and step (there by the clock). A class with fewer images than `batch_real` gives all
of them. The learning rate stays 1 at any size (there 10 from 100 images per class on CIFAR-10).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines._random_features import FeatureMatching
from benchmark.baseline import Source
from benchmark.engine.passes import Seen

__all__ = ["DM"]

VERSION = 2


@dataclass(frozen=True)
class DM(FeatureMatching):
    """Matching of class means of features under siamese augmentation."""

    source = Source(
        title="Dataset Condensation with Distribution Matching",
        url="https://arxiv.org/abs/2110.04181",
        citation="Zhao, B., Bilen, H. (2023). Dataset Condensation with Distribution Matching. WACV 2023, 6514-6523.",
        licence="Apache-2.0",
    )
    iterations: int = 20_000

    def describe(self, seen: Seen) -> tuple[torch.Tensor, ...]:
        """The features before the classifier."""
        return (seen.features,)
