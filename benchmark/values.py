"""The values that evaluators plan with: frozen, hashable, without tensors, and writable as JSON.

An evaluator says what must be trained and measured in these words; the engine alone trains. Seeds and probes are no
part of a `Training`, so two evaluators that ask for the same training share it. docs/engine.md writes every
evaluator out in these types.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmark.errors import InvalidInput
from benchmark.recipe import Recipe

__all__ = [
    "Budget",
    "Cell",
    "Data",
    "Images",
    "Json",
    "Made",
    "Outcome",
    "Outcomes",
    "Probe",
    "Real",
    "Requantised",
    "Stage",
    "Stored",
    "Training",
    "canonical_json",
    "digest",
    "from_json",
    "to_json",
]

Json = dict[str, Any]


@dataclass(frozen=True)
class Real:
    """Real images of a dataset, in canonical order."""

    dataset: str
    split: str = "train"
    """`train` or `test`."""
    part: str | None = None
    """A named seeded part of the split: `holdout`, `minus-holdout`, `half-00` … ; None: all of it."""
    classes: tuple[int, ...] | None = None
    """Keep these label ids only; None: all."""


@dataclass(frozen=True)
class Budget:
    """How much a baseline may store: images per class, or canonical bytes. Neither: no limit (full data)."""

    ipc: int | None = None
    bytes: int | None = None

    def __str__(self) -> str:
        if self.ipc is not None:
            return f"{self.ipc} per class"
        return f"{self.bytes} bytes" if self.bytes is not None else "all of it"


@dataclass(frozen=True)
class Made:
    """A set that a baseline is to make; the runner turns it into `Stored` before any key is taken."""

    baseline: str
    preset: str
    real: Real
    budget: Budget
    seed: int


@dataclass(frozen=True)
class Stored:
    """A synthetic set of the store."""

    digest: str
    classes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Requantised:
    """A set without what hides below its pixels: coarser levels, in another order (`engine/requantising.py`)."""

    of: Stored | Made
    seed: int
    """Of the noise and the order."""


Images = Real | Made | Stored | Requantised


@dataclass(frozen=True)
class Data:
    """What a network trains on: the union of some images, under some labels. Order and repeats are dropped."""

    images: tuple[Images, ...]
    labels: Literal["own", "hard"] | Training = "own"
    """`own`: as stored; `hard`: the class ids even where soft labels are stored; a Training: that teacher's outputs."""

    def __post_init__(self) -> None:
        unique = {canonical_json(to_json(images)): images for images in self.images}
        object.__setattr__(self, "images", tuple(unique[text] for text in sorted(unique)))


@dataclass(frozen=True)
class Stage:
    """One stretch of training. Several stages only where weights are carried on (continual learning)."""

    stream: Data
    memory: Data | None = None


@dataclass(frozen=True)
class Training:
    """One network to be trained, without its seed. No stages: the untrained network, shaped by its probe's data."""

    stages: tuple[Stage, ...]
    architecture: str
    """A registry name with options, e.g. `convnet` or `convnet:depth=2,width=64`."""
    recipe: Recipe


@dataclass(frozen=True)
class Probe:
    """One measurement of a network by a registered probe."""

    name: str
    data: Real | None = None
    options: tuple[tuple[str, Any], ...] = ()
    """Keyword arguments of the probe, sorted by name; values are JSON-able and hashable."""
    at: tuple[str | int, ...] = ("end",)
    """When: `end`, `stages` (the end of each), or epoch numbers (0: before training)."""


@dataclass(frozen=True)
class Cell:
    """What an evaluator asks for: a training, with these seeds, measured by these probes."""

    training: Training
    seeds: tuple[int, ...]
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class Outcome:
    """What one training with one seed gave under one probe."""

    seed: int
    probe: Probe
    status: str
    """`ok`; `failed` (diverged); `skipped` (does not apply); `error` (our fault or the machine's)."""
    value: Mapping[str, Any] = field(default_factory=dict)
    """By moment (`end`, `stage-0`, `epoch-5`): what the probe returned, arrays included. Empty unless `ok`."""
    reason: str = ""
    numerics: str = ""
    """How it was computed, e.g. `cpu-eager-float32-torch2.15-threads2`."""
    device: str = ""

    def at_end(self) -> Mapping[str, Any]:
        """What the probe returned after the last step."""
        found: Mapping[str, Any] = self.value["end"]
        return found


Outcomes = tuple[Outcome, ...]

_TYPES: dict[str, type] = {
    t.__name__.lower(): t for t in (Real, Budget, Made, Stored, Requantised, Data, Stage, Training, Probe, Cell)
}


def to_json(value: Any) -> Any:
    """Turn a value of this module into plain JSON types; the `kind` key names its type."""
    if isinstance(value, Recipe):
        return value.canonical()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__.lower(), **fields}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(value: Any) -> Any:
    """Undo `to_json`; lists become tuples. Raises InvalidInput for an unknown kind or field."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    kind = value.get("kind")
    fields = {name: from_json(item) for name, item in value.items() if name != "kind"}
    try:
        return Recipe.from_canonical(value) if kind == "recipe" else _TYPES[str(kind)](**fields)
    except (KeyError, TypeError) as fault:
        raise InvalidInput(f"not a value of this format: kind {kind!r} with {sorted(fields)} ({fault}).") from fault


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, refusing NaN: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of a JSON-able value's canonical text, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
