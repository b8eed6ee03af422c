"""Reads a stranger's files within bounds: regular files, strict JSON, and text cut and escaped for messages."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from benchmark.errors import InvalidInput
from benchmark.refusals import shown

__all__ = ["TwiceError", "parse_json", "read_bytes", "shown"]

_REASONS = {
    errno.ELOOP: "is a symbolic link. Fix: put the file itself there",
    errno.ENOENT: "does not exist",
}


class _Twice(ValueError):
    pass


class TwiceError(InvalidInput):
    """A key stands twice in an object: readers differ in which value they take."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


def read_bytes(file: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes; raises InvalidInput for anything else, at once.

    Links are not followed, and a pipe without a writer is refused rather than waited for.
    """
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as fault:
        reason = _REASONS.get(fault.errno or 0, f"cannot be opened ({fault.strerror})")
        raise InvalidInput(f"{file} {reason}.") from fault
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise InvalidInput(f"{file} is not a regular file.")
    with os.fdopen(handle, "rb") as stream:
        if status.st_size > limit:
            raise InvalidInput(f"{file} has {status.st_size:,} bytes; at most {limit:,} are read.")
        content = stream.read(status.st_size + 1)  # not of the limit: Python would set that many bytes aside
    if len(content) > status.st_size:
        raise InvalidInput(f"{file} grew while it was read. Fix: wait until it is written, and try again.")
    return content


def parse_json(text: bytes, name: str) -> Any:
    """The value of strict JSON: UTF-8, every key once, finite numbers; raises InvalidInput naming `name`.

    Python's own reader lets NaN, 1e999 and repeated keys pass.
    """
    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
    except _Twice as fault:
        raise TwiceError(f"{name} is no valid JSON ({str(fault)[:100]}).", str(fault)) from fault
    except (ValueError, RecursionError) as fault:
        raise InvalidInput(f"{name} is no valid JSON ({str(fault)[:100]}).") from fault


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(f"the key {shown(key)} stands twice")
        found[key] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number
