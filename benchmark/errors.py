"""What can go wrong, and the exit code of each.

DistillBenchError
├── UsageError (2)          an unknown name, an impossible combination
│   └── DoesNotFit          an architecture that cannot take an input; the message is the reason
├── InvalidInput (3)        a file, card or tensor that breaks its format
├── PolicyRefusal (4)       well-formed, but not allowed on a board
├── EnvironmentFault (5)    disk, network, permission: mend it and try again
└── TrainingDiverged        a training whose loss is no number: becomes an outcome with status `failed`
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.refusals import Problem

__all__ = [
    "DistillBenchError",
    "DoesNotFit",
    "EnvironmentFault",
    "InvalidInput",
    "PolicyRefusal",
    "TrainingDiverged",
    "UsageError",
    "first_line",
    "is_machines",
    "is_out_of_memory",
    "unknown_name",
]


class DistillBenchError(Exception):
    """Something a user can understand and mend; printed as one line, never as a traceback."""

    exit_code = 6
    problems: tuple[Problem, ...] = ()
    """With a code each (docs/errors.md), all of them where many are told; empty for errors without codes."""


def is_machines(fault: Exception | None) -> bool:
    """Whether something may have gone wrong on the machine (memory, a GPU, a worker), so that the rest may go on."""
    return isinstance(fault, (RuntimeError, MemoryError))


def is_out_of_memory(fault: Exception | None) -> bool:
    """Whether memory was wanting, by Python's own error or by the words of torch's, on a GPU or a CPU."""
    words = ("out of memory", "allocate memory", "not enough memory")
    said = str(fault).lower() if isinstance(fault, RuntimeError) else ""
    return isinstance(fault, MemoryError) or any(part in said for part in words)


def first_line(fault: Exception) -> str:
    """What was raised, in one line."""
    return f"{type(fault).__name__}: {str(fault).strip().partition(chr(10))[0][:200]}"


class UsageError(DistillBenchError):
    """What was asked for does not exist or cannot be done."""

    exit_code = 2


class DoesNotFit(UsageError):
    """An architecture cannot take an input of this shape; the message is the reason."""


class InvalidInput(DistillBenchError):
    """A file or value handed in breaks its format; nothing was written."""

    exit_code = 3


class PolicyRefusal(DistillBenchError):
    """The input is well-formed, but the rules of the boards refuse it."""

    exit_code = 4


class EnvironmentFault(DistillBenchError):
    """The machine, the disk or the network is at fault; the same call may succeed later."""

    exit_code = 5


class TrainingDiverged(DistillBenchError):
    """The loss of a training is not a number any more."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Say which name was asked for, the nearest one, and the whole list. Case and `_` for `-` are no distance."""
    listed = sorted(known)
    asked = name if len(name) <= 100 else f"{name[:100]}…"
    plain = {_plain(one): one for one in reversed(listed)}
    nearest = difflib.get_close_matches(_plain(asked), plain, n=1)
    hint = f" Did you mean {plain[nearest[0]]!r}?" if nearest else ""
    return UsageError(f"unknown {kind} {asked!r}.{hint} Known: {', '.join(listed) or 'none'}.")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
