"""DataDAM: distribution matching of features and, at every layer before, of where the network looks (attention maps).

Source: Sajedi et al., "DataDAM: Efficient Dataset Distillation with Attention Matching" (ICCV 2023), compared with
DataDistillation/DataDAM `main_DataDAM.py`. A layer's attention is Σ_channels |A|^p of its activations, flattened and
scaled to length 1. Each step takes a fresh untrained network, augments each class by one siamese draw, and steps down
w Σ_layers Σ_c ‖mean attention(real_c) - mean attention(synthetic_c)‖² over all layers but the last, plus w λ times the
loss of DM. Preset `paper` has p = 4 and 8,000 steps, `code` what the public code runs: p = 1 and 20,000 steps.

Differs: draws are keyed by seed and step (there by the clock). The norm of the networks is theirs, not forced to be
batch norm. Images begin as random real ones; the code's files of selected ones (`smart`) are not published. A class
with fewer images than `batch_real` gives all of them. Layers without a map (of an MLP) have no attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from baselines._random_features import FeatureMatching
from benchmark.baseline import Source
from benchmark.engine.passes import Seen

__all__ = ["DataDAM", "attention"]

VERSION = 1


@dataclass(frozen=True)
class DataDAM(FeatureMatching):
    """Matching of class means of attention maps and features."""

    source = Source(
        title="DataDAM: Efficient Dataset Distillation with Attention Matching",
        url="https://arxiv.org/abs/2310.00093",
        citation="Sajedi, A., Khaki, S., Amjadian, E., Liu, L. Z., Lawryshyn, Y. A., Plataniotis, K. N. (2023). "
        "DataDAM: Efficient Dataset Distillation with Attention Matching. ICCV 2023, 17097-17107.",
        licence="Apache-2.0",
    )
    looks_at_maps = True
    iterations: int = 8000
    exponent: float = 4.0
    """p of the attention maps."""
    attention_weight: float = 100.0
    feature_weight: float = 1.0
    """100 λ: 1 at 32x32 and below, 2 above."""

    def describe(self, seen: Seen) -> tuple[torch.Tensor, ...]:
        """The attention of every layer but the last, and the features before the classifier."""
        maps = [attention(layer, self.exponent) for layer in seen.maps[:-1] if layer.ndim == 4]
        return (*(part * self.attention_weight**0.5 for part in maps), seen.features * self.feature_weight**0.5)


def attention(activations: torch.Tensor, exponent: float) -> torch.Tensor:
    """Where a layer is active: (N, C, H, W) to (N, H·W) float32, each row of length 1."""
    return F.normalize(activations.float().abs().pow(exponent).sum(dim=1).flatten(1))
