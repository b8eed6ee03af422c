"""Numbers and keys in words, the same on every page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.statistics import Difference, Interval
from leaderboard.beside import Claim
from leaderboard.cells import OURS, Cell, LineKey
from leaderboard.lines import Gap, Line

__all__ = [
    "absent",
    "between",
    "claimed",
    "count",
    "details",
    "digits",
    "ends",
    "number",
    "p_value",
    "per_class",
    "rank",
    "signed",
    "size",
    "status",
    "track",
]

ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
DIGITS = {"bytes": 0, "1": 3, "rho": 3, "tau": 3, "nats": 3}
"""Behind the point, by unit; two elsewhere."""
TRACKS = {"hard": "hard labels", "soft": "soft labels", "teacher": "a teacher's labels"}


def number(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign and thousands apart; a dash where there is none."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:,.{digits}f}".replace("-", MINUS).replace(",", THIN)


def digits(unit: str) -> int:
    """How many digits a number in a unit is told with, behind the point."""
    return DIGITS.get(unit, 2)


def signed(found: Difference | Gap | None, digits: int = 2) -> str:
    """A difference with its sign."""
    if found is None:
        return ABSENT
    return f"{found.mean:+,.{digits}f}".replace("-", MINUS).replace(",", THIN)


def claimed(claim: Claim) -> str:
    """A claim's number with what is stated of its spread."""
    spread = "" if claim.sd is None else f" ± {number(claim.sd, digits(claim.unit))}"
    unit = "" if claim.unit in ("", "1") else f" {claim.unit}"
    n = "" if claim.n is None else f" (n = {claim.n})"
    return f"{number(claim.value, digits(claim.unit))}{spread}{unit}{n}"


def rank(line: Line) -> str:
    """A rank with the first and last that the tests leave open, as in `2 (1-4)`; a dash where there is none."""
    if line.rank is None:
        return ABSENT
    first, last = line.ranks or (line.rank, line.rank)
    return str(line.rank) if first == last else f"{line.rank} ({first}{ABSENT}{last})"


def p_value(found: float) -> str:
    """A p-value to three digits; a dash where nothing was tested."""
    if math.isnan(found):
        return ABSENT
    return f"{found:.3f}" if found >= 0.001 else "< 0.001"


def between(found: Interval | Difference | Gap | None, digits: int = 2) -> str:
    """The ends of an interval; a dash where there are too few values for one."""
    return ABSENT if found is None else ends(found.low, found.high, digits)


def ends(low: float, high: float, digits: int = 2) -> str:
    """Two ends of an interval; a dash where there is none."""
    return ABSENT if math.isnan(low) else f"{number(low, digits)} to {number(high, digits)}"


def absent(value: object) -> object:
    """The value; a dash where there is none."""
    return ABSENT if value is None else value


def size(n_bytes: int | None) -> str:
    """Bytes with thousands apart, in full: equal bytes are to be seen as equal."""
    return ABSENT if n_bytes is None else f"{n_bytes:,}".replace(",", THIN)


def per_class(ipc: int | None) -> str:
    """A size in words."""
    if ipc is None:
        return "any number per class"
    return f"{ipc} image{'' if ipc == 1 else 's'} per class"


def track(name: str) -> str:
    """A label track in words."""
    return TRACKS.get(name, name)


def count(n: int, word: str) -> str:
    """`1 set`, `3 sets`; takes the plural."""
    plain = word.removesuffix("s") if not word.endswith("ies") else word.removesuffix("ies") + "y"
    return f"{n:,} {plain if n == 1 else word}".replace(",", THIN)


def status(found: Cell) -> str:
    """Counts of rows by status, what is ok first."""
    order = sorted(found.counts.items(), key=lambda item: (item[0] != "ok", item[0]))
    return ", ".join(f"{n} {name}" for name, n in order)


def details(key: LineKey, others: Sequence[Line] = ()) -> list[str]:
    """What tells a line from others of its method: preset, contributor, data it was made from, its one set."""
    repeated = sum(line.key.method == key.method for line in others) > 1
    found = [key.preset] if key.preset and (repeated or key.preset != "default") else []
    found += [f"by {key.contributor}"] if key.contributor not in ("", OURS) else []
    found += [key.distilled_on] if key.distilled_on not in ("", "train") else []
    return [*found, key.digest[:8]] if repeated and key.digest else found
