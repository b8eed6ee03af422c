"""Gradient matching: synthetic images whose gradients point where the real ones do, along a network's training.

Source: Zhao, Mopuri and Bilen, "Dataset Condensation with Gradient Matching" (ICLR 2021), compared with
VICO-UoE/DatasetCondensation `main.py`. For each class c the gradients of the cross-entropy of real and of synthetic
images are compared, Σ_c Σ_matrices Σ_rows 1 - cos(∇ real_c, ∇ synthetic_c), and the images, noise at first, step down
by SGD. Between two steps the network trains on them; after as many as the schedule has for the size (1 at 1 image per
class, 10 at 10, 50 at 50) a fresh one is taken.

Differs: draws are keyed by seed and step (there by the clock). Sizes that the code refuses get as many steps as images
per class, at most 50, and 500 epochs divided by them. A class with fewer images than `batch_real` gives all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from baselines._gradients import GradientMatching
from benchmark.baseline import Source

__all__ = ["DC"]

VERSION = 1


@dataclass(frozen=True)
class DC(GradientMatching):
    """Gradient matching without augmentation, from noise."""

    source = Source(
        title="Dataset Condensation with Gradient Matching",
        url="https://arxiv.org/abs/2006.05929",
        citation="Zhao, B., Mopuri, K. R., Bilen, H. (2021). Dataset Condensation with Gradient Matching. ICLR 2021.",
        licence="Apache-2.0",
    )
    augmentation: str = "none"
    start: str = "noise"
