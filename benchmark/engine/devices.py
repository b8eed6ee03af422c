"""Which GPUs there are to work on, and what the CPU says of itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

__all__ = ["answers", "cpu_lines", "device_kind", "every_device", "now"]


def every_device(chosen: torch.device) -> list[str]:
    """Names of all GPUs where `cuda` was chosen without a number; else of the chosen device alone."""
    if chosen.type == "cuda" and chosen.index is None:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(chosen)]


def now(device: torch.device) -> float:
    """Seconds of a clock, read when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def answers(device: torch.device) -> bool:
    """Whether a device still computes: after some faults a GPU refuses everything that this process asks of it."""
    try:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    except RuntimeError:
        return False
    return True


def device_kind(device: torch.device) -> str:
    """`cuda`; `cpu-amx` and `cpu-bf16`, which multiply in bfloat16 faster than in float32; `cpu`, which does not."""
    if device.type != "cpu":
        return device.type
    capped = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "ALL")).upper()
    if capped in ("ALL", "DEFAULT") or "AMX" in capped:
        found = "amx" if _has("_is_amx_tile_supported") else "bf16" if _has("_is_avx512_bf16_supported") else ""
    else:
        found = "bf16" if any(word in capped for word in ("BF16", "FP16")) and _has("_is_avx512_bf16_supported") else ""
    return f"cpu-{found}" if found else "cpu"


def _has(question: str) -> bool:
    """Ask torch.cpu, which may not know the question in an older version."""
    ask = getattr(torch.cpu, question, None)
    return bool(ask is not None and ask())


def cpu_lines(field: str) -> list[str]:
    """What the system states of each core under a name (`model name`, `flags`); nothing where it keeps no such file."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line.partition(": ")[2] for line in lines if line.startswith(field)]
