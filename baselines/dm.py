"""Distribution matching: synthetic images whose mean features equal the class means in many random networks.

Source: Zhao and Bilen, "Dataset Condensation with Distribution Matching" (WACV 2023), compared with
VICO-UoE/DatasetCondensation `main_DM.py`. Each step takes a fresh untrained network ψ, augments the real and the
synthetic images of each class alike (A, one siamese draw a class), and steps down
Σ_c ‖mean ψ(A(real_c)) - mean ψ(A(synthetic_c))‖² by SGD on the pixels, which begin as real images.

Differs: draws are keyed by seed and step (there by the clock). A class with fewer images than `batch_real` gives all
of them. The learning rate stays 1 at any size (there 10 from 100 images per class on CIFAR-10).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark import augmentation
from benchmark.architectures import Network
from benchmark.baseline import Baseline, Source, images_per_class
from benchmark.run import Run
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Real

__all__ = ["DM"]

VERSION = 1

Batches = tuple[torch.Tensor, ...]

CHUNK = 64
"""Real images of one forward pass: what a step takes stays in the cache of a CPU."""


@dataclass(frozen=True)
class DM(Baseline):
    """Matching of class means under siamese augmentation."""

    source = Source(
        title="Dataset Condensation with Distribution Matching",
        url="https://arxiv.org/abs/2110.04181",
        citation="Zhao, B., Bilen, H. (2023). Dataset Condensation with Distribution Matching. WACV 2023, 6514-6523.",
        licence="Apache-2.0",
    )
    iterations: int = 20_000
    batch_real: int = 256
    """Real images of each class in a step."""
    learning_rate: float = 1.0
    momentum: float = 0.5
    architecture: str = "convnet"
    augmentation: str = "dsa"
    statistics: str = "vico"
    """Which of the dataset's named means and deviations standardise images, its own where it lacks these."""
    precision: str = "float32"
    """Of the real images' features: `float32` or `bfloat16`. Synthetic images and gradients are always float32."""

    def distill(self, real: Real, budget: Budget, run: Run) -> SyntheticSet:
        """Return float32 images in standardized space."""
        ipc = images_per_class(budget, real, run.facts, self.bytes_per_value)
        space, augment = run.space(self.statistics), augmentation.build(self.augmentation, run.facts.flip)
        pools = {c: run.images(rows) for c, rows in run.class_rows(at_least=ipc).items()}
        images = space.from_pixel(run.images(run.random_rows(ipc)) / 255)
        velocity = torch.zeros_like(images)
        mean, std = images.new_tensor(space.mean), images.new_tensor(space.std)
        for step in run.steps(self.iterations, {"images": images, "velocity": velocity}):
            generator = run.generator("step", step)
            synthetic = images.detach().requires_grad_()
            pairs = []
            for pool, members in zip(pools.values(), torch.split(synthetic, ipc), strict=True):
                rows = torch.randperm(len(pool), generator=generator)[: self.batch_real].to(run.device)
                drawn = augment.draw(1, run.facts.shape, generator, shared=True)
                settled, draws = augment.resolve(drawn), augmentation.move(drawn, run.device)
                batch = space.from_pixel(pool[rows] / 255)
                pairs.append([settled.apply(both, draws, mean, std) for both in (batch, members)])
            loss = self.distance(run.network(self.architecture, step), *zip(*pairs, strict=True))
            velocity.mul_(self.momentum).add_(torch.autograd.grad(loss, synthetic)[0])
            images.sub_(self.learning_rate * velocity)
            run.loss(loss)
        run.image_passes += self.iterations * sum(min(self.batch_real, len(pool)) + ipc for pool in pools.values())
        return run.of_images(images, torch.tensor(list(pools)).repeat_interleave(ipc), space, ipc)

    def distance(self, network: Network, real: Batches, synthetic: Batches) -> torch.Tensor:
        """Σ_c ‖mean ψ(real_c) - mean ψ(synthetic_c)‖², each batch (n, C, H, W); synthetic ones are of one length."""
        reduced = {"float32": False, "bfloat16": True}[self.precision]
        with torch.no_grad(), torch.autocast(real[0].device.type, torch.bfloat16, enabled=reduced):
            features = torch.cat([network.embed(chunk).float() for chunk in torch.split(torch.cat(real), CHUNK)])
        targets = [part.mean(dim=0) for part in torch.split(features, [len(batch) for batch in real])]
        means = network.embed(torch.cat(synthetic)).view(len(synthetic), -1, features.shape[1]).mean(dim=1)
        return (torch.stack(targets) - means).square().sum()
