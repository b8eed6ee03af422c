"""The training loop against closed forms and a loop written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark import augmentation, engine, registry
from benchmark.engine.training import build_network, fit, n_steps
from benchmark.errors import DoesNotFit, TrainingDiverged
from benchmark.recipe import Recipe
from benchmark.values import Data, Real, Stored


def test_the_loop_is_plain_sgd(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("plain", learning_rate=0.1, momentum=0.5, weight_decay=0.01, epochs=3, batch_size=256)
    examples = materials.training_examples(Data((stored,)), recipe)
    network = build_network("mlp", examples, 5, materials.device)
    expected = build_network("mlp", examples, 5, materials.device)
    for _ in fit(network, examples, recipe, 5):
        pass
    velocity = [torch.zeros_like(p) for p in expected.parameters()]
    for _ in range(3):
        loss = F.cross_entropy(expected(examples.images), examples.labels)
        gradients = torch.autograd.grad(loss, list(expected.parameters()))
        with torch.no_grad():
            for p, v, g in zip(expected.parameters(), velocity, gradients, strict=True):
                v.mul_(0.5).add_(g + 0.01 * p)
                p.sub_(0.1 * v)
    for found, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_it_yields_before_the_first_step_and_after_each_epoch(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("short", epochs=4, batch_size=8)
    examples = materials.training_examples(Data((stored,)), recipe)
    network = build_network("mlp", examples, 0, materials.device)
    assert list(fit(network, examples, recipe, 0)) == [0, 1, 2, 3, 4]
    assert n_steps(recipe, 20) == 4 * 3


class _Looks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what makes the host wait for the device: a tensor's number read, or tensors compared."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)
        return func(*args, **(kwargs or {}))


def test_the_device_is_waited_for_once_at_the_end(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("short", epochs=3, batch_size=4)
    examples = materials.training_examples(Data((stored,)), recipe)
    network = build_network("convnet:width=4", examples, 0, materials.device)
    with _Looks() as looks:
        for epoch in fit(network, examples, recipe, 0):
            assert looks.n == 0, f"after epoch {epoch}"
    assert looks.n == 1  # whether the loss is a number


@pytest.mark.parametrize("name", [name for name in registry.names("augmentation") if name != "none"])
def test_no_augmentation_waits_for_the_device(name: str) -> None:
    augment = augmentation.build(name, flip=True)
    draws = augment.draw(4, (3, 16, 16), engine.generator(0, "augmentation"))
    settled, images, ones = augment.resolve(draws), torch.randn(4, 3, 16, 16), torch.ones(3)
    with _Looks() as looks:
        settled.apply(images, draws, ones / 2, ones / 4)
    assert looks.n == 0


def test_initial_weights_depend_on_the_seed_alone(materials: engine.Materials, stored: Stored) -> None:
    examples = materials.training_examples(Data((stored,)), Recipe("x"))
    torch.manual_seed(1)
    first = build_network("convnet", examples, 7, materials.device).state_dict()
    torch.manual_seed(2)
    again = build_network("convnet", examples, 7, materials.device).state_dict()
    other = build_network("convnet", examples, 8, materials.device).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_decay_with_a_new_optimizer_forgets_the_momentum(materials: engine.Materials, stored: Stored) -> None:
    def weights(resets: bool) -> torch.Tensor:
        recipe = Recipe("d", schedule="step", decay_epochs=(2,), epochs=4, decay_resets_momentum=resets)
        examples = materials.training_examples(Data((stored,)), recipe)
        network = build_network("mlp", examples, 0, materials.device)
        list(fit(network, examples, recipe, 0))
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert not torch.equal(weights(True), weights(False))


def test_a_loss_that_is_no_number_is_a_failed_training(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("explodes", learning_rate=1e12, epochs=20)
    examples = materials.training_examples(Data((stored,)), recipe)
    network = build_network("mlp", examples, 0, materials.device)
    with pytest.raises(TrainingDiverged, match="after 20 epochs"):
        list(fit(network, examples, recipe, 0))


def test_an_architecture_that_does_not_fit_says_why(materials: engine.Materials, stored: Stored) -> None:
    examples = materials.training_examples(Data((stored,)), Recipe("x"))
    with pytest.raises(DoesNotFit, match="alexnet"):
        build_network("alexnet", examples, 0, materials.device)


def test_large_data_are_shuffled_by_seed_and_epoch(materials: engine.Materials) -> None:
    recipe = Recipe("shuffled", epochs=1, batch_size=100)
    examples = materials.training_examples(Data((Real("digits", part="holdout"),)), recipe)
    losses = []
    for seed in (0, 1):
        network = build_network("mlp", examples, 0, materials.device)
        list(fit(network, examples, recipe.vary(batch_size=10), seed))
        losses.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert not torch.equal(*losses)


def test_every_registered_augmentation_trains(materials: engine.Materials, stored: Stored) -> None:
    from benchmark import registry

    for name in registry.names("augmentation"):
        recipe = Recipe("a", epochs=2, augmentation=name)
        examples = materials.training_examples(Data((stored,)), recipe)
        network = build_network("mlp", examples, 0, materials.device)
        assert list(fit(network, examples, recipe, 0)) == [0, 1, 2]


def test_what_a_network_of_others_draws_is_keyed_by_seed_and_step(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("short", epochs=3)
    examples = materials.training_examples(Data((stored,)), recipe)

    def weights(seed: int, before: int) -> torch.Tensor:
        torch.manual_seed(before)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = [torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Dropout(0.5), torch.nn.Linear(32, 10)]
        network = torch.nn.Sequential(*layers)
        list(fit(network, examples, recipe, seed, "somebodys-own"))
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(weights(0, before=1), weights(0, before=2))
    assert not torch.equal(weights(0, before=1), weights(1, before=1))
