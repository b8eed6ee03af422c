"""Keys: one training has one name, and whatever could change its result changes the name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from benchmark import datasets, keys, recipe, registry
from benchmark.errors import DistillBenchError
from benchmark.values import Budget, Data, Made, Probe, Real, Stage, Stored, Training

RECIPE = recipe.load("standard-v1-lite")
TRAINING = Training((Stage(Data((Stored("a" * 64), Real("digits")))),), "mlp", RECIPE)
MADE = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
PROBE = Probe("accuracy", Real("digits", "test"))


def test_a_key_can_be_computed_by_hand() -> None:
    images = [
        {"kind": "real", "dataset": "digits", "split": "train", "part": None, "classes": None},
        {"kind": "stored", "digest": "a" * 64, "classes": None},
    ]
    stage = {"kind": "stage", "stream": {"kind": "data", "images": images, "labels": "own"}, "memory": None}
    training = {"kind": "training", "stages": [stage], "architecture": "mlp", "recipe": RECIPE.canonical()}
    versions = {
        "architecture/mlp": registry.version("architecture", "mlp"),
        "augmentation/none": registry.version("augmentation", "none"),
        "dataset/digits": datasets.facts("digits").digest,
        "union": keys.UNION,
    }
    text = json.dumps({"training": training, "versions": versions}, sort_keys=True, separators=(",", ":"))
    assert keys.training_key(TRAINING) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(TRAINING, architecture="mlp:width=64"),
        replace(TRAINING, architecture="convnet"),
        replace(TRAINING, recipe=RECIPE.vary(epochs=1)),
        replace(TRAINING, stages=()),
        replace(TRAINING, stages=TRAINING.stages * 2),
        replace(TRAINING, stages=(Stage(Data((Stored("b" * 64),))),)),
        replace(TRAINING, stages=(Stage(Data((Stored("a" * 64, (0, 1)), Real("digits")))),)),
        replace(TRAINING, stages=(Stage(Data(TRAINING.stages[0].stream.images, labels="hard")),)),
        replace(TRAINING, stages=(Stage(Data(TRAINING.stages[0].stream.images, labels=TRAINING)),)),
    ],
)
def test_another_training_has_another_key(other: Training) -> None:
    assert keys.training_key(other) != keys.training_key(TRAINING)


def test_names_and_seed_counts_of_recipes_do_not_move_a_key() -> None:
    renamed = RECIPE.vary(name="another", n_seeds=3, summary="x")
    assert keys.training_key(replace(TRAINING, recipe=renamed)) == keys.training_key(TRAINING)


@pytest.mark.parametrize(("kind", "name"), [("architecture", "mlp"), ("augmentation", "none"), ("probe", "accuracy")])
def test_a_new_version_of_a_plug_in_moves_the_names_that_stand_on_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    before = keys.outcome_name(TRAINING, 0, PROBE)
    real = registry.version
    monkeypatch.setattr(registry, "version", lambda k, n: real(k, n) + ((k, n) == (kind, name)))
    after = keys.outcome_name(TRAINING, 0, PROBE)
    assert after != before
    assert (after[:64] == before[:64]) == (kind == "probe")


def test_versions_of_a_teacher_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = replace(TRAINING, architecture="lenet")
    taught = replace(TRAINING, stages=(Stage(Data((Stored("a" * 64),), labels=teacher)),))
    before = keys.training_key(taught)
    real = registry.version
    monkeypatch.setattr(registry, "version", lambda k, n: real(k, n) + (n == "lenet"))
    assert keys.training_key(taught) != before


def test_the_digest_of_a_dataset_moves_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.training_key(TRAINING)
    monkeypatch.setattr(keys, "dataset_digest", lambda name: "0" * 64)
    assert keys.training_key(TRAINING) != before


def test_an_outcome_is_named_by_training_seed_and_probe() -> None:
    name = keys.outcome_name(TRAINING, 3, PROBE)
    key, seed, probe, rest = name.split("-")
    assert (key, seed, probe, len(rest)) == (keys.training_key(TRAINING), "3", "accuracy", 16)
    others = [replace(PROBE, options=(("x", 1),)), replace(PROBE, at=(5,)), replace(PROBE, data=None)]
    names = {keys.outcome_name(TRAINING, 3, one) for one in (PROBE, *others)}
    assert len(names) == 4


def test_how_several_sets_are_joined_moves_the_key_of_trainings_on_several(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (Training((Stage(Data((Stored("a" * 64), Stored("b" * 64))[:n])),), "mlp", RECIPE) for n in (1, 2))
    before = keys.training_key(one), keys.training_key(two)
    monkeypatch.setattr(keys, "UNION", 99)
    assert keys.training_key(one) == before[0] and keys.training_key(two) != before[1]


def test_a_set_that_is_not_made_yet_has_no_key() -> None:
    with pytest.raises(DistillBenchError, match="the set of 'random-real' must be made before"):
        keys.training_key(replace(TRAINING, stages=(Stage(Data((MADE,))),)))


def test_a_request_is_named_by_its_values_and_not_by_its_presets_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "version", lambda kind, name: 1)

    def key(made: Made = MADE, hyper: dict[str, Any] | None = None, needed: tuple[str, ...] = ()) -> str:
        return keys.made_key(replace(made, preset=""), hyper or {"iterations": 1}, list(needed))

    others = [
        key(replace(MADE, seed=1)),
        key(replace(MADE, budget=Budget(bytes=650))),
        key(replace(MADE, real=Real("digits", part="minus-holdout"))),
        key(replace(MADE, baseline="dm")),
        key(hyper={"iterations": 2}),
        key(needed=("a" * 64,)),
    ]
    assert len({key(), *others}) == 7
    assert key(replace(MADE, preset="lite")) == key()
    before = key()
    monkeypatch.setattr(registry, "version", lambda kind, name: 2)
    assert key() != before
