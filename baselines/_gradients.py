"""Gradient matching: synthetic images whose gradients point where those of real images do, while a network trains.

What published variants exchange is a method of its own each: which images make a gradient together (`aggregate`), how
gradients differ (`distance`), how long a network serves (`schedule`), what stored images stand for (`decode`), and what
is done to real gradients (`transform`); networks come from `network` of `Matching`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines._matching import Batches, ClassBatches, Matching
from benchmark.architectures import Network
from benchmark.engine import Examples
from benchmark.engine.passes import Passes, Tensors, class_gradients, spans
from benchmark.engine.training import fit
from benchmark.errors import UsageError
from benchmark.recipe import Recipe
from benchmark.run import Run

__all__ = ["GradientMatching", "row_distance"]

SCHEDULE = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
"""Images per class -> steps on the images before a new network is taken, and epochs of its training between them."""
EPS = 1e-6


@dataclass(frozen=True)
class GradientMatching(Matching):
    """Base of methods that match gradients of the weights."""

    learning_rate: float = 0.1
    network_rate: float = 0.01
    """Of the plain SGD that trains a network on the synthetic images between two steps."""
    batch_train: int = 256
    most_loops: int = 50
    """The schedule is cut to so many steps of a network."""
    most_epochs: int = 50
    """And to so many epochs between two of them."""

    def schedule(self, ipc: int) -> tuple[int, int]:
        """Steps on the images before a new network is taken, and epochs of its training between two of them."""
        loops, epochs = SCHEDULE.get(ipc, (min(ipc, 50), max(1, 500 // ipc)))
        return min(loops, self.most_loops), min(epochs, self.most_epochs)

    def loops(self, ipc: int) -> int:
        return self.schedule(ipc)[0]

    def aggregate(self, batches: Batches, labels: Batches) -> tuple[Batches, Batches]:
        """Batches of which each gives one gradient, with their labels: here those of a class."""
        return batches, labels

    def decode(self, images: torch.Tensor) -> torch.Tensor:
        """The images that stored ones (K·ipc, C, H, W) stand for, by class: here themselves."""
        return images

    def transform(self, gradients: Tensors) -> Tensors:
        """What is matched in place of the real gradients: here themselves."""
        return gradients

    def distance(self, real: Tensors, synthetic: Tensors) -> torch.Tensor:
        """By how much gradients differ: of each matrix of weights (K, ...); summed over all, ()."""
        return row_distance(real, synthetic)

    def gradient(
        self, network: Network, passes: Passes, batches: ClassBatches, images: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        leaf = images.detach().requires_grad_()
        drawn_real, drawn = batches.pairs(self.decode(leaf), generator)
        real = self.transform(passes.gradients(network, *self.aggregate(drawn_real, batches.labels(drawn_real))))
        seen, labels = self.aggregate(drawn, batches.labels(drawn))
        total, gradient = images.new_zeros(()), torch.zeros_like(images)
        for part in spans(seen):
            loss = self.distance(tuple(one[part] for one in real), class_gradients(network, seen[part], labels[part]))
            gradient += torch.autograd.grad(loss, leaf)[0]
            total += loss.detach()
        return total, gradient

    def advance(self, network: Network, images: torch.Tensor, batches: ClassBatches, run: Run, step: int) -> int:
        """Train the network on the synthetic images; returns the images that went through it."""
        shown, facts = self.decode(images.detach()), run.facts
        labels = torch.cat(batches.labels(list(shown.chunk(len(batches.classes)))))
        epochs = self.schedule(len(images) // len(batches.classes))[1]
        recipe = Recipe(
            "between steps",
            learning_rate=self.network_rate,
            momentum=0.0,
            weight_decay=0.0,
            epochs=epochs,
            batch_size=self.batch_train,
            augmentation=self.augmentation,
        )
        seed = int(torch.randint(2**62, (), generator=run.generator("training", step)))
        network.requires_grad_(True)
        for _ in fit(network, Examples(shown, labels, batches.space, facts), recipe, seed, self.architecture, run.way):
            pass
        network.requires_grad_(False)
        return epochs * len(shown)

    def network(self, run: Run, number: int) -> Network:
        """A fresh one; raises UsageError for batch norm, whose statistics a class's batch would not tell."""
        network = super().network(run, number)
        if any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in network.modules()):
            raise UsageError(f"gradients are matched class by class, and {self.architecture!r} has batch norm.")
        return network


def row_distance(real: Tensors, synthetic: Tensors) -> torch.Tensor:
    """Σ over matrices (K, ...) and their rows, one for each output, of 1 - the cosine between the two.

    A convolution's row is the whole kernel of an output channel.
    """
    terms = []
    for one, other in zip(real, synthetic, strict=True):
        rows, others = one.flatten(2), other.flatten(2)
        length = torch.linalg.vector_norm(rows, dim=2) * torch.linalg.vector_norm(others, dim=2)
        terms.append((1 - (rows * others).sum(dim=2) / (length + EPS)).sum())
    return torch.stack(terms).sum()
