"""Looks at a file's content before anything loads it: what kind it is, and that no size in it is a trap.

Torch's loader takes a deflated member of 262 KB for a tensor of 256 MB; NumPy's takes whatever an archive declares.
"""

from __future__ import annotations

import io
import math
import re
import tokenize
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark._strict import shown
from benchmark.errors import InvalidInput

__all__ = ["LARGEST", "MAX_MEMBERS", "RATIO", "check_torch_zip", "kind_of", "npy_array", "npz_arrays"]

LARGEST = 2**31
"""Bytes of one file, and of all arrays in it."""
MAX_MEMBERS = 4096
RATIO = 100
"""How far a compressed array may shrink; distilled images shrink to a half at best, bombs a thousandfold."""
TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch.save began its files before 1.6: a pickle of its magic number."""
FLAX = re.compile(rb"(?:[\x81-\x8f]|\xde..|\xdf....)(?:[\xa1-\xbf]|\xd9.)[A-Za-z_]", re.DOTALL)
"""How msgpack begins a dict with names for keys. No length of a safetensors header has a letter in these places."""
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def kind_of(content: bytes, name: str) -> str:
    """`torch`, `torch-legacy`, `npz`, `npy`, `flax` or `safetensors`, by content; raises InvalidInput for others."""
    if not content:
        raise InvalidInput(f"{name} is empty. Fix: copy it again.")
    if content[:4] == b"PK\x03\x04":
        names = [member.filename for member in _members(content, name)]
        return "torch" if any(member.rpartition("/")[2] == "data.pkl" for member in names) else "npz"
    if content.startswith(b"\x93NUMPY"):
        return "npy"
    if FLAX.match(content):
        return "flax"
    if content[8:9] == b"{":
        return "safetensors"
    if content.startswith(TORCH_LEGACY):
        return "torch-legacy"
    raise InvalidInput(f"{name} {_what_else(content)}")


def _what_else(content: bytes) -> str:
    if content.startswith(PICKLES):
        return (
            "is a plain pickle, which is never opened: it may run any code. Fix: load it where you trust it and write "
            "the tensors with torch.save or numpy.savez."
        )
    if content.startswith((b"version https://git-lfs", b"<!DOCTYPE", b"<!doctype", b"<html")):
        return "is a web page or a git-lfs pointer, not the file itself. Fix: download it again."
    if content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return "is a single image. Fix: name the folder whose sub-folders are the classes."
    return "is no file of torch, numpy, safetensors or flax. See docs/convert.md for what is read."


def _members(content: bytes, name: str) -> list[zipfile.ZipInfo]:
    """The members of an archive, each name once, none encrypted; raises InvalidInput."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as fault:
        raise InvalidInput(f"{name} is truncated or damaged ({str(fault)[:100]}). Fix: copy it again.") from fault
    names = {member.filename for member in found}
    if len(names) < len(found):
        raise InvalidInput(f"{name} holds two members of one name, which readers take differently.")
    if len(found) > MAX_MEMBERS:
        raise InvalidInput(f"{name} holds {len(found):,} members; at most {MAX_MEMBERS:,} are read.")
    if any(member.flag_bits & 1 for member in found):
        raise InvalidInput(f"{name} is encrypted. Fix: save it without a password.")
    return found


def check_torch_zip(content: bytes, name: str) -> None:
    """Raise InvalidInput unless every member is stored as it is, and together they fit into the file."""
    members = _members(content, name)
    squeezed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if squeezed:
        raise InvalidInput(
            f"{name}: member {shown(squeezed[0])} is compressed, which torch.save never does; it may unfold to any "
            "size. Fix: write the file with torch.save."
        )
    if any("constants.pkl" in member.filename or "/code/" in member.filename for member in members):
        raise InvalidInput(f"{name} is a TorchScript program, not tensors. Fix: save the tensors with torch.save.")
    total = sum(member.file_size for member in members)
    if total > len(content):
        raise InvalidInput(f"{name} declares {total:,} bytes of members in {len(content):,}: they overlap.")


def npz_arrays(content: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    """Every array of an .npz; raises InvalidInput for bombs, object arrays and whatever is no array.

    What zipfile and zlib raise besides for damaged members is the caller's to turn into one.
    """
    members = _members(content, name)
    total = sum(member.file_size for member in members)
    ratio = max((member.file_size / max(member.compress_size, 1) for member in members), default=0.0)
    if total > LARGEST or ratio > RATIO:
        raise InvalidInput(
            f"{name} unfolds {len(content):,} bytes into {total:,}; at most {LARGEST:,} are read, and {RATIO} times "
            "the size of a member. Fix: write it with numpy.savez."
        )
    found = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in members:
            label = f"{name}: {shown(member.filename)}"
            if not member.filename.endswith(".npy"):
                raise InvalidInput(f"{label} is no array. Only what numpy.savez or torch.save writes is read.")
            found[member.filename.removesuffix(".npy")] = npy_array(archive.read(member), label)
    return found


def npy_array(content: bytes, name: str) -> npt.NDArray[Any]:
    """The array of an .npy, by its own header and no larger than its bytes; raises InvalidInput."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, in_fortran_order, dtype = header(stream)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, tokenize.TokenError) as fault:
        raise InvalidInput(f"{name} has a header that numpy does not write ({str(fault)[:100]}).") from fault
    if dtype.kind not in "uif":
        what = "Python objects, which are never unpickled" if dtype.hasobject else f"{dtype}"
        raise InvalidInput(f"{name} holds {what}; images and labels are numbers. Fix: save plain number arrays.")
    body = memoryview(content)[stream.tell() :]
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(body):
        raise InvalidInput(
            f"{name} declares shape {shape} and dtype {dtype}, which are not its {len(body):,} bytes. "
            "Fix: write or copy it again."
        )
    flat = np.frombuffer(body, dtype=dtype).astype(dtype.newbyteorder("="))
    return flat.reshape(shape, order="F" if in_fortran_order else "C")
