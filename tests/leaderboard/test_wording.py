"""Numbers and keys in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmark.results import frame
from benchmark.statistics import paired_difference, t_interval
from leaderboard.boards import TRACKS, boards
from leaderboard.cells import cell
from leaderboard.sources import Card, rows_of
from leaderboard.wording import between, count, details, digits, number, per_class, signed, size, status, track
from tests.leaderboard.conftest import PLAIN


def test_numbers_have_a_true_minus_sign_and_absent_ones_a_dash() -> None:
    assert number(-1.25) == "\N{MINUS SIGN}1.25"
    assert number(91.25, 1) == "91.2"
    assert number(math.nan) == number(None) == "\N{EN DASH}"


def test_numbers_have_the_digits_of_their_unit_and_thousands_apart() -> None:
    assert number(25700.0, digits("bytes")) == "25\N{NARROW NO-BREAK SPACE}700"
    assert number(0.5074, digits("1")) == "0.507"
    assert number(91.25, digits("percent")) == "91.25"


def test_differences_carry_their_sign() -> None:
    assert signed(paired_difference([2.0, 3.0], [1.0, 1.0])) == "+1.50"
    assert signed(paired_difference([1.0, 1.0], [2.0, 3.0])) == "\N{MINUS SIGN}1.50"
    assert signed(None) == "\N{EN DASH}"


def test_an_interval_is_told_by_its_ends_or_by_a_dash() -> None:
    assert between(t_interval([1, 2, 3, 4, 5])) == "1.04 to 4.96"
    assert between(t_interval([1, 2])) == "\N{EN DASH}"


def test_bytes_are_told_in_full() -> None:
    assert size(6500) == "6\N{NARROW NO-BREAK SPACE}500"
    assert size(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("n", "word", "told"),
    [(1, "sets", "1 set"), (3, "sets", "3 sets"), (0, "entries", "0 entries"), (1, "entries", "1 entry")],
)
def test_counts_are_singular_or_plural(n: int, word: str, told: str) -> None:
    assert count(n, word) == told


def test_sizes_and_tracks_are_told_in_words() -> None:
    assert per_class(1) == "1 image per class"
    assert per_class(10) == "10 images per class"
    assert per_class(None) == "any number per class"
    assert [track(name) for name in TRACKS] == ["hard labels", "soft labels", "a teacher's labels"]
    assert track("something new") == "something new"


def test_statuses_begin_with_what_is_ok() -> None:
    bad: dict[str, Any] = {**PLAIN, "value": None, "status": "failed"}
    assert status(cell(rows_of(frame([{**bad, "seed": 1}, PLAIN, {**bad, "seed": 2}])))) == "1 ok, 2 failed"


def told(*cards: dict[str, Any]) -> list[list[str]]:
    """What is said of the lines of a board, best first; one set a card, all of one method."""
    digests = [letter * 64 for letter in "abcdef"[: len(cards)]]
    rows = [{**PLAIN, "set": digest, "distil_seed": None, "value": 90.0 - k} for k, digest in enumerate(digests)]
    by_digest = {digest: Card(card) for digest, card in zip(digests, cards, strict=True)}
    [board] = boards(rows_of(frame(rows)), by_digest)
    return [details(line.key, board.lines) for line in board.lines]


def test_lines_are_told_apart_by_preset_contributor_data_and_digest() -> None:
    assert told({"preset": "lite", "contributor": "DistillBench", "distilled_on": "train"}) == [["lite"]]
    assert told({"preset": "default", "contributor": "Somebody"}) == [["by Somebody"]]
    assert told({"distilled_on": "train-minus-holdout"}) == [["train-minus-holdout"]]
    assert told({"preset": "default"}, {}) == [["default", "aaaaaaaa"], ["bbbbbbbb"]]
