"""Turns the rows of one method at one place into a cell: mean, spread, interval, counts of what went wrong.

The unit of a claim about a method is its synthetic set: with two sets or more (distillation seeds) the mean, SD and
interval are over the sets' means. With a single set they are over its training seeds, which says nothing of how much
another run of the method would differ; `over` tells the reader which it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from benchmark.plan import QUICK
from benchmark.statistics import Difference, Interval, paired_difference, t_interval
from leaderboard.sources import Card, Row

__all__ = [
    "CONTROLS",
    "FULL_DATA",
    "OURS",
    "REFERENCE",
    "Cell",
    "LineKey",
    "SetValues",
    "cell",
    "delta",
    "group",
    "is_reference",
    "line_key",
    "of_evaluator",
]

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
CONTROLS = ("noise",)
"""Methods that show what a score means and compete with none: they have no rank."""
FULL_DATA = "full-data"
"""The method whose set is the whole dataset."""
OURS = "DistillBench"
"""Contributor of the sets that this project's baselines make."""
REFERENCE = "/reference"
"""End of the name of a recipe's schedule for full data."""


class LineKey(NamedTuple):
    """What makes one line of a board: sets that differ in more than their distillation seed are never pooled."""

    method: str
    preset: str
    contributor: str
    distilled_on: str
    bytes: int | None
    digest: str
    """Empty, or the one set of this line, where it names no distillation seed that would make it one of several."""


@dataclass(frozen=True)
class SetValues:
    """One set's values, in the order of their training seeds."""

    digest: str
    distil_seed: int | None
    values: Mapping[int | None, float]
    """By training seed."""

    @property
    def mean(self) -> float:
        return sum(self.values.values()) / len(self.values)


@dataclass(frozen=True)
class Cell:
    """One method at one place."""

    interval: Interval
    over: str
    """`sets` or `seeds`: what the interval's n counts."""
    sets: tuple[SetValues, ...]
    """Those with at least one value."""
    digests: tuple[str, ...]
    """All sets, with values or not."""
    counts: Mapping[str, int]
    """Rows by status."""
    reasons: tuple[tuple[str, str], ...]
    """(status, reason) of what is not ok, each once."""

    @property
    def units(self) -> list[float]:
        """What the interval is over: the sets' means, or the values of the one set."""
        return [found.mean for found in self.sets] if self.over == "sets" else self.values

    @property
    def values(self) -> list[float]:
        return [value for found in self.sets for value in found.values.values()]


def of_evaluator(rows: Iterable[Row], name: str) -> dict[tuple[str, str, str, str], list[Row]]:
    """The `ok` rows of an evaluator by (set, evaluator, recipe, architecture); its quick form is one apart."""
    found = (row for row in rows if row.ok and row.evaluator in (name, name + QUICK))
    return group(found, lambda row: (row.set, row.evaluator, row.recipe, row.architecture))


def group(rows: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Rows (or whatever else) by key, in the order of first appearance."""
    found: dict[Key, list[Item]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def line_key(row: Row, cards: Mapping[str, Card], apart: Collection[str] = ()) -> LineKey:
    """The line that a row belongs to; sets that are to stand `apart` are lines of their own."""
    card = cards.get(row.set, Card({}))
    preset, contributor, distilled_on = (card.text(name) for name in ("preset", "contributor", "distilled_on"))
    alone = "" if row.distil_seed is not None and row.set not in apart else row.set
    return LineKey(row.method, preset, contributor, distilled_on, row.bytes, alone)


def is_reference(row: Row) -> bool:
    """Whether a row is a full-data reference, which stands beside the ranks."""
    return row.method == FULL_DATA or row.recipe.endswith(REFERENCE)


def cell(rows: Sequence[Row]) -> Cell:
    """Reduce the rows of one line at one place."""
    sets = []
    by_set = group(rows, lambda row: row.set)
    digests = sorted(by_set, key=lambda name: (by_set[name][0].distil_seed or 0, name))
    for digest in digests:
        kept = sorted((row for row in by_set[digest] if row.ok), key=lambda row: -1 if row.seed is None else row.seed)
        if kept:
            sets.append(SetValues(digest, kept[0].distil_seed, {row.seed: row.value for row in kept}))
    per_set = len(sets) > 1
    values = [found.mean for found in sets] if per_set else [value for found in sets for value in found.values.values()]
    reasons = sorted({(row.status, row.reason) for row in rows if not row.ok})
    counts = dict(sorted(Counter(row.status for row in rows).items()))
    return Cell(t_interval(values), "sets" if per_set else "seeds", tuple(sets), tuple(digests), counts, tuple(reasons))


def delta(first: Cell, second: Cell) -> Difference | None:
    """The first cell minus the second, paired by set and training seed; None where they share none."""
    others = {found.digest: found.values for found in second.sets}
    shared = [(found.values, others[found.digest]) for found in first.sets if found.digest in others]
    pairs = [[(a[seed], b[seed]) for seed in a if seed in b] for a, b in shared]
    pairs = [found for found in pairs if found]
    if not pairs:
        return None
    if len(pairs) > 1:  # one pair a set: the means over the seeds that both have
        flat = [(sum(a for a, _ in found) / len(found), sum(b for _, b in found) / len(found)) for found in pairs]
    else:
        flat = pairs[0]
    return paired_difference([a for a, _ in flat], [b for _, b in flat])
