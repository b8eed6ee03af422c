"""Recipes: how a network is trained, as frozen values read from TOML.

No option of a command changes a recipe; an evaluator derives another by `vary`, which has its own digest.
docs/recipes.md explains every field and where each recipe comes from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark import loss as losses
from benchmark import registry
from benchmark.errors import InvalidInput, UsageError, unknown_name

__all__ = ["Recipe", "load"]

_CHOICES = {
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("constant", "step", "cosine"),
    "carried": ("ignore", "use"),
    "precision": ("auto", "float32"),
}
_BOUNDS: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-9, 1e3),
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1e3),
    "warmup": (0, 1),
    "decay_factor": (1e-9, 1),
    "epochs": (1, 1e6),
    "min_steps": (0, 1e9),
    "passes": (1, 1e12),
    "batch_size": (1, 1e7),
    "label_smoothing": (0, 0.999),
    "n_seeds": (1, 1e4),
}
_PROSE = ("name", "summary", "source", "n_seeds", "reference")
"""Fields that do not change one training; left out of the digest."""


@dataclass(frozen=True)
class Recipe:
    """Everything about one training but its data, its architecture and its seed."""

    name: str
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    """SGD's momentum; the first beta of Adam."""
    nesterov: bool = False
    weight_decay: float = 5e-4
    """L2 added to the gradient for sgd and adam, decoupled for adamw."""
    schedule: str = "constant"
    warmup: float = 0.0
    """Share of all steps over which the rate rises linearly from 0."""
    decay_epochs: tuple[int, ...] = ()
    """`step`: the rate is multiplied by `decay_factor` after these epochs have ended (counted from 1)."""
    decay_factor: float = 0.1
    decay_resets_momentum: bool = False
    """A quirk of the DC family, whose code makes a new optimizer at the decay."""
    epochs: int = 300
    min_steps: int = 0
    """Epochs are raised until there are at least so many steps, so that a tiny set is trained on long enough."""
    passes: int | None = None
    """Total images shown, in place of `epochs`: whole epochs, at least one."""
    batch_size: int = 256
    augmentation: str = "none"
    loss: str = "cross-entropy"
    """`mean-squared-error`: between the outputs and the labels as probabilities, summed over classes. `der++`,
    `zipf` and `crd` add to cross-entropy and have weights of their own (`benchmark/loss.py`)."""
    label_smoothing: float = 0.0
    teacher: str = ""
    """An architecture: its network of all real images, under the reference schedule and with seed 0, gives the labels.
    Empty: the images keep their own."""
    statistics: str = "dataset"
    """Which of the dataset's named means and deviations standardise images that come in pixel space."""
    carried: str = "ignore"
    """Whether learned rates and an order that the set carries are used."""
    precision: str = "auto"
    """`auto`: what the equivalence study allows; `float32`: always that."""
    n_seeds: int = 10
    """Training seeds 0 … n-1 of each cell."""
    reference: tuple[tuple[str, Any], ...] = ()
    """What differs when the whole dataset is trained on: the reference schedule."""
    summary: str = ""
    source: str = ""

    def canonical(self) -> dict[str, Any]:
        """The fields that change a training, as JSON."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _PROSE}
        if not self.teacher:
            del fields["teacher"]  # recipes without one have the digests that they had before there was any
        return {"kind": "recipe", **{k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}}

    @classmethod
    def from_canonical(cls, stored: Mapping[str, Any]) -> Recipe:
        """Undo `canonical`; the result has no name."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k != "kind"}
        return cls(**{"name": "", **fields})

    @property
    def digest(self) -> str:
        """sha256 of what changes a training; two names with one content share their outcomes."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def vary(self, *, name: str | None = None, **changes: Any) -> Recipe:
        """A recipe that differs in some fields; its name says so unless one is given."""
        label = ",".join(f"{field}={value}" for field, value in sorted(changes.items()))
        return _checked({**self._as_dict(), **changes, "name": name or f"{self.name}[{label}]"})

    def on_full_data(self) -> Recipe:
        """The reference schedule: the same optimiser and augmentation, its own length and batch, no teacher."""
        if not self.reference:
            raise UsageError(f"recipe {self.name!r} states no [reference] schedule for full data.")
        return self.vary(name=f"{self.name}/reference", **dict(self.reference)).untaught()

    def untaught(self) -> Recipe:
        """For labels that no teacher gives; `crd` without its term is cross-entropy."""
        distils = losses.parse(self.loss).name == losses.CRD
        return self.vary(name=self.name, teacher="", loss="cross-entropy" if distils else self.loss)

    def seeds(self) -> tuple[int, ...]:
        return tuple(range(self.n_seeds))

    def n_epochs(self, n_images: int) -> int:
        """Epochs on a set of `n_images`."""
        if self.passes is not None:
            return max(1, round(self.passes / n_images))
        return max(self.epochs, math.ceil(self.min_steps / self.n_batches(n_images)))

    def n_batches(self, n_images: int) -> int:
        """Steps of one epoch on a set of `n_images`."""
        return math.ceil(n_images / self.batch_size)

    def learning_rate_at(self, step: int, n_steps: int, epoch: int) -> float:
        """The rate of a step (counted from 0, as is its epoch) in a training of `n_steps`."""
        n_warmup = self.warmup * n_steps
        if step < n_warmup:
            return self.learning_rate * (step + 1) / (n_warmup + 1)
        if self.schedule == "cosine":
            done = (step - n_warmup) / max(1.0, n_steps - n_warmup)
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "step":
            return self.learning_rate * self.decay_factor ** sum(epoch >= decay for decay in self.decay_epochs)
        return self.learning_rate

    def _as_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def load(name: str) -> Recipe:
    """Read a registered recipe; a name may end in `/reference` for its full-data schedule.

    Raises UsageError for an unknown name, InvalidInput for a file with a wrong field, in [reference] too.
    """
    base, slash, part = name.partition("/")
    if slash and part != "reference":
        raise unknown_name("recipe", name, registry.names("recipe"))
    content = registry.read_toml(registry.path("recipe", base))
    content.pop("version", None)
    reference = content.pop("reference", {})
    if not isinstance(reference, dict) or "name" in content:
        raise InvalidInput(f"recipe {base!r}: [reference] must be a table, and the name is the file's, no field.")
    try:
        recipe = _checked({**content, "name": base, "reference": tuple(sorted(_tuples(reference).items()))})
        if reference or recipe.teacher:
            recipe.on_full_data()
    except UsageError as fault:
        raise InvalidInput(f"recipe {base!r}: {fault}") from None
    return recipe.on_full_data() if part else recipe


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _checked(content: dict[str, Any]) -> Recipe:
    """Build a recipe from loose fields; raises InvalidInput naming the wrong one, UsageError for no augmentation."""
    known = {f.name: str(f.type) for f in dataclasses.fields(Recipe)}
    name = content.get("name", "?")
    fields = _tuples(content)
    for field, value in fields.items():
        if field not in known:
            raise InvalidInput(f"recipe {name!r}: {unknown_name('field', field, known)}")
        if known[field] == "float" and type(value) is int:
            fields[field] = value = float(value)  # 1 and 1.0 are one recipe, so they must have one digest
        if not _allowed(field, value, known[field]):
            raise InvalidInput(f"recipe {name!r}: {field} = {value!r}; it must be {_wanted(field, known[field])}.")
    recipe = Recipe(**fields)
    registry.path("augmentation", recipe.augmentation.partition(":")[0])
    losses.parse(recipe.loss)
    if recipe.teacher:
        registry.path("architecture", recipe.teacher.partition(":")[0])
    return recipe


def _allowed(field: str, value: Any, annotation: str) -> bool:
    """Whether a value has the field's type and lies within its bounds."""
    if field in _CHOICES:
        return value in _CHOICES[field]
    if annotation == "tuple[int, ...]":
        return isinstance(value, tuple) and all(type(number) is int and number >= 1 for number in value)
    if field == "passes" and value is None:
        return True
    kind = {"str": str, "bool": bool, "float": float}.get(annotation, int)
    low, high = _BOUNDS.get(field, (-math.inf, math.inf))
    has_type = type(value) is kind or field == "reference"
    return has_type and (field not in _BOUNDS or low <= value <= high)


def _wanted(field: str, annotation: str) -> str:
    if field in _CHOICES:
        return f"one of {', '.join(_CHOICES[field])}"
    if field in _BOUNDS:
        low, high = _BOUNDS[field]
        return f"a {'whole ' if annotation != 'float' else ''}number from {low:g} to {high:g}"
    words = {"str": "text", "bool": "true or false", "tuple[int, ...]": "a list of whole numbers from 1"}
    return words[annotation]
