"""Teachers: trained first, kept by their weights, and the labels that they give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import engine, phases
from benchmark.engine.losses import loss_of
from benchmark.engine.teachers import labels_of, network_of
from benchmark.errors import TrainingDiverged
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.space import Space
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training

RECIPE = Recipe("short", epochs=2, batch_size=100)
TEST = Real("digits", "test")


def teacher(architecture: str = "mlp", **changes: Any) -> Training:
    return Training((Stage(Data((Real("digits"),))),), architecture, replace(RECIPE, **changes))


def student(stored: Stored, taught_by: Training) -> Cell:
    training = Training((Stage(Data((stored,), labels=taught_by)),), "mlp", RECIPE)
    return Cell(training, (0, 1), (Probe("accuracy", TEST),))


def trained(materials: engine.Materials, cell: Cell) -> None:
    engine.run(engine.join(phases.teachers([cell])), materials)


@pytest.mark.parametrize("architecture", ["mlp", "convnet:depth=1,width=8", "resnet-narrow"])
def test_a_network_read_from_the_store_is_the_one_that_was_trained(
    materials: engine.Materials, architecture: str
) -> None:
    taught_by = teacher(architecture)
    cell = Cell(taught_by, (0,), (phases.TEACHER_PROBE, Probe("logits", TEST)))
    engine.run(engine.join([cell]), materials)
    network, space = network_of(taught_by, materials)
    test = materials.real_examples(TEST, space)
    seen = engine.Measurement(network, test).logits.to(torch.float16).numpy()
    assert np.array_equal(seen, engine.outcomes(cell, materials.store)[1].at_end()["logits"])


def test_labels_are_the_teachers_outputs_on_the_students_images(materials: engine.Materials, stored: Stored) -> None:
    cell = student(stored, teacher())
    trained(materials, cell)
    found = materials.training_examples(cell.training.stages[0].stream, RECIPE)
    network, _ = network_of(teacher(), materials)
    with torch.no_grad():
        expected = torch.softmax(network(found.images), dim=1)
    assert torch.allclose(found.labels, expected, atol=1e-6)
    hard = materials.training_examples(Data((stored,)), RECIPE)
    assert torch.equal(found.images, hard.images)


def test_a_teacher_sees_a_students_images_in_its_own_space(materials: engine.Materials) -> None:
    taught_by = teacher()
    engine.run(engine.join([Cell(taught_by, (0,), (phases.TEACHER_PROBE,))]), materials)
    pixels = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    space = Space("standardized", (0.1,), (0.3,))
    first, _ = labels_of(taught_by, pixels, Space("pixel"), materials)
    assert torch.allclose(first, labels_of(taught_by, space.from_pixel(pixels), space, materials)[0], atol=1e-5)
    assert torch.allclose(first.sum(dim=1), torch.ones(6))


def test_students_under_a_teacher_train_the_same_twice(materials: engine.Materials, stored: Stored) -> None:
    cell = student(stored, teacher())
    trained(materials, cell)
    first, again = (engine.run_block(engine.join([cell])[0], materials)[0] for _ in range(2))
    assert first == again and first[0].status == "ok"


def test_a_teacher_that_diverged_fails_its_students_with_the_reason(
    materials: engine.Materials, stored: Stored
) -> None:
    taught_by = teacher(learning_rate=1e12, epochs=20)
    cell = student(stored, taught_by)
    trained(materials, cell)
    with pytest.raises(TrainingDiverged, match="its teacher: the loss is"):
        network_of(taught_by, materials)
    engine.run(engine.join([cell]), materials)
    assert {outcome.status for outcome in engine.outcomes(cell, materials.store)} == {"failed"}


def test_a_teacher_that_is_not_there_is_a_fault_that_is_not_stored(materials: engine.Materials, stored: Stored) -> None:
    told: list[str] = []
    blocks = engine.join([student(stored, teacher())])
    engine.run(blocks, materials, done=lambda block, reason: told.append(reason))
    assert "must be trained first" in told[0] and len(engine.missing(blocks, materials.store)) == 2


def test_sets_and_teachers_are_found_in_cells_and_filled_in() -> None:
    beside = Made("noise", "default", Real("digits"), Budget(ipc=1), 0)
    full = Made("full-data", "default", Real("digits"), Budget(), 0)
    taught_by = Training((Stage(Data((full,))),), "mlp", RECIPE)
    cell = Cell(Training((Stage(Data((beside,), labels=taught_by)),), "mlp", RECIPE), (0,), ())
    assert phases.made_in([cell.training]) == [beside, full]
    done = phases.with_sets(cell, {beside: "b" * 64, full: "f" * 64})
    assert phases.made_in([done.training]) == []
    (found,) = phases.teachers([done])
    assert found.seeds == (0,) and found.training.stages[0].stream.images == (Stored("f" * 64),)
    assert phases.teachers([found]) == []


def test_noise_has_the_datasets_own_mean_and_deviation(materials: engine.Materials) -> None:
    from benchmark.baseline import load

    run = Run(materials, Real("digits"), seed=0)
    made = load("noise", "default").distill(Real("digits"), Budget(ipc=50), run)
    images = made.tensors["images"]
    assert images.shape == (500, 1, 8, 8) and np.bincount(made.tensors["labels"]).tolist() == [50] * 10
    assert abs(images.mean()) < 0.02 and abs(images.std() - 1) < 0.02
    assert made.card.space == run.space()


def test_the_losses_equal_what_is_computed_by_hand() -> None:
    outputs, labels = torch.tensor([[1.0, 0.0], [0.5, 2.0]]), torch.tensor([0, 0])
    squares = ((1 - 1) ** 2 + 0 + (0.5 - 1) ** 2 + 2.0**2) / 2
    recipe = Recipe("r", loss="mean-squared-error")
    assert loss_of(recipe, outputs, labels).item() == pytest.approx(squares)
    assert loss_of(recipe, outputs, torch.eye(2)[labels]).item() == pytest.approx(squares)
    smooth = replace(recipe, label_smoothing=0.2)
    by_hand = ((1 - 0.9) ** 2 + 0.1**2 + (0.5 - 0.9) ** 2 + (2 - 0.1) ** 2) / 2
    assert loss_of(smooth, outputs, labels).item() == pytest.approx(by_hand)
    entropy = torch.nn.functional.cross_entropy(outputs, labels)
    assert loss_of(Recipe("r"), outputs, labels) == entropy
