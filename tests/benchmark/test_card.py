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
    "date": "2026-11-22",
    "claims": [{"metric": "accuracy", "n": 5, "sd": 0.25, "source": "https://example.org", "value": 71.5}],
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
        ("format", "1", "E307 card.json:format"),
        ("format", True, "E307 card.json:format"),
        ("format", 0, "E307 card.json:format"),
        ("format", 2, "E307 card.json:format"),
        ("dataset", "Digits!", "E309 card.json:dataset"),
        ("dataset_digest", "abc", "E309 card.json:dataset_digest"),
        ("dataset_digest", None, "E307 card.json:dataset_digest"),
        ("method", "../x", "E305 card.json:method"),
        ("method", "", "E305 card.json:method"),
        ("method", "-x", "E303 card.json:method"),
        ("method", "x.", "E305 card.json:method"),
        ("method", "D\u0410TM", "E305 card.json:method"),
        ("method", "=cmd", "E303 card.json:method"),
        ("method", "x" * 65, "E305 card.json:method"),
        ("method", "x\n", "E304 card.json:method"),
        ("method", ["dm"], "E307 card.json:method"),
        ("space", None, "E307 card.json:space"),
        ("labels", "hard", "E307 card.json:labels"),
        ("labels", {"kind": "soft"}, "E307 card.json:labels"),
        ("labels", {"kind": "hard", "more": 1}, "E307 card.json:labels"),
        ("labels", {"kind": "logits", "temperature": 0}, "E307 card.json:labels.temperature"),
        ("labels", {"kind": "logits", "temperature": True}, "E307 card.json:labels.temperature"),
        ("decoder", "identity", "E307 card.json:decoder"),
        ("decoder", {"name": "identiti"}, "E309 card.json:decoder.name"),
        ("decoder", {"name": ["identity"]}, "E309 card.json:decoder.name"),
        ("decoder", {"name": "../identity"}, "E309 card.json:decoder.name"),
        ("decoder", {"name": "identity", "version": 2}, "E309 card.json:decoder.version"),
        ("decoder", {"name": "identity", "options": {"size": 2}}, "E307 card.json:decoder.options"),
        ("decoder", {"name": "identity", "options": [1]}, "E307 card.json:decoder.options"),
        ("schedule", {"epoch": 3}, "E307 card.json:schedule"),
        ("schedule", {"epochs": 1.5}, "E307 card.json:schedule.epochs"),
        ("schedule", {"learning_rate": 0}, "E307 card.json:schedule.learning_rate"),
        ("schedule", {"learning_rate": True}, "E307 card.json:schedule.learning_rate"),
        ("ipc", 0, "E307 card.json:ipc"),
        ("ipc", True, "E307 card.json:ipc"),
        ("ipc", 1.0, "E307 card.json:ipc"),
        ("ipc", 10**30, "E307 card.json:ipc"),
        ("distil_seed", -1, "E307 card.json:distil_seed"),
        ("distilled_on", "test", "E309 card.json:distilled_on"),
        ("distilled_on", ["train"], "E309 card.json:distilled_on"),
        ("classes", [], "E307 card.json:classes"),
        ("classes", [3, 1], "E307 card.json:classes"),
        ("classes", [1, 1], "E307 card.json:classes"),
        ("classes", [True], "E307 card.json:classes"),
        ("class_by_class", 1, "E307 card.json:class_by_class"),
        ("title", 3, "E307 card.json:title"),
        ("title", "x" * 201, "E307 card.json:title"),
        ("title", "two\nlines", "E304 card.json:title"),
        ("title", "\u202edm", "E304 card.json:title"),
        ("title", "a\u200bb", "E304 card.json:title"),
        ("title", "\x1b[31m", "E304 card.json:title"),
        ("title", "\x00", "E304 card.json:title"),
        ("title", "\ud800", "E304 card.json:title"),
        ("source", "javascript:alert(1)", "E302 card.json:source"),
        ("source", "data:text/html,x", "E302 card.json:source"),
        ("source", "file:///etc/passwd", "E302 card.json:source"),
        ("source", "//evil.example", "E302 card.json:source"),
        ("source", "https://user:secret@example.org/", "E302 card.json:source"),
        ("source", 'https://example.org/"><script>', "E302 card.json:source"),
        ("source", "https://example.org/ x", "E302 card.json:source"),
        ("source", "https://" + "x" * 2000, "E302 card.json:source"),
        ("date", "yesterday", "E309 card.json:date"),
        ("date", "2026-02-30", "E309 card.json:date"),
        ("date", "20261122", "E309 card.json:date"),
        ("date", 20261122, "E307 card.json:date"),
        ("claims", {}, "E307 card.json:claims"),
        ("claims", [{"metric": "accuracy"}], "E307 card.json:claims"),
        ("claims", [{"metric": "accuracy", "value": 1, "rank": 1}], "E307 card.json:claims"),
        ("claims", [{"metric": "accuracy", "value": "71"}], "E307 card.json:claims.value"),
        ("claims", [{"metric": "accuracy", "value": 10**400}], "E307 card.json:claims.value"),
        ("claims", [{"metric": "accuracy", "value": None}], "E307 card.json:claims.value"),
        ("claims", [{"metric": "accuracy", "value": 1, "n": 0}], "E307 card.json:claims.n"),
        ("claims", [{"metric": "accuracy", "value": 1, "sd": -1}], "E307 card.json:claims.sd"),
        ("claims", [{"metric": "accuracy", "value": 1, "source": "ftp://x"}], "E302 card.json:claims.source"),
        ("claims", [{"metric": "a\u202e", "value": 1}], "E304 card.json:claims.metric"),
        ("claims", [{"metric": "accuracy", "value": 1}] * 21, "E307 card.json:claims"),
        ("cost", [1], "E307 card.json:cost"),
        ("cost", {"seconds": [1]}, "E307 card.json:cost"),
        ("cost", {"a" * 201: 1}, "E307 card.json:cost"),
        ("cost", {str(i): 1 for i in range(41)}, "E307 card.json:cost"),
        ("made_with", {"\u202ex": "1"}, "E304 card.json:made_with"),
        ("made_with", {"x": "\ud800"}, "E304 card.json:made_with"),
    ],
)
def test_a_wrong_field_is_named_with_what_came_and_what_is_allowed(field: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Card.from_json({**SMALLEST, field: value})
    message = str(caught.value)
    assert message.startswith(f"{problem}: ") and len(message) < 700
    assert message.isprintable(), "untrusted text must come escaped"


@pytest.mark.parametrize("field", SMALLEST)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidInput, match=f"E307 card.json:{field}: (the field is missing|no format)"):
        Card.from_json({name: value for name, value in SMALLEST.items() if name != field})


@pytest.mark.parametrize("stored", [None, [], "card", 3])
def test_a_card_is_an_object(stored: Any) -> None:
    with pytest.raises(InvalidInput, match="the card is no JSON object"):
        Card.from_json(stored)


def test_all_problems_are_told_at_once_and_unknown_fields_get_the_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        Card.from_json({**SMALLEST, "method": "X", "ipc": 0, "distill_seed": 1, "space": {"kind": "zca"}})
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "E307 card.json:distill_seed",
        "E307 card.json:space",
        "E305 card.json:method",
        "E307 card.json:ipc",
    ]
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
