"""How a set's score depends on the protocol: a fixed fraction of six protocol choices.

Optimizer, learning rate, epochs, loss, augmentation and architecture, each at two levels, in 16 of the 64
combinations: the regular fraction 2^(6-2) of resolution IV with generators loss = optimizer x rate x epochs and
augmentation = rate x epochs x architecture (Box, Hunter and Hunter, Statistics for Experimenters, 2nd edition,
chapter 6), so that no main effect is mixed up with another or with an interaction of two. The quick form is the
fraction 2^(6-3) of resolution III in 8 runs, whose main effects are mixed up with interactions of two.

Levels are the same for every set: those of rate, optimizer, loss, augmentation and architecture whatever the subject's
recipe says or the set carries, those of epochs relative to the recipe's, whose decays move with them. Schedule,
warm-up, smoothing and batch are the recipe's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean, median
from typing import Any, ClassVar

from benchmark.errors import UsageError
from benchmark.evaluator import (
    DEFAULT_ARCHITECTURE,
    Evaluator,
    Label,
    Seen,
    Subject,
    accuracy_percent,
    accuracy_score,
    by_seed,
    score_of,
    worst,
)
from benchmark.recipe import Recipe
from benchmark.results import Score
from benchmark.values import Cell, Outcome

__all__ = ["VERSION", "ProtocolSensitivity", "design", "main_effects"]

VERSION = 2
FACTORS = ("optimizer", "learning rate", "epochs", "loss", "augmentation", "architecture")
OPTIMIZERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sgd", {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
    ("adamw", {"optimizer": "adamw", "learning_rate": 0.002, "momentum": 0.9, "nesterov": False, "weight_decay": 0.05}),
)
"""Those of standard-v1-lite and standard-v1."""
STEPS = (("x0.5", 0.5), ("x2", 2.0))
LOSSES = ("cross-entropy", "mean-squared-error")
AUGMENTATIONS = ("none", "dsa")
Run = tuple[int, ...]
"""A level, 0 or 1, of each factor."""


@dataclass(frozen=True)
class ProtocolSensitivity(Evaluator):
    """One cell for each run of the design; the condition spells its levels."""

    architectures: tuple[str, ...] = (DEFAULT_ARCHITECTURE, "mlp")
    """The two levels of the architecture."""
    runs: int = 16
    """16 or 8."""
    quick: ClassVar[Mapping[str, Any]] = {"runs": 8}
    quick_seeds: ClassVar[int | None] = 1

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        if len(self.architectures) != 2:
            raise UsageError(f"protocol-sensitivity varies between two architectures, not {len(self.architectures)}.")
        return {
            self._words(run): subject.cell(self.architectures[run[5]], _recipe(subject.recipe, run))
            for run in design(self.runs)
        }

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for run in design(self.runs):
            for outcome in seen[self._words(run)]:
                yield accuracy_score(outcome, self._both, self._words(run))
        for outcomes in by_seed(*(seen[self._words(run)] for run in design(self.runs))).values():
            yield from self._summary(outcomes)

    @property
    def _both(self) -> str:
        return " + ".join(self.architectures)

    def _summary(self, outcomes: Sequence[Outcome]) -> Iterable[Score]:
        said = worst(outcomes)
        values = [accuracy_percent(outcome) or 0.0 for outcome in outcomes]
        for word, value in (("worst", min(values)), ("median", median(values))):
            condition = f"{word} of {self.runs} protocols"
            yield score_of(said, self._both, "accuracy_over_protocols", value, condition=condition)
        for factor, effect in zip(FACTORS, main_effects(design(self.runs), values), strict=True):
            low, high = self._levels()[factor]
            condition = f"{factor}: {high} - {low}"
            yield score_of(said, self._both, "effect", effect, "percentage points", condition=condition)

    def _words(self, run: Run) -> str:
        levels = self._levels()
        return ", ".join(levels[factor][level] for factor, level in zip(FACTORS, run, strict=True))

    def _levels(self) -> dict[str, tuple[str, str]]:
        steps = (STEPS[0][0], STEPS[1][0])
        return {
            "optimizer": (OPTIMIZERS[0][0], OPTIMIZERS[1][0]),
            "learning rate": (f"rate {steps[0]}", f"rate {steps[1]}"),
            "epochs": (f"epochs {steps[0]}", f"epochs {steps[1]}"),
            "loss": (LOSSES[0], LOSSES[1]),
            "augmentation": (AUGMENTATIONS[0], AUGMENTATIONS[1]),
            "architecture": (self.architectures[0], self.architectures[1]),
        }


def design(runs: int) -> list[Run]:
    """Levels of the six factors in each run: 16 of resolution IV, 8 of resolution III; raises UsageError for others."""
    if runs == 16:
        return [(a, b, c, (a + b + c) % 2, (b + c + f) % 2, f) for a, b, c, f in product((0, 1), repeat=4)]
    if runs == 8:
        return [(a, b, c, (a + b) % 2, (a + c) % 2, (b + c) % 2) for a, b, c in product((0, 1), repeat=3)]
    raise UsageError(f"the design has 16 or 8 runs, not {runs!r}.")


def main_effects(runs: Sequence[Run], values: Sequence[float]) -> list[float]:
    """Mean of the runs at a factor's level 1 minus the mean of those at level 0, for each factor."""
    return [
        fmean(value for run, value in zip(runs, values, strict=True) if run[factor])
        - fmean(value for run, value in zip(runs, values, strict=True) if not run[factor])
        for factor in range(len(FACTORS))
    ]


def _recipe(recipe: Recipe, run: Run) -> Recipe:
    """The subject's recipe at the levels of a run; epochs, and what hangs on them, are multiples of the recipe's."""
    optimizer = OPTIMIZERS[run[0]][1]
    factor = STEPS[run[2]][1]
    return recipe.vary(
        name=recipe.name,
        **{**optimizer, "learning_rate": optimizer["learning_rate"] * STEPS[run[1]][1]},
        epochs=max(1, round(recipe.epochs * factor)),
        min_steps=round(recipe.min_steps * factor),
        passes=None if recipe.passes is None else max(1, round(recipe.passes * factor)),
        decay_epochs=tuple(max(1, round(epoch * factor)) for epoch in recipe.decay_epochs),
        carried="ignore",
        loss=LOSSES[run[3]],
        augmentation=AUGMENTATIONS[run[4]],
    )
