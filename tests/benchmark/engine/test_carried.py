"""Whitened sets are trained on in their own space, and what a set carries is used by the recipes that say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark import datasets, engine, keys, recipe, registry
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.space import Space
from benchmark.values import Cell, Data, Probe, Real, Stage, Stored, Training

TEST = Real("digits", "test")
USES = Recipe("uses", epochs=3, carried="use")


def training(stored: Stored, chosen: Recipe) -> Training:
    return Training((Stage(Data((stored,))),), "mlp", chosen)


def scored(materials: engine.Materials, asked: Training) -> list[int]:
    """Correct test images by class."""
    block = engine.Block(asked, 0, (Probe("accuracy", TEST),))
    (outcome,), _ = engine.run_block(block, materials)
    assert outcome.status == "ok", outcome.reason
    found: list[int] = outcome.at_end()["correct"]
    return found


def carrying(materials: engine.Materials, stored: Stored, **schedule: float) -> Stored:
    """The same set with a schedule on its card."""
    synthetic = materials.store.read_set(stored.digest)
    return Stored(materials.store.write_set(replace(synthetic, card=replace(synthetic.card, schedule=schedule))))


def test_the_carried_rate_is_used_by_a_paper_recipe_and_ignored_by_standard_ones(
    materials: engine.Materials, stored: Stored
) -> None:
    with_rate = carrying(materials, stored, learning_rate=0.2)
    assert with_rate != stored
    assert scored(materials, training(with_rate, USES)) == scored(
        materials, training(stored, USES.vary(learning_rate=0.2))
    )
    plain = scored(materials, training(stored, USES))
    assert scored(materials, training(with_rate, USES)) != plain
    assert scored(materials, training(with_rate, USES.vary(carried="ignore"))) == plain


def test_every_part_of_a_carried_schedule_counts_and_no_name_moves(materials: engine.Materials, stored: Stored) -> None:
    carried = carrying(materials, stored, learning_rate=0.3, epochs=7, batch_size=5)
    asked = training(carried, USES.vary(min_steps=1000))
    done = materials.as_carried(asked)
    assert (done.recipe.learning_rate, done.recipe.batch_size, done.recipe.n_epochs(20)) == (0.3, 5, 7)
    assert done.recipe.name == asked.recipe.name
    engine.run(engine.join([Cell(asked, (0,), (Probe("accuracy", TEST),))]), materials)
    name = keys.outcome_name(asked, 0, Probe("accuracy", TEST))
    assert materials.store.read_outcome(name) is not None
    assert materials.store.read_cost(name)["steps"] == 7 * 4


def test_a_union_carries_nothing(materials: engine.Materials, stored: Stored) -> None:
    carried = carrying(materials, stored, learning_rate=0.3)
    joined = Training((Stage(Data((carried, Real("digits", part="holdout")))),), "mlp", USES)
    assert materials.as_carried(joined) == joined


def whitened(materials: engine.Materials) -> tuple[Stored, Space]:
    run = Run(materials, Real("digits"), seed=0)
    space = run.whitened()
    images = space.from_pixel(run.images(run.random_rows(3)) / 255)
    synthetic = run.of_images(images, torch.arange(10).repeat_interleave(3), space, ipc=3)
    return Stored(materials.store.write_set(replace(synthetic, card=replace(synthetic.card, method="white")))), space


def test_a_whitened_set_is_trained_on_as_it_is_and_tested_on_whitened_images(materials: engine.Materials) -> None:
    stored, space = whitened(materials)
    examples = materials.training_examples(Data((stored,)), recipe.load("mtt-2022"))
    assert np.array_equal(examples.images.numpy(), materials.store.read_set(stored.digest).tensors["images"])
    test = materials.real_examples(TEST, examples.space)
    expected = space.from_pixel(datasets.load("digits").test.images.astype(np.float32) / 255)
    assert np.allclose(test.images.numpy(), expected, atol=1e-5)
    assert sum(scored(materials, training(stored, recipe.load("standard-v1-lite")))) > 400  # of 797; 80 by chance


@pytest.mark.parametrize("name", registry.names("recipe"))
def test_every_recipe_trains_on_a_whitened_set(materials: engine.Materials, name: str) -> None:
    stored, _ = whitened(materials)
    assert len(scored(materials, training(stored, recipe.load(name).vary(epochs=1, min_steps=0)))) == 10


def test_real_images_beside_a_whitened_set_are_whitened_too(materials: engine.Materials) -> None:
    stored, space = whitened(materials)
    real = Real("digits", part="holdout")
    union = materials.training_examples(Data((stored, real)), USES)
    assert union.space == space
    rows = datasets.load("digits").indices("train", "holdout")
    expected = space.from_pixel(datasets.load("digits").train.images[rows].astype(np.float32) / 255)
    assert any(np.allclose(part.numpy(), expected, atol=1e-5) for part in (union.images[:100], union.images[-100:]))


def test_an_augmentation_of_pixels_is_skipped_with_its_reason(materials: engine.Materials) -> None:
    stored, _ = whitened(materials)
    block = engine.Block(training(stored, USES.vary(augmentation="randaugment")), 0, (Probe("accuracy", TEST),))
    (outcome,), _ = engine.run_block(block, materials)
    assert outcome.status == "skipped" and "varies pixels; this set is in zca space" in outcome.reason


@pytest.mark.parametrize(
    ("name", "epochs", "decay", "batch_size", "carried", "n_seeds"),
    [("mtt-2022", 1001, (502,), 256, "use", 5), ("datadam-2023", 1801, (902,), 64, "ignore", 10)],
)
def test_the_paper_recipes_are_those_of_the_public_code(
    name: str, epochs: int, decay: tuple[int, ...], batch_size: int, carried: str, n_seeds: int
) -> None:
    """range(E + 1) epochs, and a new optimizer after index E // 2 + 1, which is epoch E // 2 + 2."""
    found = recipe.load(name)
    assert (found.epochs, found.decay_epochs, found.batch_size, found.carried, found.n_seeds) == (
        epochs,
        decay,
        batch_size,
        carried,
        n_seeds,
    )
    assert decay == ((epochs - 1) // 2 + 2,)
    assert (found.optimizer, found.augmentation, found.decay_resets_momentum) == ("sgd", "dsa", True)
    assert recipe.load("dsa-2021").vary(carried="use").digest == recipe.load("mtt-2022").digest
