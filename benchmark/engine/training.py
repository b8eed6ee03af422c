"""The training loop, which exists once: one network, one seed, eager and in float32.

The plain form that every faster backend is tested against. Nothing is copied to the host inside an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from benchmark import architectures, augmentation
from benchmark.engine.draws import generator
from benchmark.engine.losses import loss_of
from benchmark.engine.materials import Examples
from benchmark.errors import TrainingDiverged
from benchmark.recipe import Recipe

__all__ = ["build_network", "fit", "n_steps"]


def build_network(architecture: str, examples: Examples, seed: int, device: torch.device) -> torch.nn.Module:
    """A network with this seed's initial weights, drawn on the CPU; raises DoesNotFit with the reason."""
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(generator(seed, "weights").get_state())
        network = architectures.build(architecture, examples.facts.shape, len(examples.facts.classes))
    return network.to(device)


def n_steps(recipe: Recipe, n_images: int) -> int:
    """Steps of a whole training on `n_images`."""
    return recipe.n_epochs(n_images) * recipe.n_batches(n_images)


def fit(network: torch.nn.Module, examples: Examples, recipe: Recipe, seed: int) -> Iterator[int]:
    """Train, yielding the number of epochs done: 0 before the first step, then after each epoch.

    The caller measures between the steps of this iterator. Raises TrainingDiverged at the end when the last loss is
    no finite number; a loss that was NaN once stays NaN.
    """
    augment = augmentation.build(recipe.augmentation, flip=examples.facts.flip)
    device = examples.images.device
    mean, std = (torch.tensor(part, device=device) for part in (examples.space.mean, examples.space.std))
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = _make_optimizer(recipe, parameters)
    n, epochs = len(examples), recipe.n_epochs(len(examples))
    total, step = n_steps(recipe, n), 0
    loss = torch.zeros(())
    yield 0
    for epoch in range(epochs):
        network.train()
        if recipe.decay_resets_momentum and epoch in recipe.decay_epochs:
            optimizer = _make_optimizer(recipe, parameters)
        for rows in _batches(n, recipe.batch_size, seed, epoch):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate_at(step, total, epoch)
            images = examples.take(rows)
            draws = augment.draw(len(images), examples.facts.shape, generator(seed, "augmentation", step))
            images = augment.resolve(draws).apply(images, augmentation.move(draws, device), mean, std)
            loss = loss_of(recipe, network(images), examples.labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
        yield epoch + 1
    if not math.isfinite(loss.item()):
        raise TrainingDiverged(f"the loss is {loss.item()} after {epochs} epochs")


def _make_optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer with empty buffers."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay, fused=True
        )
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, betas=(recipe.momentum, 0.999), weight_decay=decay, fused=True)


def _batches(n: int, batch_size: int, seed: int, epoch: int) -> Iterator[torch.Tensor | slice]:
    """Rows of each batch of one epoch; a set that fits one batch is not shuffled, for its sum has no order."""
    if n <= batch_size:
        yield slice(None)
        return
    order = torch.randperm(n, generator=generator(seed, "order", epoch))
    yield from torch.split(order, batch_size)
