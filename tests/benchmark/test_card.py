"""card.json: every field known, typed and bounded, all problems told at once, nothing said that could do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark import datasets
from benchmark.errors import InvalidInput
from benchmark.synthetic_set import Card, Decoder, Labels

SMALLEST: dict[str, Any] = {
    "format": 1,
    "dataset": "digits",
    "dataset_digest": datasets.facts("digits").digest,
    "space": {"kind": "pixel"},
    "method": "by-hand",
}
WHOLE: dict[str, Any] = {
    **SMALLEST,
    "space": {"kind": "standardized", "mean": [0.5], "std": [0.25]},
    "labels": {"kind": "logits", "temperature": 4.0},
    "decoder": {"name": "identity", "version": 1, "options": {}},
    "schedule": {"learning_rate": 0.01, "epochs": 100, "batch_size": 10},
    "ipc": 10,
    "distil_seed": 3,
    "preset": "paper",
    "distilled_on": "train-minus-holdout",
    "classes": [0, 3],
    "class_by_class": True,
    "title": "Ünicode & <b>tags</b> are text",
    "source": "https://example.org/paper?x=1",
    "licence": "MIT",
    "citation": "Two\n\tlines.",
    "contributor": "N. N.",
    "notes": "",
    "cost": {"seconds": 1.5, "image_passes": 10, "device": "cpu", "dollars": None},
    "made_with": {"numpy": "2.4"},
}


def test_the_smallest_card_has_defaults_for_everything_else() -> None:
    card = Card.from_json(SMALLEST)
    assert (card.labels, card.decoder, card.schedule, card.ipc) == (Labels(), Decoder(), None, None)
    assert (card.distilled_on, card.track, card.title, dict(card.cost)) == ("train", "hard", "", {})


def test_a_whole_card_survives_json() -> None:
    card = Card.from_json(WHOLE)
    assert card.to_json() == WHOLE
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_every_field_of_the_whole_card_above_is_every_field_there_is() -> None:
    assert set(WHOLE) == set(Card.from_json(SMALLEST).to_json())


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("format", "1", "field 'format' is missing or no format. Fix: write \"format\": 1"),
        ("format", True, "field 'format' is missing or no format"),
        ("format", 0, "field 'format' is missing or no format"),
        ("format", 2, "card.json has format 2; this version reads up to 1. Fix: update"),
        ("dataset", "Digits!", "field 'dataset' is 'Digits!'; it must be 1 to 64 lower-case letters"),
        ("dataset_digest", "abc", "field 'dataset_digest' is 'abc'; it must be a sha256 of 64 hex digits"),
        ("dataset_digest", None, "a sha256 of 64 hex digits"),
        ("method", "../x", "field 'method' is '../x'"),
        ("method", "", "field 'method' is ''"),
        ("method", "-x", "field 'method'"),
        ("method", "x.", "field 'method'"),
        ("method", "D\u0410TM", r"field 'method' is 'D\\u0410TM'"),
        ("method", "=cmd", "field 'method'"),
        ("method", "x" * 65, "field 'method'"),
        ("method", "x\n", "field 'method'"),
        ("method", ["dm"], "field 'method'"),
        ("space", None, "space is None"),
        ("labels", "hard", "field 'labels' is 'hard'; it must be an object whose kind is one of hard, prob"),
        ("labels", {"kind": "soft"}, "whose kind is one of hard, probabilities, logits"),
        ("labels", {"kind": "hard", "more": 1}, "field 'labels'"),
        (
            "labels",
            {"kind": "logits", "temperature": 0},
            "field 'labels.temperature' is 0; it must be a number above 0",
        ),
        ("labels", {"kind": "logits", "temperature": True}, "labels.temperature"),
        ("decoder", "identity", "field 'decoder' is 'identity'; it must be an object such as"),
        ("decoder", {"name": "identiti"}, "unknown decoder 'identiti'. Did you mean 'identity'"),
        ("decoder", {"name": ["identity"]}, "unknown decoder"),
        ("decoder", {"name": "../identity"}, "unknown decoder"),
        ("decoder", {"name": "identity", "version": 2}, "field 'decoder.version' is 2; it must be 1"),
        ("decoder", {"name": "identity", "options": {"size": 2}}, "unknown option of decoder 'identity' 'size'"),
        ("decoder", {"name": "identity", "options": [1]}, "field 'decoder.options'"),
        ("schedule", {"epoch": 3}, "field 'schedule'"),
        ("schedule", {"epochs": 1.5}, "field 'schedule.epochs' is 1.5; it must be a whole number above 0"),
        ("schedule", {"learning_rate": 0}, "field 'schedule.learning_rate' is 0"),
        ("schedule", {"learning_rate": True}, "field 'schedule.learning_rate'"),
        ("ipc", 0, "field 'ipc' is 0; it must be null or a whole number from 1"),
        ("ipc", True, "field 'ipc' is True"),
        ("ipc", 1.0, "field 'ipc' is 1.0"),
        ("ipc", 10**30, "field 'ipc'"),
        ("distil_seed", -1, "field 'distil_seed' is -1; it must be null or a whole number from 0"),
        ("distilled_on", "test", "field 'distilled_on' is 'test'; it must be 'train' or 'train-minus-holdout'"),
        ("distilled_on", ["train"], "field 'distilled_on'"),
        ("classes", [], "field 'classes'"),
        ("classes", [3, 1], "ascending order, each class once"),
        ("classes", [1, 1], "ascending order, each class once"),
        ("classes", [True], "null or a list of class ids"),
        ("class_by_class", 1, "must be true or false"),
        ("title", 3, "field 'title' is 3; it must be text of at most 200 characters"),
        ("title", "x" * 201, "text of at most 200 characters"),
        ("title", "two\nlines", r"field 'title' holds characters without a shape \(U\+000A\)"),
        ("title", "\u202edm", r"field 'title' holds characters without a shape \(U\+202E\)"),
        ("title", "a\u200bb", r"U\+200B"),
        ("title", "\x1b[31m", r"U\+001B"),
        ("title", "\x00", r"U\+0000"),
        ("title", "\ud800", r"U\+D800"),
        ("source", "javascript:alert(1)", "field 'source' is 'javascript:alert.1.'; it must be empty or a link"),
        ("source", "data:text/html,x", "a link that begins with https://"),
        ("source", "file:///etc/passwd", "a link"),
        ("source", "//evil.example", "a link"),
        ("source", "https://user:secret@example.org/", "a link"),
        ("source", 'https://example.org/"><script>', "a link"),
        ("source", "https://example.org/ x", "a link"),
        ("source", "https://" + "x" * 2000, "text of at most 2000 characters"),
        ("cost", [1], "field 'cost' is .1.; it must be an object of at most 40 plain values"),
        ("cost", {"seconds": [1]}, "plain values"),
        ("cost", {"a" * 201: 1}, "plain values"),
        ("cost", {str(i): 1 for i in range(41)}, "at most 40 plain values"),
        ("made_with", {"\u202ex": "1"}, r"field 'made_with' holds characters without a shape \(U\+202E\)"),
        ("made_with", {"x": "\ud800"}, r"U\+D800"),
    ],
)
def test_a_wrong_field_is_named_with_what_came_and_what_is_allowed(field: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        Card.from_json({**SMALLEST, field: value})
    message = str(caught.value)
    assert message.startswith("card.json") and len(message) < 600
    assert message.isprintable(), "untrusted text must come escaped"


@pytest.mark.parametrize("field", SMALLEST)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidInput, match=f"field '{field}' is missing"):
        Card.from_json({name: value for name, value in SMALLEST.items() if name != field})


@pytest.mark.parametrize("stored", [None, [], "card", 3])
def test_a_card_is_an_object(stored: Any) -> None:
    with pytest.raises(InvalidInput, match="must hold one JSON object"):
        Card.from_json(stored)


def test_all_problems_are_told_at_once_and_unknown_fields_get_the_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        Card.from_json({**SMALLEST, "method": "X", "ipc": 0, "distill_seed": 1, "space": {"kind": "zca"}})
    lines = str(caught.value).splitlines()
    assert len(lines) == 4 and all(line.startswith("card.json: ") for line in lines)
    assert "Did you mean 'distil_seed'?" in lines[0]


def test_a_thousand_problems_are_cut_at_twenty() -> None:
    with pytest.raises(InvalidInput) as caught:
        Card.from_json({**SMALLEST, **{f"x{i}": i for i in range(1000)}})
    assert len(str(caught.value).splitlines()) <= 21


def test_text_is_stored_in_one_normal_form() -> None:
    assert Card.from_json({**SMALLEST, "title": "e\u0301"}).title == "\u00e9"


def test_the_temperature_of_hard_labels_and_whole_numbers_for_rates_make_no_other_set() -> None:
    hot = Card.from_json({**SMALLEST, "labels": {"kind": "hard", "temperature": 2}})
    assert hot.to_json()["labels"] == {"kind": "hard"}
    rated = Card.from_json({**SMALLEST, "schedule": {"learning_rate": 1}})
    assert json.dumps(rated.to_json()["schedule"]) == '{"learning_rate": 1.0}'
