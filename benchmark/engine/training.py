"""The training loop, which exists once: one network, one seed; how a step is computed is the business of `steps`.

Nothing is copied to the host inside an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from benchmark import architectures, augmentation, loss, registry
from benchmark.engine.draws import generator, global_draws
from benchmark.engine.materials import Examples
from benchmark.engine.steps import EagerSteps, Steps
from benchmark.engine.way import EAGER, Way
from benchmark.errors import DoesNotFit, TrainingDiverged
from benchmark.recipe import Recipe

__all__ = ["augmentation_of", "batches", "build_network", "fit", "forward_of", "inner_draws", "n_steps"]


def build_network(architecture: str, examples: Examples, seed: int, device: torch.device) -> torch.nn.Module:
    """A network with this seed's initial weights, drawn on the CPU; raises DoesNotFit with the reason."""
    with global_draws(generator(seed, "weights")):
        network = architectures.build(architecture, examples.facts.shape, len(examples.facts.classes))
    return network.to(device)


def inner_draws(architecture: str, seed: int) -> Callable[[int], AbstractContextManager[None]]:
    """For each step what keys the numbers that a network draws itself, as dropout does. Ours draw none; of others
    nobody knows, so they are trained one step at a time, whatever threads there are."""
    if not architecture or registry.is_ours("architecture", architecture.partition(":")[0]):
        return lambda step: nullcontext()

    @contextmanager
    def keyed(step: int) -> Iterator[None]:
        source = generator(seed, "inside", step)
        if torch.cuda.is_available():  # what is drawn on a GPU comes from a generator of its own
            torch.cuda.manual_seed_all(source.initial_seed())
        with global_draws(source):
            yield

    return keyed


def n_steps(recipe: Recipe, n_images: int) -> int:
    """Steps of a whole training on `n_images`."""
    return recipe.n_epochs(n_images) * recipe.n_batches(n_images)


def _steps_of(
    network: torch.nn.Module, architecture: str, examples: Examples, recipe: Recipe, way: Way, seed: int
) -> Steps:
    """How a network is to learn from examples; `architecture` is its text."""
    if loss.parse(recipe.loss).name == loss.CRD:
        from benchmark.engine.contrast import ContrastSteps

        return ContrastSteps(network, recipe, examples, seed)
    if way.backend == "eager":
        return EagerSteps(network, recipe)
    from benchmark.engine.compiled import CompiledSteps
    from benchmark.engine.machine_code import shape_of

    facts, device = examples.facts, examples.images.device
    shape = shape_of(architecture, facts.shape, len(facts.classes), way.precision, device)
    batch = min(len(examples), recipe.batch_size)
    soft, recorded = examples.labels.ndim == 2, way.backend == "recorded"
    return CompiledSteps(network, recipe, shape, batch, soft, recorded)


def forward_of(
    network: torch.nn.Module, architecture: str, examples: Examples, way: Way
) -> Callable[[torch.Tensor], torch.Tensor]:
    """From images (n, C, H, W) to logits (n, K), in the way that the network is trained in; compiled, any n."""
    if way.backend == "eager":
        return network
    from benchmark.engine.compiled import Precise, compiled_forward
    from benchmark.engine.machine_code import shape_of

    facts, device = examples.facts, examples.images.device
    shape = shape_of(architecture, facts.shape, len(facts.classes), way.precision, device)
    return Precise(network, shape, plain=True) if way.backend == "recorded" else compiled_forward(shape, network)


def fit(
    network: torch.nn.Module,
    examples: Examples,
    recipe: Recipe,
    seed: int,
    architecture: str = "",
    way: Way = EAGER,
) -> Iterator[int]:
    """Train, yielding the number of epochs done: 0 before the first step, then after each epoch.

    The caller measures between the steps of this iterator. `architecture` is needed where the way is not eager, and
    where the network is not one of ours. Raises
    TrainingDiverged at the end when the last loss is no finite number; a loss that was NaN once stays NaN.
    """
    augment = augmentation_of(recipe, examples)
    device = examples.images.device
    mean, std = (torch.tensor(part, device=device) for part in (examples.space.mean, examples.space.std))
    steps = _steps_of(network, architecture, examples, recipe, way, seed)
    inside = inner_draws(architecture, seed)
    n, epochs = len(examples), recipe.n_epochs(len(examples))
    total, step = n_steps(recipe, n), 0
    found = torch.zeros(())
    yield 0
    for epoch in range(epochs):
        if not network.training:  # a measurement was between; asking every module anew costs a digits cell 5 %
            network.train()
        if recipe.decay_resets_momentum and epoch in recipe.decay_epochs:
            steps.reset()
        for rows in batches(n, recipe.batch_size, seed, epoch, device):
            images = examples.take(rows)
            draws = augment.draw(len(images), examples.facts.shape, generator(seed, "augmentation", step))
            images = augment.resolve(draws).apply(images, augmentation.move(draws, device), mean, std)
            rate = recipe.learning_rate_at(step, total, epoch)
            with inside(step):
                found = steps.step(images, examples.labels[rows], rate, rows)
            step += 1
        yield epoch + 1
    if not math.isfinite(found.item()):
        raise TrainingDiverged(f"the loss is {found.item()} after {epochs} epochs")


def augmentation_of(recipe: Recipe, examples: Examples) -> augmentation.Augmentation:
    """The recipe's augmentation for these images; raises DoesNotFit where it needs pixels and they are whitened."""
    augment = augmentation.build(recipe.augmentation, flip=examples.facts.flip)
    if augment.on_pixels and not examples.space.mean:
        raise DoesNotFit(
            f"augmentation {recipe.augmentation!r} varies pixels; this set is in {examples.space.kind} space"
        )
    return augment


def batches(n: int, batch_size: int, seed: int, epoch: int, device: torch.device) -> Iterator[torch.Tensor | slice]:
    """Rows of each batch of one epoch, on the device, so that no step waits for them; a set that fits one batch is not
    shuffled, for its sum has no order."""
    if n <= batch_size:
        yield slice(None)
        return
    order = torch.randperm(n, generator=generator(seed, "order", epoch))
    if device.type == "cuda":
        order = order.pin_memory()
    yield from torch.split(order.to(device, non_blocking=True), batch_size)
