"""Which GPUs there are to work on."""

from __future__ import annotations

import torch

__all__ = ["every_device"]


def every_device(chosen: torch.device) -> list[str]:
    """Names of all GPUs where `cuda` was chosen without a number; else of the chosen device alone."""
    if chosen.type == "cuda" and chosen.index is None:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(chosen)]
