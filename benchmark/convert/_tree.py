"""How the child process hands over what it read: nested lists and dicts as JSON, arrays as safetensors beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import tensor_file
from benchmark._strict import parse_json, read_bytes
from benchmark.errors import InvalidInput

__all__ = ["read", "write"]

ARRAYS, TREE = "arrays.safetensors", "tree.json"
MAX_TREE = 16 * 2**20
Array = npt.NDArray[Any]


def write(value: Any, folder: Path) -> None:
    """Write nested lists, dicts, plain values and arrays into a folder; raises InvalidInput where there is no array."""
    arrays: dict[str, Array] = {}
    text = json.dumps(_encoded(value, arrays), allow_nan=False).encode()
    if not arrays:
        raise InvalidInput("there is no array in it. See docs/convert.md for what is read.")
    if len(text) > MAX_TREE:
        raise InvalidInput("there is too much in it besides arrays. Fix: save images and labels alone.")
    (folder / ARRAYS).write_bytes(tensor_file.to_bytes(arrays))
    (folder / TREE).write_bytes(text)


def _encoded(value: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"dict": [[str(key), _encoded(part, arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_encoded(part, arrays) for part in value]}
    has_no_json = isinstance(value, float) and not math.isfinite(value)
    return {"value": str(value) if has_no_json else value}


def read(folder: Path) -> Any:
    """Undo `write`; tuples come back as lists. Raises InvalidInput for anything else."""
    tree = parse_json(read_bytes(folder / TREE, MAX_TREE), TREE)
    return _decoded(tree, tensor_file.read(folder / ARRAYS))


def _decoded(node: Any, arrays: Mapping[str, Array]) -> Any:
    try:
        ((kind, content),) = node.items()
        if kind == "array":
            return arrays[content]
        if kind == "dict":
            return {str(key): _decoded(part, arrays) for key, part in content}
        if kind == "list":
            return [_decoded(part, arrays) for part in content]
        if kind == "value" and (content is None or isinstance(content, bool | int | float | str)):
            return content
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise InvalidInput(f"{TREE} is not what the reader writes ({fault}).") from fault
    raise InvalidInput(f"{TREE} is not what the reader writes.")
