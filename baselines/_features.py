"""What herding and k-center share: they select real images, class by class, by the features of a trained network.

The features are those before the classifier of a network trained on all of the real data under a recipe's
reference schedule, one network for each distillation seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark import recipe
from benchmark.baseline import Baseline, images_per_class
from benchmark.run import Run
from benchmark.synthetic_set import Array, SyntheticSet
from benchmark.values import Budget, Cell, Data, Probe, Real, Stage, Training

__all__ = ["FeatureSelection"]


@dataclass(frozen=True)
class FeatureSelection(Baseline):
    """Base of baselines that select in a feature space; they define `select`."""

    bytes_per_value = 1
    architecture: str = "convnet"
    recipe: str = "standard-v1/reference"
    """How the network is trained."""

    def select(self, features: Array, n: int) -> Array:
        """Positions (n,) of the images to keep, the most important first; `features` (N, F) are of one class."""
        raise NotImplementedError

    def needs(self, real: Real, seed: int) -> tuple[Cell, ...]:
        """The network, and its features of every real image."""
        training = Training((Stage(Data((real,))),), self.architecture, recipe.load(self.recipe))
        return (Cell(training, (seed,), (Probe("embeddings", real),)),)

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return indices of distinct real images; raises UsageError where a class has fewer images than asked for."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        return run.of_indices(np.concatenate(list(self.selected(real, ipc, run).values())), ipc)

    def selected(self, real: Real, per_class: int, run: Run) -> dict[int, Array]:
        """Canonical train indices of each class, the most important first."""
        classes, rows = run.class_rows(at_least=per_class), run.rows()
        (cell,) = self.needs(real, run.seed)
        (outcome,) = run.outcomes(cell)
        embeddings = outcome.at_end()["embeddings"].astype(np.float64)
        of_class = {c: embeddings[np.searchsorted(rows, members)] for c, members in classes.items()}
        return {c: members[self.select(of_class[c], per_class)] for c, members in classes.items()}
