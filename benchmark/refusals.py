"""One problem of a submission as it is told, and the error that tells all of them.

The codes stand in problems.py; the class of the error, and so the exit code, follows from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmark.errors import DistillBenchError, EnvironmentFault, InvalidInput, PolicyRefusal
from benchmark.problems import TABLE, exit_code

__all__ = ["MOST", "Problem", "plain", "raise_for", "refusal", "shown"]

PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST = 20
"""Problems that are told at once."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what came, what is allowed, what to do."""

    code: str
    file: str
    what: str
    """Our own words; a stranger's text inside them must come from `shown`."""
    field: str = ""
    """The tensor or the card's field; empty: the whole file."""
    got: str = ""
    limit: str = ""
    fix: str = ""
    """Empty: that of the table."""

    def line(self) -> str:
        """The one line that says it; printable whatever the parts hold."""
        file = self.file if len(self.file) <= 200 else f"…{self.file[-200:]}"
        where = f"{file}:{_cut(self.field, 100)}" if self.field else file
        measured = [f"got {_cut(self.got, 210)}" if self.got else "", f"limit {self.limit}" if self.limit else ""]
        bounds = ", ".join(part for part in measured if part)
        fix = self.fix or TABLE[self.code].fix
        return _printable(f"{self.code} {where}: {self.what}{f' ({bounds})' if bounds else ''}. Fix: {fix}.")

    def to_json(self) -> dict[str, str]:
        """The same as an object, every part printable."""
        whole = replace(self, fix=self.fix or TABLE[self.code].fix)
        parts = {name: str(getattr(whole, name)) for name in ("code", "file", "field", "what", "got", "limit", "fix")}
        return {
            name: _printable(part if name in ("what", "limit", "fix") else _cut(part, 210))
            for name, part in parts.items()
        }


def shown(value: object) -> str:
    """A stranger's value for a message: escaped, and cut at 200 characters."""
    return _cut(ascii(value), 200)


def plain(name: str) -> str:
    """A stranger's name where a line says in which field it is wrong; empty where it is no plain word."""
    return name if PLAIN.fullmatch(name) else ""


def refusal(problems: Iterable[Problem]) -> DistillBenchError:
    """The error that tells these problems, the first `MOST` of them; its class follows from their codes.

    What is invalid comes before what the rules refuse, and that before a fault of the machine.
    """
    found = list(dict.fromkeys(problems))
    codes = {exit_code(problem.code) for problem in found}
    kind = InvalidInput if 3 in codes else PolicyRefusal if 4 in codes else EnvironmentFault
    rest = [f"… and {len(found) - MOST} more."] if len(found) > MOST else []
    fault = kind("\n".join([*(problem.line() for problem in found[:MOST]), *rest]))
    fault.problems = tuple(found)
    return fault


def raise_for(problems: Sequence[Problem]) -> None:
    """Raise the error that tells these problems, where there are any."""
    if problems:
        raise refusal(problems)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
