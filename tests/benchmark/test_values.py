"""Values: they survive JSON, are hashable, and one value has one text."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from benchmark import recipe
from benchmark.errors import InvalidInput
from benchmark.values import (
    Budget,
    Cell,
    Data,
    Made,
    Outcome,
    Probe,
    Real,
    Stage,
    Stored,
    Training,
    canonical_json,
    digest,
    from_json,
    to_json,
)

RECIPE = recipe.load("standard-v1-lite")
REAL = Real("digits", "train", "half-01", (3, 1))
MADE = Made("dm", "lite", REAL, Budget(ipc=10), 2)
TEACHER = Training((Stage(Data((REAL,))),), "mlp", RECIPE)
TRAINING = Training(
    (Stage(Data((Stored("a" * 64, (0, 1)), MADE), labels="hard"), memory=Data((REAL,), labels=TEACHER)),),
    "convnet:depth=2",
    RECIPE,
)
PROBE = Probe("losses", Real("digits", "test"), (("level", 0.5), ("names", ("a", "b"))), ("end", 3))
CELL = Cell(TRAINING, (0, 1, 2), (PROBE, Probe("accuracy")))


@pytest.mark.parametrize(
    "value", [REAL, MADE, TRAINING, PROBE, CELL, Budget(bytes=100)], ids=lambda v: type(v).__name__
)
def test_a_value_survives_json_and_can_be_a_key(value: Any) -> None:
    stored = json.loads(canonical_json(to_json(value)))
    again = from_json(stored)
    assert to_json(again) == stored
    assert type(again) is type(value)
    assert {value: 1}[value] == 1
    assert hash(from_json(stored)) == hash(again)


def test_values_without_a_recipe_come_back_equal() -> None:
    for value in (REAL, MADE, PROBE):
        assert from_json(json.loads(canonical_json(to_json(value)))) == value


def test_a_recipe_keeps_what_changes_a_training_and_loses_its_name() -> None:
    again = from_json(to_json(TRAINING))
    assert again.recipe.digest == RECIPE.digest
    assert again.recipe.name == ""


def test_json_is_what_the_docs_say() -> None:
    assert to_json(Real("digits")) == {
        "kind": "real",
        "dataset": "digits",
        "split": "train",
        "part": None,
        "classes": None,
    }
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5]}'


def test_a_digest_is_the_sha256_of_the_canonical_text() -> None:
    assert digest({"b": 1, "a": None}) == hashlib.sha256(b'{"a":null,"b":1}').hexdigest()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_canonical_json_refuses_what_json_has_not(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([number])


def test_the_union_of_images_has_no_order_and_no_repeats() -> None:
    one, two = Stored("a" * 64), Stored("b" * 64)
    assert Data((one, two, one)) == Data((two, one))
    assert len(Data((one, two, one)).images) == 2


def test_seeds_and_probes_are_no_part_of_a_training() -> None:
    other = Cell(TRAINING, (7,), ())
    assert other.training == CELL.training
    assert "seed" not in canonical_json(to_json(Training((Stage(Data((Stored("a" * 64),))),), "mlp", RECIPE)))


@pytest.mark.parametrize(
    "stored",
    [
        {"kind": "nothing"},
        {"no": "kind"},
        {"kind": ["real"]},
        {"kind": "real"},
        {"kind": "real", "dataset": "digits", "colour": 1},
        {"kind": "recipe", "speed": 1},
        [{"kind": "real", "dataset": "digits"}, {"kind": "outcome"}],
    ],
)
def test_unknown_kinds_and_fields_are_invalid(stored: Any) -> None:
    with pytest.raises(InvalidInput, match="not a value of this format"):
        from_json(stored)


def test_a_budget_says_what_it_is() -> None:
    assert [str(budget) for budget in (Budget(ipc=10), Budget(bytes=650), Budget())] == [
        "10 per class",
        "650 bytes",
        "all of it",
    ]


def test_an_outcome_gives_its_value_at_the_end() -> None:
    assert Outcome(0, PROBE, "ok", {"epoch-3": {"x": 1}, "end": {"x": 2}}).at_end() == {"x": 2}
