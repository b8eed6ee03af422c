"""How an outcome lies on disk: a JSON file with a hash of what is deterministic, and a tensor file for its arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import tensor_file
from benchmark.errors import InvalidInput
from benchmark.synthetic_set import Array
from benchmark.values import Outcome, digest, from_json, to_json

__all__ = ["ARRAYS", "FORMAT", "encode", "is_intact_beside", "read", "read_cost"]

FORMAT = 1
ARRAYS = ".safetensors"
"""Suffix of the file of arrays, beside the `.json`."""


def encode(name: str, training: Any, outcome: Outcome, cost: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The content of the JSON file, and of the file of arrays (empty where there are none); float64 becomes float32.

    Raises InvalidInput where the probe returned something else than plain finite values and arrays.
    """
    arrays: dict[str, Array] = {}
    value = _without_arrays(outcome.value, "", arrays)
    content = tensor_file.to_bytes(arrays) if arrays else b""
    body = {
        "format": FORMAT,
        "name": name,
        "training": training,
        "seed": outcome.seed,
        "probe": to_json(outcome.probe),
        "numerics": outcome.numerics,
        "status": outcome.status,
        "reason": outcome.reason,
        "value": value,
        "arrays": hashlib.sha256(content).hexdigest() if arrays else "",
    }
    try:
        beside = {"device": outcome.device, "cost": dict(cost)}
        text = json.dumps({"sha256": digest(body), "outcome": body, **beside, "beside": digest(beside)})
    except (TypeError, ValueError) as fault:
        raise InvalidInput(
            f"probe {outcome.probe.name!r} returned what cannot be stored ({fault}). "
            "Fix: return numbers that are finite, text, lists, None, or arrays."
        ) from fault
    return text.encode(), content


def read(file: Path, name: str) -> Outcome | None:
    """The outcome of this name in a file; None where the file, or its arrays, are missing, damaged or another's."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        body = stored["outcome"]
        if digest(body) != stored["sha256"] or body["name"] != name or body["format"] != FORMAT:
            return None
        return Outcome(
            seed=body["seed"],
            probe=from_json(body["probe"]),
            status=body["status"],
            value=_with_arrays(body["value"], _arrays(file, body["arrays"])),
            reason=body["reason"],
            numerics=body["numerics"],
            device=stored["device"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InvalidInput):
        return None


def is_intact_beside(file: Path) -> bool:
    """Whether what stands outside the hash of an outcome that `read` takes is as it was written, or unsealed."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    beside = {name: value for name, value in stored.items() if name not in ("sha256", "outcome", "beside")}
    return set(beside) == {"device", "cost"} and stored.get("beside", digest(beside)) == digest(beside)


def read_cost(file: Path) -> dict[str, Any]:
    """What stands beside an outcome that `read` takes: its cost."""
    cost = json.loads(file.read_text(encoding="utf-8")).get("cost", {})
    return cost if isinstance(cost, dict) else {}


def _arrays(file: Path, sha256: str) -> dict[str, Array]:
    if not sha256:
        return {}
    content = file.with_suffix(ARRAYS).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InvalidInput(f"the arrays beside {file} are damaged.")
    return tensor_file.parse(content, str(file))


def _without_arrays(value: Any, where: str, arrays: dict[str, Array]) -> Any:
    """Replace arrays by `{"array": name}` and collect them; numpy's numbers become plain ones."""
    if isinstance(value, np.ndarray):
        arrays[where] = value.astype(np.float32) if value.dtype == np.float64 else value
        return {"array": where}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {k: _without_arrays(item, f"{where}/{k}".lstrip("/"), arrays) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, f"{where}/{i}".lstrip("/"), arrays) for i, item in enumerate(value)]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]]
        return {k: _with_arrays(item, arrays) for k, item in value.items()}
    return [_with_arrays(item, arrays) for item in value] if isinstance(value, list) else value
