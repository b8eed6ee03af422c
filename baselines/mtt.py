"""Matching training trajectories: images on which a student, in N steps, gets as far as an expert in M epochs.

Source: Cazenavette, Wang, Torralba, Efros and Zhu, "Dataset Distillation by Matching Training Trajectories" (CVPR
2022), compared with GeorgeCazenavette/mtt-distillation `buffer.py` and `distill.py`. Experts are trained on the real
data. Each iteration takes an expert's weights θ* after t epochs, t below `max_start`, lets a student take N steps of
SGD on augmented synthetic images from there, and steps down ‖θ_N - θ*_{t+M}‖² / ‖θ*_t - θ*_{t+M}‖², on the pixels and
on the student's learning rate, which the set carries (its recipe is `mtt-2022`).

Differs: draws are keyed by seed and step (there by the clock). The last iteration counts, not the best on test images.
Experts train as many epochs as students look at, not 50. A part of the real data is whitened by the matrix of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from baselines._experts import Experts, experts_cell
from baselines._matching import images_space
from baselines._unroll import Unroll, loss_of
from benchmark import augmentation
from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.errors import TrainingDiverged
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Cell, Real

__all__ = ["MTT"]

VERSION = 1


@dataclass(frozen=True)
class MTT(Baseline):
    """Trajectory matching with a learned learning rate."""

    source = Source(
        title="Dataset Distillation by Matching Training Trajectories",
        url="https://arxiv.org/abs/2203.11932",
        citation="Cazenavette, G., Wang, T., Torralba, A., Efros, A. A., Zhu, J.-Y. (2022). Dataset Distillation by "
        "Matching Training Trajectories. CVPR 2022, 10708-10717.",
        licence="Apache-2.0",
    )
    iterations: int = 5000
    learning_rate: float = 100.0
    momentum: float = 0.5
    student_steps: int = 50
    """N."""
    student_batch: int = 0
    """Synthetic images of a student's step, dealt out anew when all were shown; 0: all."""
    student_rate: float = 0.01
    """Where the student's learning rate begins."""
    rate_learning_rate: float = 1e-7
    """Of the student's learning rate."""
    max_start: int = 2
    """Students begin at epochs below this."""
    expert_epochs: int = 2
    """M."""
    n_experts: int = 100
    expert_rate: float = 0.01
    expert_batch: int = 256
    architecture: str = "convnet"
    augmentation: str = "dsa"
    statistics: str = "zca"
    """`zca`: whitened images; else which of the dataset's named means and deviations standardise them."""

    def needs(self, real: Real, seed: int) -> tuple[Cell, ...]:
        """The experts, the same for every seed: plain SGD for as many epochs as students look at."""
        recipe = Recipe(
            "expert",
            learning_rate=self.expert_rate,
            momentum=0.0,
            weight_decay=0.0,
            epochs=self.max_start - 1 + self.expert_epochs,
            batch_size=self.expert_batch,
            augmentation=self.augmentation,
            statistics=self.statistics,
        )
        return (experts_cell(real, self.architecture, recipe, self.n_experts),)

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 images in whitened or standardized space, with the learned rate on the card."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        space, classes = images_space(run, self.statistics, self.augmentation), list(run.class_rows(at_least=ipc))
        images = space.from_pixel(run.images(run.random_rows(ipc)) / 255)
        labels = torch.tensor(classes, device=run.device).repeat_interleave(ipc)
        rate = torch.tensor(self.student_rate, device=run.device)
        moved = {"images": (images, self.learning_rate), "rate": (rate, self.rate_learning_rate)}
        state = {name: tensor for name, (tensor, _) in moved.items()}
        velocity = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
        experts = Experts(run, self.needs(real, run.seed)[0])
        for step in run.steps(self.iterations, state | {f"velocity-{name}": v for name, v in velocity.items()}):
            loss, by_images, by_rate = self.match(experts, images, labels, rate, run, step)
            for (name, (tensor, speed)), gradient in zip(moved.items(), (by_images, by_rate), strict=True):
                tensor.sub_(speed * velocity[name].mul_(self.momentum).add_(gradient))
            run.loss(loss)
            run.image_passes += self.student_steps * self.batch_size(len(images))
        if not 0 < rate.item() < 1e6:
            raise TrainingDiverged(f"the learned learning rate is {rate.item()}")
        made = run.of_images(images, labels, space, ipc)
        return replace(made, card=replace(made.card, schedule={"learning_rate": rate.item()}))

    def match(
        self, experts: Experts, images: torch.Tensor, labels: torch.Tensor, rate: torch.Tensor, run: Run, step: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss of one student, and its gradients on the images and on the rate."""
        generator = run.generator("step", step)
        number, epoch = (int(torch.randint(n, (), generator=generator)) for n in (self.n_experts, self.max_start))
        begin, target = (experts.weights(number, at) for at in (epoch, epoch + self.expert_epochs))
        rows = self.rows(len(images), generator)
        augment = augmentation.build(self.augmentation, run.facts.flip)
        draws = [augment.draw(len(chosen), run.facts.shape, generator) for chosen in rows]

        space = images_space(run, self.statistics, self.augmentation)
        mean, std = (images.new_tensor(part) for part in (space.mean, space.std))

        def batch(stored: torch.Tensor, at: int) -> tuple[torch.Tensor, torch.Tensor]:
            chosen = rows[at].to(run.device, non_blocking=True)
            moved = augmentation.move(draws[at], run.device)
            return augment.resolve(draws[at]).apply(stored[chosen], moved, mean, std), labels[chosen]

        student = Unroll(loss_of(experts.network), batch, self.student_steps)
        path = student.forward(begin, images, rate)
        scale = (begin - target).square().sum()
        loss = (path[-1] - target).square().sum() / scale
        return loss, *student.backward(path, images, rate, 2 * (path[-1] - target) / scale)

    def batch_size(self, n: int) -> int:
        return min(self.student_batch or n, n)

    def rows(self, n: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Which of `n` images each step of a student learns from: every one once before any comes again."""
        dealt: list[torch.Tensor] = []
        while len(dealt) < self.student_steps:
            dealt += torch.split(torch.randperm(n, generator=generator), self.batch_size(n))
        return dealt[: self.student_steps]
