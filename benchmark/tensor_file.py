"""Reads and writes safetensors files as numpy arrays, with our own bounded parse of the header.

The library accepts duplicate keys, 100 MB headers and any tensor name; a stranger's file is read by this parser only.
Format: 8 bytes little-endian header length, a JSON header, then one gapless buffer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import _strict
from benchmark.errors import InvalidInput

__all__ = ["parse", "read", "to_bytes"]

Array = npt.NDArray[Any]
MAX_HEADER = 2**20
MAX_FILE = 4 * 2**30
MAX_TENSORS = 4096
"""What a stranger's set may hold is far less, and checked by name; outcomes hold an array for each moment."""
DTYPES = {"U8": "<u1", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}


def to_bytes(tensors: Mapping[str, Array]) -> bytes:
    """The file's content; the same tensors give the same bytes. Raises InvalidInput for what `parse` would not read."""
    from safetensors.numpy import save

    ready = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    for name, tensor in ready.items():
        if tensor.dtype.newbyteorder("<").str.lstrip("<|") not in (dtype[1:] for dtype in DTYPES.values()):
            raise InvalidInput(
                f"array {_strict.shown(name)} has dtype {tensor.dtype}; it must be one of {', '.join(DTYPES)}."
            )
    content = save({name: tensor.astype(tensor.dtype.newbyteorder("="), copy=False) for name, tensor in ready.items()})
    if not 1 <= len(ready) <= MAX_TENSORS or int.from_bytes(content[:8], "little") > MAX_HEADER:
        raise InvalidInput(f"{len(ready)} arrays in one file; 1 to {MAX_TENSORS}, with short names, can be read again.")
    return content


def read(file: Path) -> dict[str, Array]:
    """Tensors of a regular file, each its own copy; raises InvalidInput saying what is wrong with it."""
    return parse(_strict.read_bytes(file, MAX_FILE), str(file))


def parse(content: bytes, name: str) -> dict[str, Array]:
    """Tensors of a file's content; `name` is for messages. Raises InvalidInput."""
    if len(content) == 0:
        raise InvalidInput(f"{name} is empty. Fix: write or download it again.")
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{" or length > len(content) - 8:
        raise InvalidInput(f"{name} {_what_else(content, length)}")
    if length > MAX_HEADER:
        raise InvalidInput(f"{name} has a header of {length:,} bytes; at most {MAX_HEADER:,} are read.")
    header = _header(content[8 : 8 + length], name)
    return _tensors(header, memoryview(content)[8 + length :], name)


def _what_else(content: bytes, length: int) -> str:
    """What a file is that is no whole safetensors file. Asked last: the length of a header may begin like a pickle."""
    if content[:4] == b"PK\x03\x04" or content[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "is a pickle or zip file, which is never opened here. Fix: save the arrays with safetensors."
    if content.startswith((b"version https://git-lfs", b"<!DOCTYPE", b"<!doctype", b"<html")):
        return "is a web page or a git-lfs pointer, not the file itself. Fix: download it again."
    if content[8:9] == b"{":
        return f"is truncated: a header of {length:,} bytes in {len(content):,}. Fix: write or download it again."
    return "is no safetensors file. Fix: write it as docs/submit.md shows."


def _header(text: bytes, name: str) -> dict[str, Any]:
    header = _strict.parse_json(text, f"{name}: the header")
    if not isinstance(header, dict):
        raise InvalidInput(f"{name}: the header is no JSON object.")
    header.pop("__metadata__", None)
    if not 1 <= len(header) <= MAX_TENSORS:
        raise InvalidInput(f"{name}: holds {len(header)} tensors; 1 to {MAX_TENSORS} are read.")
    return header


def _tensors(header: dict[str, Any], buffer: memoryview, name: str) -> dict[str, Array]:
    found, spans = {}, []
    for tensor, entry in header.items():
        shown = _strict.shown(tensor)
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise InvalidInput(f"{name}: tensor {shown} needs exactly dtype, shape and data_offsets.")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise InvalidInput(
                f"{name}: tensor {shown} has dtype {_strict.shown(dtype)}; allowed: {', '.join(DTYPES)}."
            )
        if not _naturals(shape) or len(shape) > 8 or not _naturals(offsets) or len(offsets) != 2:
            raise InvalidInput(f"{name}: tensor {shown} has a shape or offsets that are no natural numbers.")
        begin, end = offsets
        if end > len(buffer) or end - begin != math.prod(shape) * int(DTYPES[dtype][-1]):
            raise InvalidInput(
                f"{name}: tensor {shown} of shape {shape} and dtype {dtype} does not match its bytes "
                f"{begin} to {end} of {len(buffer)}. The file is truncated or damaged. Fix: write or download it again."
            )
        try:
            found[tensor] = np.frombuffer(buffer[begin:end], dtype=DTYPES[dtype]).reshape(shape).copy()
        except ValueError as fault:  # no bytes at all, in a shape such as (0, 2**39, 2**39)
            raise InvalidInput(f"{name}: tensor {shown} has the impossible shape {shape}.") from fault
        spans.append((begin, end))
    spans.sort()
    ends = [0, *(end for _, end in spans)]
    if any(begin != before for (begin, _), before in zip(spans, ends, strict=False)) or ends[-1] != len(buffer):
        raise InvalidInput(f"{name}: the tensors overlap, leave holes, or do not cover the file.")
    return found


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and 0 <= number < 2**40 for number in value)
