"""What a baseline is: our build of a method, which makes a synthetic set out of real data within a budget.

A baseline is a frozen dataclass whose fields are its hyper-parameters. Its presets stand in a TOML file of the same
stem, one table each; they are named, never given as options. docs/baselines.md ends with a whole baseline to copy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark import registry
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.values import Budget, Cell, Real

if TYPE_CHECKING:
    from benchmark.datasets import DatasetFacts
    from benchmark.run import Run
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["Baseline", "Source", "images_per_class", "load", "presets"]


@dataclass(frozen=True)
class Source:
    """Where a method was published; every baseline states it, and it is copied into the cards of its sets."""

    title: str
    url: str
    citation: str
    licence: str
    """Of our build and of the sets that it makes."""


class Baseline:
    """Base of all baselines."""

    source: ClassVar[Source]
    takes_budget: ClassVar[bool] = True
    """False where all real data are kept, so that no budget can be given."""
    bytes_per_value: ClassVar[int] = 4
    """Of one channel of one pixel as it is stored: 4 for learned images, 1 where the set names real ones."""
    class_by_class: ClassVar[bool] = False
    """True where the images of a class do not depend on which other classes there are, to the bit."""
    iterations: int = 0
    """Steps of the main loop, which runs under `run.steps`; 0 where there is none, and one thread does it all."""

    def seconds(self, real: Real, budget: Budget, facts: DatasetFacts) -> float:
        """About how long `distill` takes without a main loop, which would be timed; it is for the time left alone."""
        return 0.3

    def needs(self, real: Real, seed: int) -> tuple[Cell, ...]:
        """Trainings that must be done before `distill`, e.g. a feature extractor; read with `run.outcomes`."""
        return ()

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Make a set of `real` within `budget`. All randomness comes from `run.generator`."""
        raise NotImplementedError


def images_per_class(budget: Budget, real: Real, facts: DatasetFacts, bytes_per_value: int) -> int:
    """How many images of each class fit the budget, each with its label; a value is one channel of one pixel.

    Raises UsageError where not one image a class fits, and where there is no budget.
    """
    if budget.ipc is not None:
        if budget.ipc < 1:
            raise UsageError(f"{budget.ipc} images per class make no set. Ask for 1 or more.")
        return budget.ipc
    if budget.bytes is None:
        raise UsageError("this baseline needs a budget: images per class, or bytes.")
    n_classes = len(facts.classes) if real.classes is None else len(set(real.classes))
    one_image = math.prod(facts.shape) * bytes_per_value + (1 if len(facts.classes) <= 256 else 2)
    per_class = budget.bytes // (one_image * n_classes)
    if per_class == 0:
        least = one_image * n_classes
        raise UsageError(f"{budget.bytes} bytes hold no image of each of {n_classes} classes. Ask for {least} or more.")
    return per_class


def presets(name: str) -> dict[str, Mapping[str, Any]]:
    """A baseline's presets: name -> hyper-parameters. Without a TOML file there is one, `default`."""
    file = registry.path("baseline", name).with_suffix(".toml")
    if not file.exists():
        return {"default": {}}
    return {key: value for key, value in registry.read_toml(file).items() if isinstance(value, dict)}


def load(name: str, preset: str) -> Baseline:
    """A baseline with a preset's hyper-parameters.

    Where a baseline has no TOML file, any preset name gives its defaults, so that a plan can name one for all.
    Raises UsageError for an unknown name and InvalidInput for a preset that names an unknown field.
    """
    kind = registry.load("baseline", name)
    known = presets(name)
    if preset not in known and set(known) != {"default"}:
        raise unknown_name(f"preset of {name}", preset, known)
    chosen = known.get(preset, {})
    allowed = {f.name for f in fields(kind)}
    for field in chosen:
        if field not in allowed:
            raise InvalidInput(f"preset {preset!r} of {name!r}: {unknown_name('hyper-parameter', field, allowed)}")
    built: Baseline = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()})
    return built
