"""Opens a file of torch.save with `weights_only`, and turns what is in it into plain values and NumPy arrays.

Runs in the child process alone. `accs_all_exps` of DC, DSA and DM holds numpy numbers, which torch refuses; they are
read by stand-ins of ours, so that nothing of numpy's own unpickling is called.
"""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

import numpy as np
import torch

from benchmark.convert._guards import check_torch_zip
from benchmark.errors import InvalidInput

__all__ = ["load"]

MAX_NODES = 200_000
MAX_DEPTH = 20
SHARING = 4
"""How many times over its own size a file's tensors may come: they may share memory, but not much."""
NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


class _Dtype:
    """Stands in for numpy.dtype: remembers which number it is."""

    def __init__(self, spec: str, *_: Any) -> None:
        self.spec, self.order = str(spec), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _scalar(dtype: _Dtype, content: bytes) -> float:
    """Stands in for numpy's constructor of one number."""
    spec = getattr(dtype, "spec", "")
    if spec not in NUMBERS or not isinstance(content, bytes):
        raise pickle.UnpicklingError("GLOBAL numpy.ndarray")
    return float(np.frombuffer(content, dtype=f"{dtype.order}{spec}", count=1)[0])


STAND_INS = [
    (_Dtype, "numpy.dtype"),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]


def load(content: bytes, name: str, zipped: bool) -> Any:
    """Nested dicts, lists, plain values and arrays; raises InvalidInput saying what is in the way.

    What torch raises besides for a damaged file is the caller's to turn into one.
    """
    if zipped:
        check_torch_zip(content, name)
    try:
        with torch.serialization.safe_globals(STAND_INS):  # type: ignore[arg-type]  # tuples are taken since 2.6
            value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        raise InvalidInput(f"{name} {_told(fault)}") from fault
    return _Walk(name, SHARING * len(content) + 2**20).plain(value, 0)


def _told(fault: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(fault))
    what = f"holds {found[1]}, which is code or an object" if found else "holds something besides tensors"
    return (
        f"{what}; nothing of it was run. Fix: load it where you trust it, and write the tensors alone with "
        'torch.save({"images": images, "labels": labels}, "plain.pt").'
    )


class _Walk:
    """Goes through what torch loaded, within bounds."""

    def __init__(self, name: str, n_bytes: int) -> None:
        self.name, self.bytes_left, self.nodes_left = name, n_bytes, MAX_NODES

    def plain(self, value: Any, depth: int) -> Any:
        self.nodes_left -= 1
        if self.nodes_left < 0 or depth > MAX_DEPTH:
            raise InvalidInput(f"{self.name} holds too many parts, or parts nested too deep.")
        if isinstance(value, torch.Tensor):
            return self._array(value)
        if isinstance(value, dict):
            return {str(key)[:200]: self.plain(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(part, depth + 1) for part in value]
        if value is None or isinstance(value, bool | float | str) or (isinstance(value, int) and abs(value) < 2**63):
            return value[:1000] if isinstance(value, str) else value
        raise InvalidInput(f"{self.name} holds a {type(value).__name__}; only tensors, lists and dicts are read.")

    def _array(self, tensor: torch.Tensor) -> Any:
        """A copy as an array; a view that repeats its memory may be of any size and is refused before it unfolds."""
        tensor = tensor.detach()
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise InvalidInput(f"{self.name} holds a sparse, quantized or complex tensor. Fix: save it dense.")
        n_bytes = tensor.numel() * tensor.element_size()
        repeats = any(size > 1 and step == 0 for size, step in zip(tensor.shape, tensor.stride(), strict=True))
        if repeats or n_bytes > tensor.untyped_storage().nbytes():
            raise InvalidInput(
                f"{self.name} holds a tensor of shape {tuple(tensor.shape)} that repeats "
                f"{tensor.untyped_storage().nbytes():,} bytes. Fix: save tensor.contiguous()."
            )
        self.bytes_left -= n_bytes
        if self.bytes_left < 0:
            raise InvalidInput(f"{self.name} holds tensors far larger than the file. Fix: save tensor.clone().")
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).contiguous().numpy()
