"""From values to tensors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark import datasets, engine
from benchmark.engine import materials as materials_module
from benchmark.errors import InvalidInput, UsageError
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.space import Space
from benchmark.synthetic_set import Labels, SyntheticSet
from benchmark.values import Budget, Data, Made, Real, Stored

RECIPE = Recipe("test")


def test_pixels_are_standardised_by_the_datasets_own_statistics(materials: engine.Materials, stored: Stored) -> None:
    examples = materials.training_examples(Data((stored,)), RECIPE)
    synthetic = materials.store.read_set(stored.digest)
    own = datasets.facts("digits").statistics["dataset"]
    pixels = datasets.load("digits").train.images[synthetic.tensors["indices"]] / 255
    assert np.allclose(examples.images.numpy(), (pixels - own.mean[0]) / own.std[0], atol=1e-5)
    assert examples.labels.tolist() == synthetic.tensors["labels"].tolist()


def test_a_set_in_its_own_space_keeps_its_numbers_and_the_test_images_follow(materials: engine.Materials) -> None:
    space = Space("standardized", (0.25,), (0.5,))
    run = Run(materials, Real("digits"), seed=0)
    images = torch.randn(10, 1, 8, 8, generator=run.generator("images")) * 0.5
    synthetic = run.of_images(images, torch.arange(10), space, ipc=1)
    synthetic = replace(synthetic, card=replace(synthetic.card, method="own-space"))
    stored = Stored(materials.store.write_set(synthetic))
    examples = materials.training_examples(Data((stored,)), RECIPE)
    assert torch.equal(examples.images, images) and examples.space == space
    test = materials.real_examples(Real("digits", "test"), space)
    pixels = torch.from_numpy(datasets.load("digits").test.images / 255.0).float()
    assert torch.allclose(test.images, (pixels - 0.25) / 0.5, atol=1e-5)


def test_classes_restrict_real_and_stored_images(materials: engine.Materials, stored: Stored) -> None:
    some = materials.training_examples(Data((Stored(stored.digest, classes=(3, 7)),)), RECIPE)
    assert some.labels.tolist() == [3, 3, 7, 7]
    real = materials.training_examples(Data((Real("digits", classes=(1,)),)), RECIPE)
    assert set(real.labels.tolist()) == {1}


def test_a_union_joins_images_and_labels_in_one_space(materials: engine.Materials, stored: Stored) -> None:
    union = materials.training_examples(Data((stored, Real("digits", part="holdout"))), RECIPE)
    parts = [len(materials.training_examples(Data((one,)), RECIPE)) for one in (stored, Real("digits", part="holdout"))]
    assert len(union) == sum(parts)
    assert union.images.dtype == torch.float32


def test_soft_labels_are_probabilities_and_hard_ones_on_request(materials: engine.Materials) -> None:
    run = Run(materials, Real("digits"), seed=0)
    hard = run.of_indices(run.random_rows(1), ipc=1)
    logits = np.eye(10, dtype=np.float32) * 4
    card = replace(hard.card, method="soft", labels=Labels("logits", 2.0))
    soft = SyntheticSet({**hard.tensors, "labels": logits}, card)
    stored = Stored(materials.store.write_set(soft))
    own = materials.training_examples(Data((stored,)), RECIPE)
    assert torch.allclose(own.labels, torch.softmax(torch.from_numpy(logits) / 2, dim=1))
    as_ids = materials.training_examples(Data((stored,), labels="hard"), RECIPE)
    assert as_ids.labels.tolist() == list(range(10))


def test_what_the_engine_cannot_train_is_refused_with_a_sentence(materials: engine.Materials, stored: Stored) -> None:
    made = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    with pytest.raises(UsageError, match="must be made before"):
        materials.training_examples(Data((made,)), RECIPE)
    kip = Space("zca", variant="kip", eps=0.1)
    with pytest.raises(InvalidInput, match="cannot be undone"):
        materials.real_examples(Real("digits", "test"), kip)


def test_what_was_not_asked_for_the_longest_makes_room(
    materials: engine.Materials, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(c: int) -> engine.Examples:
        return materials.training_examples(Data((Real("digits", classes=(c,)),)), RECIPE)

    monkeypatch.setattr(materials_module, "KEPT_BYTES", some(0).n_bytes + some(1).n_bytes + some(2).n_bytes // 2)
    materials._examples.clear()
    first, second = some(0), some(1)
    assert some(0) is first and some(1) is second and some(0) is first
    some(2)
    assert some(0) is first and some(1) is not second
    monkeypatch.setattr(materials_module, "KEPT_BYTES", 1)
    assert some(3) is some(3)


def test_of_several_threads_one_loads(materials: engine.Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    real, loaded = datasets.load, []

    def slowly(name: str) -> datasets.Dataset:
        loaded.append(name)
        time.sleep(0.1)
        return real(name)

    monkeypatch.setattr(datasets, "load", slowly)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: materials.real_examples(Real("digits", "test"), Space("pixel")), range(3)))
    assert len({id(examples) for examples in found}) == 1 and loaded == ["digits"]
