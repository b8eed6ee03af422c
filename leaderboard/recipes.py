"""What the pages say of recipes and evaluators: the names that results carry, and what is registered under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark import recipe, registry
from benchmark.errors import DistillBenchError
from benchmark.plan import QUICK
from leaderboard.sources import Row

__all__ = ["EvaluatorNote", "RecipeNote", "evaluator_notes", "recipe_notes"]


@dataclass(frozen=True)
class RecipeNote:
    """A recipe that results name."""

    name: str
    n_rows: int
    summary: str
    source: str
    digest: str
    """sha256 of the registered recipe of this name today; empty where none is registered here."""
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EvaluatorNote:
    """An evaluator that results name, by version."""

    name: str
    version: int | None
    n_rows: int
    summary: str
    """Empty where it is not registered here, or in another version."""


def recipe_notes(rows: Sequence[Row]) -> list[RecipeNote]:
    """Every recipe of some rows, by name."""
    return [_recipe(name, n) for name, n in sorted(Counter(row.recipe for row in rows).items())]


def evaluator_notes(rows: Sequence[Row]) -> list[EvaluatorNote]:
    """Every evaluator version of some rows, by name."""
    counts = Counter((row.evaluator, row.version) for row in rows)
    order = sorted(counts, key=lambda key: (key[0], key[1] or 0))
    return [EvaluatorNote(name, version, counts[name, version], _summary(name, version)) for name, version in order]


def _recipe(name: str, n_rows: int) -> RecipeNote:
    try:
        found = recipe.load(name)
    except DistillBenchError:
        return RecipeNote(name, n_rows, "", "", "", ())
    fields = tuple((key.replace("_", " "), _value(value)) for key, value in found.canonical().items() if key != "kind")
    seeds = ("training seeds", str(found.n_seeds))
    return RecipeNote(name, n_rows, found.summary, found.source, found.digest, (seeds, *fields))


def _summary(name: str, version: int | None) -> str:
    whole = name.removesuffix(QUICK)
    note = "" if whole == name else " (its quick form: fewer seeds or conditions)"
    try:
        return registry.summary("evaluator", whole) + note if registry.version("evaluator", whole) == version else ""
    except DistillBenchError:
        return ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
