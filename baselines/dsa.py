"""Differentiable siamese augmentation: gradient matching where real and synthetic images are augmented alike.

Source: Zhao and Bilen, "Dataset Condensation with Differentiable Siamese Augmentation" (ICML 2021), compared with
VICO-UoE/DatasetCondensation `main.py --method DSA`. As `dc`, but each class's real and synthetic images go through one
operation of `dsa` with the same parameters, through which the gradients flow back to the pixels; a network's training
between two steps draws parameters for each image; the images begin as real ones.

Differs: as `dc` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from baselines._gradients import GradientMatching
from benchmark.baseline import Source

__all__ = ["DSA"]

VERSION = 1


@dataclass(frozen=True)
class DSA(GradientMatching):
    """Gradient matching under siamese augmentation, from real images."""

    source = Source(
        title="Dataset Condensation with Differentiable Siamese Augmentation",
        url="https://arxiv.org/abs/2102.08259",
        citation="Zhao, B., Bilen, H. (2021). Dataset Condensation with Differentiable Siamese Augmentation. "
        "ICML 2021, 12674-12685.",
        licence="Apache-2.0",
    )
