"""Sets that a plan asks for within its cells: finding them there, putting the stored ones in their place. No torch.

An evaluator names what stands beside its subject (random-real at equal bytes, say) as `Made`; the runner has it made
and trains on the `Stored` that it became.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from benchmark import baseline, datasets, registry
from benchmark.synthetic_set import Card
from benchmark.values import Budget, Cell, Data, Made, Real, Stage, Stored, Training

__all__ = ["asked_for", "expected_bytes", "made_in", "with_sets"]

Value = TypeVar("Value", Cell, Training, Data)
_HOLDERS = (Cell, Training, Stage, Data)


def made_in(value: Cell | Training | Data) -> list[Made]:
    """Every set that is still to be made in a value, each once: of streams, memories and teachers."""
    return list(dict.fromkeys(_made(value)))


def _made(value: Any) -> Iterator[Made]:
    if isinstance(value, Made):
        yield value
    parts: Any = value if isinstance(value, tuple) else ()
    if isinstance(value, _HOLDERS):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
    for part in parts:
        yield from _made(part)


def with_sets(value: Value, found: Mapping[Made, Stored]) -> Value:
    """The value with the sets that were found in the place of the requests for them."""
    replaced: Value = _replaced(value, found)
    return replaced


def _replaced(value: Any, found: Mapping[Made, Stored]) -> Any:
    if isinstance(value, Made):
        return found.get(value, value)
    if isinstance(value, tuple):
        return tuple(_replaced(part, found) for part in value)
    if isinstance(value, _HOLDERS):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: _replaced(part, found) for name, part in fields.items()})
    return value


def asked_for(card: Card) -> Made | None:
    """The request that one of our baselines answered with the set of this card; None where it tells of none."""
    known = card.method in registry.names("baseline") and card.ipc is not None and card.distil_seed is not None
    if not known or card.classes is not None or card.preset not in _presets(card.method, card.preset):
        return None
    part = None if card.distilled_on == "train" else card.distilled_on.removeprefix("train-")
    seed = card.distil_seed or 0
    return Made(card.method, card.preset, Real(card.dataset, part=part), Budget(ipc=card.ipc), seed)


def _presets(name: str, asked: str) -> set[str]:
    """Presets that a baseline knows; one without a file answers to any."""
    known = set(baseline.presets(name))
    return {asked} if known == {"default"} else known


def expected_bytes(made: Made) -> int | None:
    """Canonical bytes that a set will have, hard labels included; None where its size is not given."""
    if made.budget.bytes is not None or made.budget.ipc is None:
        return made.budget.bytes
    facts = datasets.facts(made.real.dataset)
    n_classes = len(facts.classes) if made.real.classes is None else len(made.real.classes)
    label = 1 if len(facts.classes) <= 256 else 2
    bytes_per_value: int = registry.load("baseline", made.baseline).bytes_per_value
    return made.budget.ipc * n_classes * (math.prod(facts.shape) * bytes_per_value + label)
