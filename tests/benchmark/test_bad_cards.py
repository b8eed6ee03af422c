"""Cards that lie, break out, or say too much: each refused with its code; what is only text is kept as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.store import Store
from benchmark.submission import check, submit
from tests.benchmark.bad_inputs import CARD, Spoil, card_text, check_refusal, fine, with_card

TEACHER = {"by": "teacher", "sha256": "5" * 64, "trained_on": "train"}
TODAY = datetime.now(UTC).date()
BAD: dict[str, tuple[Spoil, str, str]] = {
    "30 a script for a name": (with_card(method="<script>alert(1)</script>"), "E301", "card.json:method"),
    "30 an image for a name": (with_card(method="x<img onerror=alert(1)>"), "E301", "card.json:method"),
    "32 a quote in a name": (with_card(method='"><x'), "E301", "card.json:method"),
    "32 an attribute for a name": (with_card(method="' onfocus='x"), "E301", "card.json:method"),
    "32 a template for a name": (with_card(method="{{7*7}}"), "E301", "card.json:method"),
    "32 an expression for a name": (with_card(method="${x}"), "E301", "card.json:method"),
    **{
        f"31 a link to {link[:24]!a}": (with_card(source=link), "E302", "card.json:source")
        for link in (
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " https://example.org",
            "data:text/html,<script>",
            "file:///etc/passwd",
            "//evil.example",
            "ftp://example.org",
            "https://user:pw@example.org/",
            'https://example.org/"><x',
            "https://example.org/a b",
            "https://ex\u0430mple.org/",
            "https://" + "x" * 2000,
            "https://",
            "http:/example.org",
            "https:\\\\example.org",
        )
    },
    **{
        f"34 a formula {name!a}": (with_card(method=name), "E303", "card.json:method")
        for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")
    },
    **{
        f"35 {text!a} in a name": (with_card(method=f"a{text}b"), "E304", "card.json:method")
        for text in ("\x00", "\x1b[31m", "\n", "\u202e", "\u200b", "\ud800", "\u2066", "\ufeff", "\x7f", "e\u0301")
    },
    **{
        f"35 {text!a} in a title": (with_card(title=f"a{text}b"), "E304", "card.json:title")
        for text in ("\x00", "\x1b[31m", "\n", "\u202e", "\u200b", "\ud800", "\u2066", "\ufeff", "\x7f", "\ue000")
    },
    "35 an escape in a key": (with_card(cost={"\x1b]0;x\x07": 1}), "E304", "card.json:cost"),
    **{
        f"36 the name {name[:16]!a}": (with_card(method=name), "E305", "card.json:method")
        for name in (
            "../x",
            "a/b",
            "a\\b",
            "CON",
            "con",
            "nul.txt",
            "com1",
            ".",
            "..",
            "x.",
            "x ",
            " x",
            "",
            "x" * 5000,
        )
    },
    "36 a capital": (with_card(method="DATM"), "E305", "card.json:method"),
    "36 a letter of another script": (with_card(method="d\u0430tm"), "E305", "card.json:method"),
    "36 another separator": (with_card(method="was_there"), "E305", "card.json:method"),
    "36 a dot for a dash": (with_card(method="was.there"), "E305", "card.json:method"),
    "36 rn for m": (with_card(method="drn"), "E305", "card.json:method"),
    "36 1 for l": (with_card(method="ful1-data"), "E305", "card.json:method"),
    "36 0 for o": (with_card(method="rand0m-real"), "E305", "card.json:method"),
    "37 NaN": (with_card(cost={"seconds": float("nan")}), "E306", "card.json"),
    "37 Infinity": (with_card(cost={"seconds": float("inf")}), "E306", "card.json"),
    "37 1e999": (with_card(card_text()[:-1] + ', "cost": {"s": 1e999}}'), "E306", "card.json"),
    "37 a key twice": (with_card(card_text()[:-1] + ', "ipc": 2}'), "E306", "card.json"),
    "37 a key twice inside": (with_card(card_text()[:-1] + ', "cost": {"a": 1, "a": 2}}'), "E306", "card.json"),
    "37 5000 digits": (with_card(card_text()[:-1] + f', "distil_seed": {"9" * 5000}' + "}"), "E306", "card.json"),
    "37 a byte order mark": (with_card(b"\xef\xbb\xbf" + card_text().encode()), "E306", "card.json"),
    "37 UTF-16": (with_card(card_text().encode("utf-16")), "E306", "card.json"),
    "37 UTF-32": (with_card(card_text().encode("utf-32-le")), "E306", "card.json"),
    "37 comments": (with_card("// mine\n" + card_text()), "E306", "card.json"),
    "37 a comma too many": (with_card(card_text()[:-1] + ",}"), "E306", "card.json"),
    "37 two objects": (with_card(card_text() * 2), "E306", "card.json"),
    "37 single quotes": (with_card(str(CARD)), "E306", "card.json"),
    "37 brackets": (with_card("[" * 16_000), "E306", "card.json"),
    "37 Latin-1": (with_card(card_text(title="é").encode().replace(b"\\u00e9", b"\xe9")), "E306", "card.json"),
    "6 no bytes": (with_card(""), "E103", "card.json"),
    "59 a teacher of no known weights": (with_card(label_origin={"by": "teacher"}), "E307", "card.json:label_origin"),
    "59 a teacher that is no file": (
        with_card(label_origin=TEACHER | {"sha256": "x"}),
        "E309",
        "card.json:label_origin.sha256",
    ),
    "59 a teacher that learned a list": (
        with_card(label_origin=TEACHER | {"trained_on": []}),
        "E307",
        "card.json:label_origin.trained_on",
    ),
    "59 labels by somebody else": (with_card(label_origin={"by": []}), "E307", "card.json:label_origin"),
    "61 a card of 17 KiB": (with_card(notes="x" * 17 * 2**10), "E312", "card.json"),
    "61 a card of blanks": (with_card(card_text() + " " * 2**20), "E312", "card.json"),
    "38 a list": (with_card("[]"), "E307", "card.json"),
    "38 an unknown field": (with_card(distill_seed=1), "E307", "card.json:distill_seed"),
    "38 an unknown field with a hostile name": (with_card(**{"\x1b[2J<b>": 1}), "E307", ""),
    "38 a field missing": (with_card(method=...), "E307", "card.json:method"),
    "38 the wrong type": (with_card(ipc="10"), "E307", "card.json:ipc"),
    "38 true for a number": (with_card(ipc=True), "E307", "card.json:ipc"),
    "38 true for a seed": (with_card(distil_seed=True), "E307", "card.json:distil_seed"),
    "38 null for a method": (with_card(method=None), "E307", "card.json:method"),
    "38 a future format": (with_card(format=2), "E307", "card.json:format"),
    "38 a format that is text": (with_card(format="1"), "E307", "card.json:format"),
    "38 a text too long": (with_card(title="x" * 201), "E307", "card.json:title"),
    "38 many means": (
        with_card(space={"kind": "standardized", "mean": [0.5] * 17, "std": [0.5] * 17}),
        "E307",
        "card.json:space",
    ),
    "39 YAML": (with_card("format: 1\nmethod: &a x\n"), "E308", "card.json"),
    "39 YAML with a tag": (with_card("--- !!python/object/apply:os.system ['x']\n"), "E308", "card.json"),
    "39 TOML": (with_card("format = 1\n"), "E308", "card.json"),
    "40 a day in the future": (with_card(date=str(TODAY + timedelta(days=3))), "E309", "card.json:date"),
    "40 no day": (with_card(date="2026-02-30"), "E309", "card.json:date"),
    "40 an unknown dataset": (with_card(dataset="digit"), "E309", "card.json:dataset"),
    "40 a path for a dataset": (with_card(dataset="../digits"), "E309", "card.json:dataset"),
    "40 a short digest": (with_card(dataset_digest="262c"), "E309", "card.json:dataset_digest"),
    "40 another digest": (with_card(dataset_digest="0" * 64), "E309", "card.json:dataset_digest"),
    "40 an unknown decoder": (with_card(decoder={"name": "os.system"}), "E309", "card.json:decoder.name"),
    "40 a later decoder": (with_card(decoder={"name": "identity", "version": 9}), "E309", "card.json:decoder.version"),
    "40 distilled on test": (with_card(distilled_on="test"), "E309", "card.json:distilled_on"),
    "41 a score of one's own": (with_card(accuracy=99.0), "E310", "card.json:accuracy"),
    "41 a score among the costs": (with_card(cost={"accuracy": 99.0}), "E310", "card.json:cost.accuracy"),
    "41 verified by oneself": (with_card(verified=True), "E310", "card.json:verified"),
    "41 bytes of one's own": (with_card(claims=[{"metric": "bytes", "value": 1}]), "E310", "card.json:claims"),
    "42 a token": (with_card(notes="hf_" + "a1" * 17), "E311", "card.json:notes"),
    "42 another token": (with_card(made_with={"key": "ghp_" + "a1" * 18}), "E311", "card.json:made_with.key"),
    "42 a private key": (with_card(notes="-----BEGIN OPENSSH PRIVATE KEY-----"), "E311", "card.json:notes"),
    "42 a password": (with_card(notes="password: correct-horse"), "E311", "card.json:notes"),
    "42 an e-mail address": (with_card(contributor="J. Doe <j.doe@example.org>"), "E311", "card.json:contributor"),
    "42 a home folder": (with_card(notes="made in /home/jane/runs"), "E311", "card.json:notes"),
    "42 a home folder of another system": (with_card(cost={"log": "C:\\Users\\jane\\x"}), "E311", "card.json:cost.log"),
    "42 an address in a claim": (
        with_card(claims=[{"metric": "accuracy", "value": 1, "protocol": "ask a@example.org"}]),
        "E311",
        "card.json:claims.protocol",
    ),
}


@pytest.mark.parametrize(("spoil", "code", "where"), BAD.values(), ids=BAD)
def test_a_bad_card_is_3_with_its_code(stored: Path, tmp_path: Path, spoil: Spoil, code: str, where: str) -> None:
    folder = fine(tmp_path / "my-set")
    spoil(folder)
    text = check_refusal(folder, stored, code, 3, where)
    assert len(text) < 3000 and "hunter" not in text


def test_what_is_secret_is_not_said_again(stored: Path, tmp_path: Path) -> None:
    token = "hf_" + "Secret12" * 5
    folder = fine(tmp_path / "my-set")
    with_card(notes=f"{token} j.doe@example.org")(folder)
    text = check_refusal(folder, stored, "E311", 3)
    assert token[4:] not in text and "doe@" not in text


@pytest.mark.parametrize("name", ["card.yaml", "card.toml"])
def test_a_card_in_another_language_is_e308(stored: Path, tmp_path: Path, name: str) -> None:
    folder = fine(tmp_path / "my-set")
    (folder / "card.json").rename(folder / name)
    check_refusal(folder, stored, "E308", 3, "card.json")


HARMLESS = {
    "33 Markdown with HTML and a remote image": "# Hi <b>x</b> ![x](https://example.org/track.png)",
    "32 what breaks out of pages": "</script> {{7*7}} ${x} \"><x ' onfocus='",
    "34 a formula in a text": "=1+1",
    "30 a script in a text": "<script>alert(1)</script>",
    "other scripts": "日本語 العربية Ünïcödé",
    "what looks like an address and is none": "a@b, @user, https://example.org/@user/home/x, user/home/x",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_text_is_text_and_kept_letter_by_letter(stored: Path, tmp_path: Path, text: str) -> None:
    """Pages and tables show it inert: tests/leaderboard/test_hostile.py."""
    folder = fine(tmp_path / "my-set")
    with_card(title=text, notes=text, made_with={"x": text})(folder)
    receipt = submit(folder, Store(stored))
    card = Store(stored).read_card(receipt.digest)
    assert (card.title, card.notes, dict(card.made_with)) == (text, text, {"x": text})


def test_claims_are_kept_beside_the_digest_and_move_no_score(stored: Path, tmp_path: Path) -> None:
    claim = {
        "metric": "accuracy",
        "value": 71.5,
        "unit": "percent",
        "n": 5,
        "sd": 0.3,
        "protocol": "ours",
        "source": "",
    }
    bare = check(fine(tmp_path / "bare"))
    folder = fine(tmp_path / "my-set")
    with_card(claims=[claim], date=str(TODAY))(folder)
    receipt = submit(folder, Store(stored))
    card = Store(stored).read_card(receipt.digest)
    assert receipt.digest == bare.digest
    assert [dict(one) for one in card.claims] == [claim] and card.date == str(TODAY)
    assert len(Store(stored).results()) == 0


def test_the_largest_card_that_is_taken_can_be_read_again(stored: Path, tmp_path: Path) -> None:
    """Stored cards are ASCII and indented, so they grow: by 4 here, where the limit of reading is 4 times larger."""
    folder = fine(tmp_path / "my-set")
    facts: dict[str, Any] = {f"k{i}": "é" for i in range(40)}
    with_card(json.dumps({**CARD, "notes": "é" * 4000, "citation": "é" * 3000, "cost": facts}, ensure_ascii=False))(
        folder
    )
    size = (folder / "card.json").stat().st_size
    assert 14_000 < size < 2**14
    receipt = submit(folder, Store(stored))
    assert Store(stored).read_card(receipt.digest).notes == "é" * 4000


def test_a_name_that_only_resembles_a_baseline_names_both(stored: Path, tmp_path: Path) -> None:
    assert "dm" in registry.names("baseline")
    folder = fine(tmp_path / "my-set")
    with_card(method="drn")(folder)
    assert "too like the method 'dm' (got 'drn'). Fix: write \"dm\"" in check_refusal(folder, stored, "E305", 3)
