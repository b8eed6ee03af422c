"""Opens a checkpoint of flax: one msgpack document whose arrays are extensions of it.

Source: google/flax, flax/serialization.py: extension 1 is an array and 3 a single number, both a packed (shape, name of
the dtype, bytes); 2 is a complex number. Runs in the child process alone. msgpack calls nothing that a file names; what
it builds is bounded by the file's size, and what the arrays declare must be the bytes that they have.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmark._strict import shown
from benchmark.errors import InvalidInput

__all__ = ["load"]

ARRAY, COMPLEX, NUMBER = 1, 2, 3
MAX_PARTS, MAX_DEPTH, MAX_TEXT = 200_000, 20, 4096
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8")
UNUSED = ("bool", "uint16", "uint32", "uint64")
"""Of counters and random states beside the images; passed over."""
CHUNKED = "__msgpack_chunked_array__"


def load(content: bytes, name: str) -> Any:
    """Nested dicts, lists, plain values and arrays; None stands for an array of a dtype that no images have.

    Raises InvalidInput saying what is in the way. What msgpack raises besides for a damaged file is the caller's to
    turn into one.
    """
    try:
        import msgpack
    except ModuleNotFoundError as fault:
        raise InvalidInput(
            f"{name} is a checkpoint of flax, for which the package msgpack is missing here. Fix: pip install "
            "'distillbench[flax]' (from a checkout: pip install -e '.[flax]')."
        ) from fault

    def extension(code: int, data: bytes) -> Any:
        if code not in (ARRAY, NUMBER):
            what = "a complex number" if code == COMPLEX else f"the extension {code}, which flax does not write"
            raise InvalidInput(f"{name} holds {what}. Fix: save images and labels with numpy.savez.")
        array = _array(msgpack.unpackb(data, raw=True, **_bounds(len(data))), name)
        return array if code == ARRAY or array is None else array.item()

    tree = msgpack.unpackb(content, raw=False, ext_hook=extension, **_bounds(len(content)))
    _check(tree, name)
    return tree


def _bounds(size: int) -> dict[str, int]:
    parts = min(size, MAX_PARTS)
    return {
        "max_str_len": min(size, MAX_TEXT),
        "max_bin_len": size,
        "max_ext_len": size,
        "max_array_len": parts,
        "max_map_len": parts,
    }


def _array(packed: Any, name: str) -> Any:
    """The array of (shape, name of the dtype, bytes); None for a dtype of no use, InvalidInput for any other form."""
    if not isinstance(packed, list) or len(packed) != 3:
        raise InvalidInput(f"{name} holds an array that is not written as flax does it.")
    shape, dtype, body = packed
    spec = dtype.decode("ascii", "replace") if isinstance(dtype, bytes) else ""
    if spec not in (*DTYPES, *UNUSED, "bfloat16"):
        raise InvalidInput(
            f"{name} holds an array of dtype {shown(spec)}; read are {', '.join((*DTYPES, 'bfloat16'))}."
        )
    stored = np.dtype("<u2" if spec == "bfloat16" else spec).newbyteorder("<")
    fits = isinstance(shape, list) and len(shape) <= 8 and all(type(size) is int and size >= 0 for size in shape)
    if not fits or not isinstance(body, bytes) or math.prod(shape) * stored.itemsize != len(body):
        raise InvalidInput(f"{name} holds an array whose shape {shown(shape)} and dtype {spec} are not its bytes.")
    if spec in UNUSED:
        return None
    flat = np.frombuffer(body, stored)
    if spec == "bfloat16":  # the upper half of a float32
        flat = (flat.astype("<u4") << 16).view("<f4")
    return flat.astype(flat.dtype.newbyteorder("=")).reshape(shape)


def _check(tree: Any, name: str) -> None:
    """Raise InvalidInput where there are too many parts, parts nested too deep, or arrays cut into chunks."""
    n_parts, waiting = 0, [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        n_parts += 1
        if n_parts > MAX_PARTS or depth > MAX_DEPTH:
            raise InvalidInput(f"{name} holds too many parts, or parts nested too deep.")
        if isinstance(node, dict):
            if CHUNKED in node:
                raise InvalidInput(
                    f"{name} holds an array of more than 1 GiB, which flax cuts into chunks: no such set."
                )
            waiting += [(part, depth + 1) for part in node.values()]
        elif isinstance(node, list):
            waiting += [(part, depth + 1) for part in node]
        elif isinstance(node, bytes):
            raise InvalidInput(f"{name} holds bytes that are no array. Fix: save images and labels with numpy.savez.")
        elif not isinstance(node, np.ndarray | str | bool | int | float | None):  # a time, say: msgpack's own extension
            raise InvalidInput(f"{name} holds a {type(node).__name__}, which flax does not write.")
