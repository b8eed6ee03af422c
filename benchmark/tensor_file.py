"""Reads and writes safetensors files as numpy arrays, with our own bounded parse of the header.

The library accepts duplicate keys, 100 MB headers and any tensor name; a stranger's file is read by this parser only.
Format: 8 bytes little-endian header length, a JSON header, then one gapless buffer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import _strict
from benchmark.errors import DistillBenchError, InvalidInput
from benchmark.refusals import Problem, plain, raise_for, refusal, shown

__all__ = ["Entry", "foreign", "header_length", "layout", "parse", "read", "to_bytes", "what_else"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """What a header says of one tensor."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    """First byte, counted from the end of the header."""
    end: int


MAX_HEADER = 2**20
MAX_FILE = 4 * 2**30
MAX_TENSORS = 4096
"""What a stranger's set may hold is far less, and checked by name; outcomes hold an array for each moment."""
FIRST = 512
"""Bytes at the beginning of a file that tell what it is."""
MAGIC = {
    b"PK\x03\x04": "a zip archive or torch file",
    b"PK\x05\x06": "an empty zip archive",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a numpy file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a compressed file",
    b"BZh": "a compressed file",
    b"\xfd7zXZ": "a compressed file",
    b"\x28\xb5\x2f\xfd": "a compressed file",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
}
FOREIGN_NAMES = {
    "pt",
    "pth",
    "pkl",
    "pickle",
    "ckpt",
    "bin",
    "npz",
    "npy",
    "zip",
    "tar",
    "gz",
    "tgz",
    "7z",
    "h5",
    "mat",
}
FOREIGN_NAMES |= {"png", "jpg", "jpeg", "gif", "webp"}
DTYPES = {"U8": "<u1", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}


def to_bytes(tensors: Mapping[str, Array]) -> bytes:
    """The file's content; the same tensors give the same bytes. Raises InvalidInput for what `parse` would not read."""
    from safetensors.numpy import save

    ready = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    for name, tensor in ready.items():
        if tensor.dtype.newbyteorder("<").str.lstrip("<|") not in (dtype[1:] for dtype in DTYPES.values()):
            raise InvalidInput(f"array {shown(name)} has dtype {tensor.dtype}; it must be one of {', '.join(DTYPES)}.")
    content = save({name: tensor.astype(tensor.dtype.newbyteorder("="), copy=False) for name, tensor in ready.items()})
    if not 1 <= len(ready) <= MAX_TENSORS or int.from_bytes(content[:8], "little") > MAX_HEADER:
        raise InvalidInput(f"{len(ready)} arrays in one file; 1 to {MAX_TENSORS}, with short names, can be read again.")
    return content


def read(file: Path) -> dict[str, Array]:
    """Tensors of a regular file, each its own copy; raises InvalidInput saying what is wrong with it."""
    return parse(_strict.read_bytes(file, MAX_FILE), str(file))


def parse(content: bytes, name: str) -> dict[str, Array]:
    """Tensors of a file's content; `name` is for messages. Raises InvalidInput."""
    length = header_length(content[:FIRST], len(content), name)
    found = {}
    for tensor, entry in layout(content[8 : 8 + length], len(content), name).items():
        begin, end = 8 + length + entry.begin, 8 + length + entry.end
        found[tensor] = np.frombuffer(content[begin:end], dtype=entry.dtype).reshape(entry.shape).copy()
    return found


def header_length(first: bytes, size: int, file: str) -> int:
    """Bytes of the header of a file of `size` bytes; raises InvalidInput for what is no such file.

    Only `first`, the file's first `FIRST` bytes, is looked at.
    """
    length = int.from_bytes(first[:8], "little")
    if size == 0:
        raise refusal([Problem("E103", file, "the file is empty")])
    if first[8:9] != b"{":
        raise refusal([what_else(first, file)])
    if length > MAX_HEADER:
        too_long = Problem("E105", file, "the header is too long", got=f"{length:,} bytes", limit=f"{MAX_HEADER:,}")
        raise refusal([too_long])
    if length > size - 8:
        raise refusal([_truncated(file, 8 + length, size)])
    return length


