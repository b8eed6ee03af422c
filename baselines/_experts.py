"""Experts: networks trained on the real data by the engine, with the weights that they had after each epoch.

Expert n is the training with seed n, whatever the distillation seed, so all sets of a preset share them. They train no
further than a student looks; their rate is constant, so longer trainings would begin with the same epochs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache

import torch
from torch import nn

from benchmark import engine
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.values import Cell, Data, Probe, Real, Stage, Training

__all__ = ["Experts", "experts_cell"]

KEPT = 64
"""Experts whose weights stay in memory."""


def experts_cell(real: Real, architecture: str, recipe: Recipe, n: int) -> Cell:
    """The trainings of `n` experts, measured by their weights after every epoch, 0 (untrained) included."""
    probe = Probe("weights", None, at=tuple(range(recipe.epochs + 1)))
    return Cell(Training((Stage(Data((real,))),), architecture, recipe), tuple(range(n)), (probe,))


class Experts:
    """Reads the weights of experts, trained here where nobody did before."""

    def __init__(self, run: Run, cell: Cell) -> None:
        self.run, self.cell = run, cell
        self.path = lru_cache(KEPT)(self._path)

    @cached_property
    def network(self) -> nn.Module:
        """One of their architecture, without gradients."""
        return self.run.network(self.cell.training.architecture, 0)

    def weights(self, number: int, epoch: int) -> torch.Tensor:
        """The flat weights (P,) of an expert after so many epochs, in the order of the network's parameters."""
        return self.path(number)[epoch].to(self.run.device)

    def _path(self, number: int) -> list[torch.Tensor]:
        cell = replace(self.cell, seeds=(number,))
        if self.run.trial_steps is not None and engine.missing(engine.join([cell]), self.run.materials.store):
            return self._pretended(number)
        (outcome,) = self.run.outcomes(cell)
        names = [name for name, _ in self.network.named_parameters()]
        by_epoch = (outcome.value[f"epoch-{epoch}"] for epoch in range(self.cell.training.recipe.epochs + 1))
        return [torch.cat([torch.from_numpy(seen[name]).flatten() for name in names]) for seen in by_epoch]

    def _pretended(self, number: int) -> list[torch.Tensor]:
        """Untrained weights of the right size, where a trial only times a few steps."""
        several = range(self.cell.training.recipe.epochs + 1)
        networks = (self.run.network(self.cell.training.architecture, number, epoch) for epoch in several)
        return [nn.utils.parameters_to_vector(network.parameters()).cpu() for network in networks]
