"""What is known of a dataset, as a frozen value and as the TOML table that it is written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from benchmark.errors import InvalidInput, unknown_name

__all__ = ["FORMAT", "DatasetFacts", "Statistics", "from_table", "to_table"]

FORMAT = 1
"""Of a dataset's TOML file."""


@dataclass(frozen=True)
class Statistics:
    """Numbers that standardise pixels in 0..1: (pixel - mean) / std."""

    mean: tuple[float, ...]
    """One a channel."""
    std: tuple[float, ...]
    """One a channel, above 0."""


@dataclass(frozen=True)
class DatasetFacts:
    """Everything about a dataset but its images."""

    name: str
    """Its registry name, or the stored name of a user's own data: `<stem>-<first 8 digits of the digest>`."""
    title: str
    """As a page shows it."""
    summary: str
    """One line."""
    flip: bool
    """Whether an image keeps its label when mirrored left to right."""
    source: str
    """Where the data come from: a page of the publisher."""
    licence: str
    citation: str
    redistributable: bool
    """Whether pages may show its images and stores may carry them."""
    loader: str
    """Which of our loaders reads it; see docs/datasets.md."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What the loader needs, e.g. a path."""
    shape: tuple[int, int, int] = (0, 0, 0)
    """(channels, height, width) of every image."""
    classes: tuple[str, ...] = ()
    """Names by label id."""
    n_train: int = 0
    n_test: int = 0
    statistics: Mapping[str, Statistics] = field(default_factory=dict, hash=False)
    """Named normalisations: `dataset` is that of the train split; others are what publications used."""
    digest: str = ""
    """sha256 of labels and images in canonical order, 64 hex digits; empty: not known before the data are loaded."""

    @property
    def is_complete(self) -> bool:
        """Whether everything but the digest is known without the images."""
        return bool(self.shape[0] and self.classes and self.n_train and self.n_test and "dataset" in self.statistics)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_list_of(check: Callable[[Any], bool], value: Any, length: int | None = None) -> bool:
    return isinstance(value, list) and bool(value) and length in (None, len(value)) and all(map(check, value))


def _is_statistics(value: Any) -> bool:
    def is_number(item: Any) -> bool:
        return type(item) in (int, float) and abs(item) < 1e6

    return isinstance(value, dict) and all(
        isinstance(numbers, dict)
        and set(numbers) == {"mean", "std"}
        and _is_list_of(is_number, numbers["mean"])
        and _is_list_of(is_number, numbers["std"], len(numbers["mean"]))
        and min(numbers["std"]) > 0
        for numbers in value.values()
    )


_TEXT = (_is_text, "a text that is not empty")
_COUNT = (_is_count, "a whole number above 0")
_FLAG = (lambda value: type(value) is bool, "true or false")
_REQUIRED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: type(value) is int and value == FORMAT, f"{FORMAT}, the format that this version reads"),
    "title": _TEXT,
    "summary": _TEXT,
    "flip": _FLAG,
    "source": _TEXT,
    "licence": _TEXT,
    "citation": _TEXT,
    "redistributable": _FLAG,
    "loader": _TEXT,
}
_OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "options": (lambda value: isinstance(value, dict), "a table"),
    "shape": (lambda value: _is_list_of(_is_count, value, 3), "[channels, height, width]"),
    "classes": (
        lambda value: _is_list_of(_is_text, value) and len(set(value)) == len(value),
        "a list of names, no two alike",
    ),
    "n_train": _COUNT,
    "n_test": _COUNT,
    "statistics": (_is_statistics, "tables with a mean and a std above 0 for each channel"),
    "digest": (
        lambda value: isinstance(value, str) and re.fullmatch(r"|[0-9a-f]{64}", value) is not None,
        "64 hex digits, or empty",
    ),
}


def from_table(table: Mapping[str, Any], name: str, origin: str) -> DatasetFacts:
    """Check the table of a dataset's TOML file; raises InvalidInput naming `origin` and the field."""
    for key in _REQUIRED:
        if key not in table:
            raise InvalidInput(f"{origin}: field {key!r} is missing; it must be {_REQUIRED[key][1]}.")
    for key, value in table.items():
        check, allowed = {**_REQUIRED, **_OPTIONAL}.get(key, (None, ""))
        if check is None:
            raise InvalidInput(f"{origin}: {unknown_name('field', key, [*_REQUIRED, *_OPTIONAL])}")
        if not check(value):
            raise InvalidInput(f"{origin}: {key} = {str(value)[:80]!r}; it must be {allowed}.")
    content: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key != "format"
    }
    content["statistics"] = {
        which: Statistics(tuple(map(float, numbers["mean"])), tuple(map(float, numbers["std"])))
        for which, numbers in table.get("statistics", {}).items()
    }
    facts = DatasetFacts(name=name, **content)
    for which, numbers in facts.statistics.items():
        if facts.shape[0] and len(numbers.mean) != facts.shape[0]:
            raise InvalidInput(
                f"{origin}: statistics.{which} has {len(numbers.mean)} channels, shape {facts.shape[0]}."
            )
    return facts


def to_table(facts: DatasetFacts) -> dict[str, Any]:
    """Undo `from_table`: plain JSON and TOML types."""
    table = {f.name: getattr(facts, f.name) for f in fields(facts) if f.name != "name"}
    statistics = {which: {"mean": list(n.mean), "std": list(n.std)} for which, n in facts.statistics.items()}
    return {
        "format": FORMAT,
        **{key: list(value) if isinstance(value, tuple) else value for key, value in table.items()},
        "statistics": statistics,
        "options": dict(facts.options),
    }
