"""The reference loop against our own on the same weights, images and recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import engine, making
from benchmark.bench import parts, reference
from benchmark.bench.cells import BenchCell, known
from benchmark.datasets import Split
from benchmark.engine import devices
from benchmark.engine.training import build_network
from benchmark.recipe import Recipe
from benchmark.space import Space
from benchmark.store import Store
from benchmark.values import Cell, Stored

SHORT = {"epochs": 12, "decay_epochs": (8,), "learning_rate": 0.05, "precision": "float32"}


@pytest.fixture
def materials(tmp_path: Path) -> engine.Materials:
    return engine.Materials(Store(tmp_path / "store"), torch.device("cpu"))


def asked(materials: engine.Materials, **changes: object) -> Cell:
    """Digits at 1 per class by a small network, two seeds, SHORT unless said otherwise."""
    stored = {**known()["digits-1"].to_json(), "architecture": "convnet:depth=2,width=16", "n_seeds": 2}
    cell = BenchCell.from_json({**stored, "changes": {**SHORT, **changes}})
    return cell.asked(Stored(making.make(materials, cell.made)))


def test_its_images_are_ours(materials: engine.Materials) -> None:
    examples = materials.training_examples(asked(materials).training.stages[0].stream, Recipe("x"))
    test = materials.dataset("digits").test
    images, labels = next(iter(reference.test_loader(test, examples.space)))
    wanted = engine.Examples(torch.from_numpy(test.images[:256].copy()), labels, examples.space, examples.facts)
    assert torch.allclose(images, wanted.take(slice(None)), atol=1e-6)
    assert labels.tolist() == test.labels[:256].tolist()


def test_colour_images_keep_their_channels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 4, 5), dtype=np.uint8)
    space = Space("standardized", (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    image, label = reference.PilImages(Split(pixels, np.array([4, 5, 6])), space)[1]
    assert label == 5
    assert torch.allclose(image, space.from_pixel(torch.from_numpy(pixels[1:2].copy()).float() / 255)[0], atol=1e-6)


def test_the_same_weights_have_the_same_accuracy_in_both(materials: engine.Materials) -> None:
    cell = asked(materials)
    examples = materials.training_examples(cell.training.stages[0].stream, cell.training.recipe)
    network = build_network(cell.training.architecture, examples, 3, materials.device)
    loop = reference.Loop(network, examples, cell.training.recipe, 3)
    tests = reference.test_loader(materials.dataset("digits").test, examples.space)
    _, accuracy = reference.epoch(loop, tests, train=False)
    seen = engine.Measurement(network, materials.real_examples(parts._test_of(cell), examples.space))
    assert accuracy == pytest.approx((seen.logits.argmax(dim=1) == seen.labels).float().mean().item(), abs=1e-9)


def test_without_augmentation_it_ends_where_the_engine_does(materials: engine.Materials) -> None:
    """A set that fits one batch has one order, so the decay that forgets the momentum is checked too."""
    cell = asked(materials)
    found = [parts.reference(cell, seed, materials) for seed in cell.seeds]
    plain = [parts.tidy(cell, seed, materials) for seed in cell.seeds]
    ours = parts.ours(cell, materials)
    theirs = [one["accuracy_percent"] for one in found]
    assert theirs == pytest.approx(ours["accuracy_percent"], abs=0.5)
    assert theirs == pytest.approx([one["accuracy_percent"] for one in plain], abs=0.5)
    assert min(theirs) > 30  # chance is 10 %


def test_training_and_testing_are_timed_apart(materials: engine.Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(reference, "now", lambda device: float(next(clock)))
    cell = asked(materials)
    examples = materials.training_examples(cell.training.stages[0].stream, cell.training.recipe)
    network = build_network(cell.training.architecture, examples, 0, materials.device)
    run = reference.train_and_test(network, examples, materials.dataset("digits").test, cell.training.recipe, 0)
    assert (run.train_seconds, run.test_seconds) == (12.0, 2.0)  # each epoch and pass took one tick


def test_ours_tells_the_seconds_of_training_from_those_of_testing(materials: engine.Materials) -> None:
    found = parts.ours(asked(materials), materials)
    assert min(found["test_seconds"], found["train_seconds"]) > 0
    assert found["train_seconds"] + found["test_seconds"] <= found["seconds"] + 0.002  # rounded to milliseconds


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_it_follows_our_own_recipes_too(materials: engine.Materials, optimizer: str) -> None:
    cell = asked(materials, optimizer=optimizer, schedule="cosine", augmentation="dsa", learning_rate=0.005)
    assert parts.reference(cell, 0, materials)["accuracy_percent"] > 20


def test_a_clock_is_read_when_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    assert devices.now(torch.device("cpu")) > 0 and waited == []
    assert devices.now(torch.device("cuda:1")) > 0 and waited == [torch.device("cuda:1")]
