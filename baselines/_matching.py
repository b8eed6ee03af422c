"""What matching methods share: real images of each class beside the synthetic ones, augmented alike, and the descent.

A step takes a network, draws real images of each class, measures by how much the synthetic ones differ in it, and steps
down that difference by SGD with momentum on the pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch.nn.utils import vector_to_parameters

from benchmark import augmentation
from benchmark.architectures import Network
from benchmark.augmentation import Augmentation, Shape
from benchmark.baseline import Baseline, images_per_class
from benchmark.engine import Way
from benchmark.engine.passes import Passes
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.space import Space
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["Batches", "ClassBatches", "Matching", "images_space"]

Batches = list[torch.Tensor]
"""One (n, C, H, W) of each class."""


@dataclass(frozen=True)
class ClassBatches:
    """Draws batches of one run."""

    pools: dict[int, torch.Tensor]
    """All real images of each class, uint8."""
    size: int
    """Real images of each class in a step; all, where a class has fewer."""
    space: Space
    augment: Augmentation
    shape: Shape
    mean: torch.Tensor
    std: torch.Tensor
    device: torch.device

    @property
    def classes(self) -> list[int]:
        return list(self.pools)

    @property
    def n_real(self) -> int:
        """Real images of one step."""
        return sum(min(self.size, len(pool)) for pool in self.pools.values())

    def labels(self, batches: Batches) -> Batches:
        """The class ids (n,) of one batch of each class."""
        return [torch.full((len(batch),), c, device=self.device) for batch, c in zip(batches, self.pools, strict=True)]

    def pairs(self, synthetic: torch.Tensor, generator: torch.Generator) -> tuple[Batches, Batches]:
        """Real images of each class and the synthetic ones (K·ipc, C, H, W) of it, under one siamese draw a class."""
        real, seen = [], []
        for pool, members in zip(self.pools.values(), synthetic.chunk(len(self.pools)), strict=True):
            rows = torch.randperm(len(pool), generator=generator)[: self.size].to(self.device, non_blocking=True)
            draws = self.augment.draw(1, self.shape, generator, shared=True)
            settled, moved = self.augment.resolve(draws), augmentation.move(draws, self.device)
            batch = self.space.from_pixel(pool[rows] / 255)
            real.append(settled.apply(batch, moved, self.mean, self.std))
            seen.append(settled.apply(members, moved, self.mean, self.std))
        return real, seen


@dataclass(frozen=True)
class Matching(Baseline):
    """Base of methods that match something of each class's real images; they define `gradient`."""

    iterations: int = 1000
    batch_real: int = 256
    """Real images of each class in a step."""
    learning_rate: float = 1.0
    momentum: float = 0.5
    architecture: str = "convnet"
    augmentation: str = "dsa"
    statistics: str = "vico"
    """Which of the dataset's named means and deviations standardise images, its own where it lacks these; `zca`:
    whitened ones."""
    start: str = "real"
    """The synthetic images begin as `real` ones or as `noise`."""
    precision: str = "float32"
    """`float32` or `bfloat16`: of what is computed of real images, and of training between steps. Gradients on
    synthetic images are always float32."""
    compiled: bool = False
    """Whether that is compiled; worth it from some hundred steps on."""

    def loops(self, ipc: int) -> int:
        """Steps on the images before a new network is taken."""
        return 1

    def gradient(
        self, network: Network, passes: Passes, batches: ClassBatches, images: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The difference from real images () and its gradient on the synthetic ones."""
        raise NotImplementedError

    def advance(self, network: Network, images: torch.Tensor, batches: ClassBatches, run: Run, step: int) -> int:
        """Train the network before its next step, in place; returns the images that went through it."""
        return 0

    def network(self, run: Run, number: int) -> Network:
        """The network of this number, without gradients: untrained."""
        return run.network(self.architecture, number)

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 images in standardized or whitened space."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        batches = self.batches(run, ipc)
        passes = Passes.of(self.architecture, run.facts, run.device, self.precision, self.compiled)
        precision = passes.shape.precision
        run.way = Way("compiled", precision) if passes.compiled else replace(run.way, precision=precision)
        images = self.first_images(run, batches, ipc)
        state = {"images": images, "velocity": torch.zeros_like(images)}
        for step, network in self.networks(run, ipc, state):
            generator = run.generator("step", step)
            loss, gradient = self.gradient(network, passes, batches, images, generator)
            state["velocity"].mul_(self.momentum).add_(gradient)
            images.sub_(self.learning_rate * state["velocity"])
            run.loss(loss)
            run.image_passes += batches.n_real + len(images)
            if (step + 1) % self.loops(ipc):
                run.image_passes += self.advance(network, images, batches, run, step)
        return run.of_images(images, torch.tensor(batches.classes).repeat_interleave(ipc), batches.space, ipc)

    def batches(self, run: Run, ipc: int) -> ClassBatches:
        space = images_space(run, self.statistics, self.augmentation)
        pools = {c: run.images(rows) for c, rows in run.class_rows(at_least=ipc).items()}
        mean, std = (torch.tensor(part, device=run.device) for part in (space.mean, space.std))
        augment = augmentation.build(self.augmentation, run.facts.flip)
        return ClassBatches(pools, self.batch_real, space, augment, run.facts.shape, mean, std, run.device)

    def first_images(self, run: Run, batches: ClassBatches, ipc: int) -> torch.Tensor:
        if self.start == "noise":
            shape = (ipc * len(batches.pools), *run.facts.shape)
            return torch.randn(shape, generator=run.generator("noise")).to(run.device)
        return batches.space.from_pixel(run.images(run.random_rows(ipc)) / 255)

    def networks(self, run: Run, ipc: int, state: dict[str, torch.Tensor]) -> Iterator[tuple[int, Network]]:
        """Every step with its network: a fresh one for each `loops`, whose weights are part of the state meanwhile."""
        loops, network = self.loops(ipc), self.network(run, 0)
        if loops > 1:
            state["weights"] = _weights(network)
        for step in run.steps(self.iterations * loops, state):
            if step % loops == 0:
                network = self.network(run, step // loops)
            else:
                vector_to_parameters(state["weights"].clone(), network.parameters())
            yield step, network
            if loops > 1:
                state["weights"].copy_(_weights(network))


def _weights(network: Network) -> torch.Tensor:
    """All of them as one vector (P,), in whatever order a kernel's lie: a compiled training leaves them in its own."""
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def images_space(run: Run, statistics: str, augmented: str) -> Space:
    """The space of the synthetic images: whitened for `zca`, else standardized.

    Raises UsageError where they are to be whitened and the augmentation varies pixels.
    """
    if statistics != "zca":
        return run.space(statistics)
    if augmentation.build(augmented, run.facts.flip).on_pixels:
        raise UsageError(f"augmentation {augmented!r} varies pixels, and these images are whitened. Name another one.")
    return run.whitened()
