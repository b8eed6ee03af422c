"""Recipes: read strictly from TOML, varied by value, with rates that are computed by hand here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchmark import recipe, registry
from benchmark.errors import InvalidInput, UsageError
from benchmark.recipe import Recipe

pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.mark.parametrize("name", registry.names("recipe"))
def test_every_recipe_loads_with_its_reference_and_survives_json(name: str) -> None:
    loaded = recipe.load(name)
    reference = recipe.load(f"{name}/reference")
    assert reference == loaded.on_full_data()
    assert reference.name == f"{name}/reference"
    assert reference.digest != loaded.digest
    for one in (loaded, reference):
        assert Recipe.from_canonical(one.canonical()).digest == one.digest
        assert hash(one) == hash(one)


def test_a_reference_keeps_optimiser_and_augmentation() -> None:
    loaded = recipe.load("dsa-2021")
    reference = loaded.on_full_data()
    for field in ("optimizer", "learning_rate", "momentum", "weight_decay", "augmentation", "schedule"):
        assert getattr(reference, field) == getattr(loaded, field)


@pytest.mark.parametrize("name", ["standard-v2", "standard-v1/full", "standard-v1/", "Standard_V1"])
def test_unknown_recipe_says_the_nearest(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown recipe .* Did you mean 'standard-v1'\?"):
        recipe.load(name)


def test_a_recipe_without_a_reference_says_so() -> None:
    with pytest.raises(UsageError, match=r"'bare' states no \[reference\] schedule"):
        Recipe("bare").on_full_data()


def test_prose_and_seeds_do_not_move_the_digest_and_everything_else_does() -> None:
    plain = Recipe("plain")
    for change in ({"summary": "x"}, {"source": "x"}, {"n_seeds": 3}, {"name": "other"}):
        assert plain.vary(**change).digest == plain.digest
    changes: dict[str, Any] = {
        "optimizer": "adam",
        "learning_rate": 0.02,
        "momentum": 0.8,
        "nesterov": True,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "warmup": 0.1,
        "decay_epochs": (5,),
        "decay_factor": 0.2,
        "decay_resets_momentum": True,
        "epochs": 7,
        "passes": 100,
        "batch_size": 32,
        "augmentation": "dsa",
        "label_smoothing": 0.1,
        "teacher": "mlp",
        "statistics": "vico",
        "carried": "use",
        "precision": "float32",
    }
    digests = {plain.vary(**{field: value}).digest for field, value in changes.items()}
    assert len(digests) == len(changes) and plain.digest not in digests


def test_a_recipe_without_a_teacher_says_nothing_of_one_and_full_data_have_none() -> None:
    plain = Recipe("plain", reference=(("epochs", 2),))
    assert "teacher" not in plain.canonical()
    taught = plain.vary(teacher="convnet:width=64", loss="crd:weight=2")
    assert Recipe.from_canonical(taught.canonical()).digest == taught.digest
    assert taught.on_full_data().digest == plain.on_full_data().digest
    assert taught.vary(loss="zipf").untaught().loss == "zipf"
    assert taught.vary(reference=(("teacher", "mlp"),)).on_full_data().teacher == ""
    with pytest.raises(UsageError, match="convnet"):
        plain.vary(teacher="convnat")


def test_a_varied_recipe_says_in_its_name_what_was_varied() -> None:
    assert Recipe("mine").vary(epochs=3, batch_size=8).name == "mine[batch_size=8,epochs=3]"
    assert Recipe("mine").vary(name="yours", epochs=3).name == "yours"


def test_one_and_one_point_nought_are_one_recipe() -> None:
    assert Recipe("a").vary(learning_rate=1).digest == Recipe("a").vary(learning_rate=1.0).digest
    assert Recipe("a").vary(decay_epochs=[1, 2]).digest == Recipe("a").vary(decay_epochs=(1, 2)).digest


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("optimizer", "sdg", "one of sgd, adam, adamw"),
        ("learning_rate", 0, "a number from 1e-09 to 1000"),
        ("learning_rate", math.nan, "a number from"),
        ("learning_rate", "0.1", "a number from"),
        ("epochs", 0, "a whole number from 1"),
        ("epochs", 2.0, "a whole number"),
        ("epochs", True, "a whole number"),
        ("passes", 0, "a whole number from 1"),
        ("warmup", 1.5, "a number from 0 to 1"),
        ("momentum", 1.0, "a number from 0 to 0.9999"),
        ("nesterov", 1, "true or false"),
        ("decay_epochs", [0], "a list of whole numbers from 1"),
        ("decay_epochs", 3, "a list of whole numbers"),
        ("augmentation", 3, "text"),
        ("n_seeds", 0, "a whole number from 1"),
    ],
)
def test_a_wrong_value_names_the_field_and_what_is_allowed(field: str, value: Any, wanted: str) -> None:
    with pytest.raises(InvalidInput, match=rf"recipe 'mine\[.*{field} = .*; it must be {wanted}"):
        Recipe("mine").vary(**{field: value})


def test_an_unknown_augmentation_is_found_before_anything_is_trained() -> None:
    with pytest.raises(UsageError, match=r"unknown augmentation 'dsaa'. Did you mean 'dsa'"):
        Recipe("mine").vary(augmentation="dsaa")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("epoch = 3", "recipe 'mine': unknown field 'epoch'. Did you mean 'epochs'"),
        ("epochs = 0", "recipe 'mine': epochs = 0"),
        ("[reference]\nepoch = 3", "recipe 'mine/reference': unknown field 'epoch'"),
        ("[reference]\nepochs = 'many'", "recipe 'mine/reference': epochs = 'many'"),
        ("reference = 3", r"\[reference\] must be a table"),
        ("name = 'other'", "the name is the file's"),
        ("teacher = 'mlp'", r"states no \[reference\] schedule"),
        ("augmentation = 'blur'", "recipe 'mine': unknown augmentation 'blur'"),
        ("epochs = ", r"mine\.toml is not valid TOML"),
    ],
)
def test_a_broken_recipe_file_is_invalid(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.toml").write_text(text, encoding="utf-8")
    registry.add_folder(tmp_path)
    with pytest.raises(InvalidInput, match=problem):
        recipe.load("mine")


def test_passes_take_the_place_of_epochs() -> None:
    plain = Recipe("mine", epochs=30)
    assert plain.n_epochs(10) == 30
    assert [plain.vary(passes=1000).n_epochs(n) for n in (10, 300, 5000)] == [100, 3, 1]


def test_a_step_schedule_decays_after_the_named_epochs_have_ended() -> None:
    stepped = Recipe("mine", learning_rate=1.0, schedule="step", decay_epochs=(2, 3), decay_factor=0.1)
    # epochs count from 0 here: the third and fourth are 2 and 3
    assert [stepped.learning_rate_at(0, 5, epoch) for epoch in range(5)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_a_cosine_with_warmup_rises_linearly_and_falls_to_nought() -> None:
    rates = [
        Recipe("mine", learning_rate=2.0, schedule="cosine", warmup=0.2).learning_rate_at(s, 10, 0) for s in range(10)
    ]
    # two steps of warm-up: 1/3 and 2/3 of the rate; then 2 * (1 + cos(pi * k / 8)) / 2
    expected = [2 / 3, 4 / 3, *(1 + math.cos(math.pi * k / 8) for k in range(8))]
    assert rates == pytest.approx(expected)
    assert Recipe("mine", learning_rate=2.0).learning_rate_at(9, 10, 3) == 2.0


def test_no_two_standard_recipes_are_one() -> None:
    names = registry.names("recipe")
    ours = [name for name in names if name.startswith("standard-")]
    assert len({recipe.load(name).digest for name in ours}) == len(ours)
    # DM's publication evaluates as DSA's does: two names, one training, shared outcomes
    assert recipe.load("dm-2023").digest == recipe.load("dsa-2021").digest
