"""Weights and buffers of the network: what a teacher is kept by, and what experts' trajectories are made of."""

from __future__ import annotations

from typing import Any

from benchmark.engine import Measurement

__all__ = ["VERSION", "probe"]

VERSION = 1


def probe(seen: Measurement) -> dict[str, Any]:
    """Return every entry of the network's state by its name, float32; needs no data."""
    return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in seen.network.state_dict().items()}
