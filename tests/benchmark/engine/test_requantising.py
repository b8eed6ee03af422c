"""A set without what hides below its pixels: what survives, what does not, and how plans name it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark import datasets, keys, phases
from benchmark.engine.requantising import requantised
from benchmark.evaluator import Subject
from benchmark.parcels import needed
from benchmark.recipe import Recipe
from benchmark.space import PIXEL, Space
from benchmark.store import Store
from benchmark.synthetic_set import Array, Card, SyntheticSet
from benchmark.values import Budget, Cell, Data, Made, Real, Requantised, Stage, Stored, Training, from_json, to_json

MADE = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
LABELS = torch.arange(400)


def cell(images: Stored | Made, seed: int = 0) -> Cell:
    subject = Subject(images, "digits", 10, Recipe("r", n_seeds=2), "m", ipc=1)
    stage = Stage(Data((Requantised(images, seed),)))
    return replace(subject.cell("mlp"), training=Training((stage,), "mlp", subject.recipe))


def shown(images: torch.Tensor, space: Space = PIXEL, seed: int = 0) -> torch.Tensor:
    """The requantised images in levels of 0..255, in the order of the originals."""
    coarse, labels = requantised(images, LABELS[: len(images)], space, seed)
    back = torch.empty_like(coarse)
    back[labels] = coarse
    return 255 * space.to_pixel(back)


def test_only_every_second_level_is_left_and_no_pixel_moves_by_more_than_two() -> None:
    images = torch.randint(0, 256, (400, 1, 8, 8), dtype=torch.uint8)
    levels = shown(images)
    assert torch.allclose(levels, levels.round(), atol=1e-3) and not (levels.round() % 2).any()
    error = levels - images
    assert error.abs().max() <= 2 + 1e-3
    assert abs(float(error.mean())) < 0.03, "noise moves pixels as often up as down"


def test_the_lowest_bit_of_bytes_is_drawn_anew() -> None:
    """An odd pixel goes up or down with equal chance whatever it held, an even one mostly stays: 25,600 of each."""
    odd, even = (shown(torch.full((400, 1, 8, 8), value, dtype=torch.uint8)) for value in (101, 100))
    assert float((odd.round() == 102).float().mean()) == pytest.approx(0.5, abs=0.015)
    assert set(odd.round().flatten().tolist()) == {100, 102}
    assert set(even.round().flatten().tolist()) <= {98, 100, 102}


def test_a_signal_far_below_a_level_is_no_threshold_away_from_being_large() -> None:
    """Without noise, rounding would make two levels of what lies a hair above and below the middle between two."""
    hair = torch.where(torch.rand(400, 1, 8, 8) < 0.5, 100.999, 101.001) / 255
    levels = shown(hair).round()
    high = hair > 101 / 255
    shares = [float((levels[part] == 102).float().mean()) for part in (high, ~high)]
    assert shares[0] == pytest.approx(shares[1], abs=0.04)


def test_images_are_shuffled_with_their_labels_and_values_beyond_the_pixels_stay() -> None:
    space = Space("standardized", (0.3,), (0.4,))
    images = torch.arange(400.0).view(400, 1, 1, 1).expand(400, 1, 8, 8) / 10
    coarse, labels = requantised(images, LABELS, space, 3)
    assert not torch.equal(labels, LABELS) and torch.equal(labels.sort().values, LABELS)
    assert torch.allclose(coarse, images[labels], atol=2 / 255 / 0.4 + 1e-4)
    assert torch.equal(coarse, requantised(images, LABELS, space, 3)[0])
    assert not torch.equal(labels, requantised(images, LABELS, space, 4)[1])


def test_plans_name_it_and_a_set_that_must_be_made_first_is_found_beneath() -> None:
    asked = cell(MADE)
    assert to_json(from_json(to_json(asked))) == to_json(asked)
    assert phases.made_in([asked.training]) == [MADE]
    ready = phases.with_sets(asked, {MADE: "a" * 64})
    assert ready.training.stages[0].stream.images == (Requantised(Stored("a" * 64), 0),)
    assert phases.made_in([ready.training]) == [] and phases.with_sets(asked, {}) == asked


def test_its_networks_are_other_ones_than_those_of_the_set_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored("a" * 64)
    plain = Training((Stage(Data((stored,))),), "mlp", Recipe("r", n_seeds=2))
    names = [keys.training_key(one) for one in (plain, cell(stored).training, cell(stored, 1).training)]
    monkeypatch.setattr(keys, "REQUANTISING", keys.REQUANTISING + 1)
    names.append(keys.training_key(cell(stored).training))
    assert len(set(names)) == 4
    assert keys.training_key(plain) == names[0]


def test_the_set_travels_to_whoever_trains_on_it(tmp_path: object) -> None:
    dataset, store = datasets.load("digits"), Store(str(tmp_path))
    tensors: dict[str, Array] = {"images": dataset.train.images[:10], "labels": np.arange(10)}
    digest = store.write_set(SyntheticSet(tensors, Card("digits", dataset.facts.digest, PIXEL, "by-hand")))
    assert needed(cell(Stored(digest)), store) == ["dataset/digits", f"set/{digest}"]
