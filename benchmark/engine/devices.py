"""Which GPUs there are to work on, and what the CPU says of itself."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["cpu_lines", "every_device"]


def every_device(chosen: torch.device) -> list[str]:
    """Names of all GPUs where `cuda` was chosen without a number; else of the chosen device alone."""
    if chosen.type == "cuda" and chosen.index is None:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(chosen)]


def cpu_lines(field: str) -> list[str]:
    """What the system states of each core under a name (`model name`, `flags`); nothing where it keeps no such file."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line.partition(": ")[2] for line in lines if line.startswith(field)]
