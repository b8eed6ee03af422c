"""SynFlow: the gradient flow through a network of absolute weights, a guess at its quality without training or data.

Source: Tanaka et al. (NeurIPS 2020), eq. 1 and 2, summed over a network as Abdelfattah et al. (ICLR 2021) do to rank
architectures, compared with SamsungLabs/zero-cost-nas `synflow.py`: weights and biases by their absolute value, the
input all ones, R the sum of the outputs, and the score the sum of w · dR/dw over the weights of convolutions and linear
layers. Norms are taken out, since they would undo the scale that is measured. It overflows float32 in deep networks:
computed in float64, returned as a logarithm. Where sigmoids saturate nothing flows, and the score is the smallest.
"""

from __future__ import annotations

import copy
import math
import sys
from typing import Any

import torch
from torch import nn

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
_WEIGHTED = (nn.Conv2d, nn.Linear)


def probe(seen: Measurement) -> dict[str, Any]:
    """Return `log_score`, the natural logarithm of the score; the network stays as it is."""
    network = _without_norms(copy.deepcopy(seen.network)).double().eval().requires_grad_(True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = [layer.weight for layer in network.modules() if isinstance(layer, _WEIGHTED)]
    images = torch.ones_like(seen.images[:1], dtype=torch.float64)
    with torch.enable_grad():
        gradients = torch.autograd.grad(network(images).sum(), weights, allow_unused=True)
    flows = [(w.detach() * g).sum() for w, g in zip(weights, gradients, strict=True) if g is not None]
    score = float(torch.stack(flows).sum()) if flows else 0.0
    return {"log_score": math.log(min(max(score, sys.float_info.min), sys.float_info.max))}


def _without_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        setattr(network, name, nn.Identity() if isinstance(child, _NORMS) else _without_norms(child))
    return network