def layout(header: bytes, size: int, file: str) -> dict[str, Entry]:
    """What the header of a file of `size` bytes says, by tensor; raises InvalidInput with all that is wrong with it."""
    stored = _header(header, file)
    found: dict[str, Entry] = {}
    problems: list[Problem] = []
    for tensor, entry in stored.items():
        try:
            found[tensor] = _entry(tensor, entry, file)
        except InvalidInput as fault:
            problems += fault.problems
    raise_for(problems)
    spans = sorted((entry.begin, entry.end) for entry in found.values())
    ends = [0, *(end for _, end in spans)]
    if any(begin != before for (begin, _), before in zip(spans, ends, strict=False)):
        problems.append(Problem("E108", file, "the tensors overlap or leave holes"))
    elif 8 + len(header) + ends[-1] > size:
        problems.append(_truncated(file, 8 + len(header) + ends[-1], size))
    elif 8 + len(header) + ends[-1] < size:
        more = f"{size:,} bytes"
        problems.append(
            Problem("E107", file, "there are bytes after the data", got=more, limit=f"{8 + len(header) + ends[-1]:,}")
        )
    raise_for(problems)
    return found


def _truncated(file: str, expected: int, size: int) -> Problem:
    return Problem("E106", file, f"the file is truncated: expected {expected:,} bytes", got=f"{size:,}")


def foreign(first: bytes) -> str:
    """Which other format the first bytes of a file belong to; empty where none is known."""
    known = next((kind for magic, kind in MAGIC.items() if first.startswith(magic)), "")
    return known or ("a tar archive" if first[257:262] == b"ustar" else "")


def what_else(first: bytes, file: str) -> Problem:
    """What a file is that is no safetensors file. Asked last: the length of a header may begin like a pickle."""
    kind, suffix = foreign(first), file.rpartition(".")[2].lower() if "." in file else ""
    if kind and suffix in ("safetensors", "json"):
        return Problem("E102", file, f"the content is {kind}, which is never opened here")
    if kind or suffix in FOREIGN_NAMES:
        return Problem("E101", file, f"the file is {kind or f'named .{suffix}'}, which is never opened here")
    begins = first[:64].lstrip().lower()
    if begins.startswith(b"version https://git-lfs"):
        return Problem("E104", file, "the file is a git-lfs pointer, not the file itself", fix="run `git lfs pull`")
    if begins.startswith((b"<!doctype", b"<html", b"<?xml")):
        return Problem("E104", file, "the file is a web page, not the file itself", fix="download the file itself")
    return Problem("E104", file, "the file is no safetensors file")


def _header(text: bytes, file: str) -> dict[str, Any]:
    try:
        header = _strict.parse_json(text, f"{file}: the header")
    except _strict.TwiceError as fault:
        raise refusal([Problem("E109", file, f"in the header, {fault.reason}")]) from fault
    except InvalidInput as fault:
        raise refusal(
            [Problem("E104", file, "the header is no strict JSON", got=shown(str(fault.__cause__)))]
        ) from fault
    if not isinstance(header, dict):
        raise refusal([Problem("E104", file, "the header is no JSON object")])
    header.pop("__metadata__", None)
    if not header:
        raise refusal([Problem("E111", file, "the file holds no tensors")])
    if len(header) > MAX_TENSORS:
        raise refusal([Problem("E110", file, "too many tensors", got=f"{len(header):,}", limit=f"{MAX_TENSORS:,}")])
    return header


def _entry(tensor: str, entry: Any, file: str) -> Entry:
    def fail(code: str, what: str, value: Any, limit: str = "") -> DistillBenchError:
        named = what if plain(tensor) else f"{what}, in tensor {shown(tensor)}"
        return refusal([Problem(code, file, named, plain(tensor), shown(value), limit)])

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise fail("E113", "an entry has exactly dtype, shape and data_offsets", entry)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise fail("E112", "a dtype that is not read", dtype, ", ".join(DTYPES))
    if not _integers(shape) or not _integers(offsets) or len(offsets) != 2:
        raise fail("E113", "shape and offsets are lists of whole numbers", [shape, offsets])
    n_bytes = math.prod(shape[:9]) * int(DTYPES[dtype][-1])
    if len(shape) > 8 or not all(0 <= number < 2**40 for number in shape) or n_bytes >= 2**48:
        raise fail("E208", "an impossible shape", shape, "8 numbers from 0, and 2^48 bytes in all")
    begin, end = offsets
    if not 0 <= begin <= end < 2**48 or end - begin != n_bytes:
        raise fail("E113", f"the offsets do not hold the {n_bytes:,} bytes of shape {shape}", offsets)
    if n_bytes == 0 and max(shape, default=0) >= 2**31:  # numpy has no such shape, though it has no numbers
        raise fail("E208", "an impossible shape", shape, "no numbers at all, in a shape of billions")
    return Entry(np.dtype(DTYPES[dtype]), tuple(shape), begin, end)


def _integers(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int for number in value)
