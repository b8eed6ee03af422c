"""States of sets: a fold that no order of arrival changes, and records that nothing but themselves pass for."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InvalidInput
from benchmark.states import FINAL, RANKED, STATES, Record, fold, next_command, now
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet

SetMaker = Callable[..., SyntheticSet]
Command = Callable[..., Any]
SET = "a" * 64


def record(state: str, day: int, reason: str = "", **evidence: Any) -> Record:
    return Record(SET, state, reason or f"{state} on day {day}", f"2026-11-{day:02}T10:00:00Z", "a test", evidence)


def state_after(*records: Record, is_scored: bool = True) -> str:
    """The state, checked to be the same in every order of up to four records."""
    found = {given.state for order in itertools.permutations(records) if (given := fold(order, is_scored)) is not None}
    assert len(found) == 1
    return found.pop()


def test_the_last_word_holds_in_whatever_order_records_come() -> None:
    received, review, verified = record("received", 1), record("needs-review", 2), record("verified", 3)
    assert state_after(received, review, verified) == "verified"
    assert state_after(received, verified, record("disputed", 4)) == "disputed"
    assert state_after(review, verified, record("needs-review", 4)) == "needs-review"


def test_a_set_that_is_received_is_scored_once_it_has_a_result() -> None:
    assert state_after(record("received", 1), is_scored=False) == "received"
    assert state_after(record("received", 1), is_scored=True) == "scored"
    assert state_after(record("refused", 1), is_scored=True) == "refused"
    assert fold([], True) is None


def test_coming_again_changes_nothing_but_a_refusal() -> None:
    for state in STATES:
        expected = "scored" if state in ("received", "refused") else state
        assert state_after(record(state, 1), record("received", 2)) == expected


@pytest.mark.parametrize("final", FINAL)
def test_a_retraction_stays_whatever_is_said_later(final: str) -> None:
    for state in STATES:
        assert state_after(record(final, 1), record(state, 2)) == (state if state in FINAL else final)


def test_a_retraction_by_mistake_can_be_withdrawn_and_stays_in_the_history() -> None:
    wrong = record("retracted", 2)
    taken_back = record("received", 3, withdraws=wrong.id)
    assert state_after(record("verified", 1), wrong, taken_back) == "verified"
    state = fold([wrong, taken_back], False)
    assert state is not None and state.state == "received" and state.history == (wrong, taken_back)


def test_records_of_one_second_are_ordered_by_their_ids() -> None:
    one, two = record("verified", 1), record("disputed", 1)
    assert state_after(one, two) == max((one, two), key=lambda said: said.id).state


def test_what_is_withdrawn_retracted_or_under_review_is_not_ranked() -> None:
    ranked = {state: given.is_ranked for state in STATES if (given := fold([record(state, 1)], True)) is not None}
    assert [state for state, stands in ranked.items() if stands] == ["received", "verified", "disputed"]
    assert set(RANKED) == {"scored", "verified", "disputed"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"set": "abc"}, "whole digest"),
        ({"state": "fine"}, "no record can say 'fine'. It says one of: received, refused"),
        ({"state": "scored"}, "no record can say 'scored'"),
        ({"at": "2026-11-22"}, "is written like 2026-11-22T10:00:00Z"),
        ({"at": "2026-13-99T10:00:00Z"}, "is written like"),
        ({"reason": None}, "needs texts"),
        ({"evidence": [1]}, "an object as its evidence"),
    ],
)
def test_a_record_that_makes_no_sense_cannot_be_made(changes: dict[str, Any], message: str) -> None:
    known: dict[str, Any] = {"set": SET, "state": "verified", "reason": "", "at": now()}
    with pytest.raises(InvalidInput, match=message):
        Record(**{**known, **changes})


def test_evidence_that_is_no_json_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="must be plain JSON"):
        Store(tmp_path / "store").write_status(record("verified", 1, score=float("nan")))
    assert not (tmp_path / "store").exists()


# In a store


def test_every_set_has_a_state_and_says_since_when(tmp_path: Path, make_set: SetMaker) -> None:
    store = Store(tmp_path)
    silent, spoken = (store.write_set(make_set(seed=seed)) for seed in range(2))
    os.utime(tmp_path / "sets" / silent, (0, 86_400))
    store.write_status(Record(spoken, "retracted", "wrong labels", "2026-11-22T10:00:00Z", "its author"))
    store.write_status(record("refused", 3))
    states = store.states()
    assert sorted(states) == list(states) == sorted([silent, spoken, SET])
    assert (states[silent].state, states[silent].since) == ("received", "1970-01-02T00:00:00Z")
    said = states[spoken]
    assert (said.state, said.reason, said.by) == ("retracted", "wrong labels", "its author")
    assert states[SET].state == "refused", "of a set that is not stored too"
    assert store.state(spoken) == said and store.state(SET) == states[SET]
    with pytest.raises(InvalidInput, match="there is no set 00000000"):
        store.state("0" * 64)


def test_a_record_is_named_by_its_content_and_written_once(tmp_path: Path) -> None:
    store, said = Store(tmp_path), record("verified", 2, seeds=[0, 1])
    assert store.write_status(said) == store.write_status(said) == said.id
    (file,) = tmp_path.glob("status/*/*.json")
    assert file == tmp_path / "status" / said.id[:2] / f"{said.id}.json"
    assert json.loads(file.read_text()) == {
        "format": 1,
        "set": SET,
        "state": "verified",
        "reason": "verified on day 2",
        "at": "2026-11-02T10:00:00Z",
        "by": "a test",
        "evidence": {"seeds": [0, 1]},
    }
    assert store.state(SET).history == (said,)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"format": 1}', '{"format": 2}', "x" * 2**19, "[" * 100_000, None],
)
def test_a_damaged_record_is_left_out_and_named(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    store.write_status(record("verified", 1))
    wrong = store.write_status(record("retracted", 2))
    file = tmp_path / "status" / wrong[:2] / f"{wrong}.json"
    file.write_text(file.read_text().replace("day 2", "day 3") if content is None else content)
    (tmp_path / "status" / ".DS_Store").write_bytes(b"\0")
    (file.parent / "notes.json").write_text("a stranger's")
    assert store.state(SET).state == "verified"
    message = capsys.readouterr().err
    assert message.startswith("E504 left out: ") and file.name in message and message.count("\n") == 1


def test_records_of_a_second_store_count_too(tmp_path: Path) -> None:
    reference = Store(tmp_path / "reference")
    reference.write_status(record("verified", 1))
    local = Store(tmp_path / "local", [reference.root])
    local.write_status(record("retracted", 2))
    assert local.state(SET).state == "retracted"
    assert reference.state(SET).state == "verified"


def test_every_state_names_what_to_do_next() -> None:
    for state in STATES:
        found = fold([record(state, 1, successor="b" * 64)], False)
        assert found is not None
        expected = {"verified": "", "retracted": "", "received": f"distillbench evaluate {'a' * 12}"}
        expected["superseded"] = f"distillbench status {'b' * 12}"
        assert next_command(found) == expected.get(state, f"distillbench status {'a' * 12}")
    scored = fold([record("received", 1)], True)
    assert scored is not None and next_command(scored) == "distillbench leaderboard"


# The command line


def test_status_shows_every_set_and_all_that_was_said_of_one(
    tmp_path: Path, make_set: SetMaker, command: Command
) -> None:
    store = Store(tmp_path)
    empty = command("status", "--store", tmp_path)
    assert (empty.code, empty.out) == (0, "") and "Next: distillbench demo" in empty.err
    first, second = (store.write_set(make_set(seed=seed)) for seed in range(2))
    store.write_status(Record(second, "needs-review", "near \x1b[31mcopies", now(), evidence={"pairs": 3}))
    table = command("status", "--store", tmp_path).out.splitlines()
    assert table[0].split() == ["set", "state", "age", "reason", "next"] and len(table) == 3
    (line,) = [line for line in table if line.startswith(first[:12])]
    assert "received" in line and line.endswith(f"distillbench evaluate {first[:12]}")
    one = command("status", second[:6], "--store", tmp_path)
    assert "needs-review" in one.out and "pairs: 3" in one.out and "\x1b" not in one.out
    (told,) = json.loads(command("status", second[:6], "--store", tmp_path, "--json").out)
    assert (told["state"], told["ranked"], told["evidence"]) == ("needs-review", False, {"pairs": 3})
    assert command("status", "0000", "--store", tmp_path).code == 3


def test_a_set_is_retracted_with_a_reason_and_comes_back_when_that_is_withdrawn(
    tmp_path: Path, make_set: SetMaker, command: Command, listing: Callable[[Path], dict[str, str]]
) -> None:
    store = Store(tmp_path)
    digest = store.write_set(make_set())
    before = listing(tmp_path)
    assert command("retract", digest[:8], "--store", tmp_path).code == 2, "without a reason"
    assert command("retract", digest[:8], "--reason", " ", "--store", tmp_path).code == 2
    assert command("retract", digest[:8], "--reason", "?", "--withdraw", "--store", tmp_path).code == 2
    assert listing(tmp_path) == before
    done = command("retract", digest[:8], "--reason", "labels swapped", "--by", "an author", "--store", tmp_path)
    assert done.code == 0 and "retracted" in done.out and "labels swapped" in done.out
    after = listing(tmp_path)
    assert {name: after[name] for name in before} == before, "nothing was deleted"
    again = command("retract", digest[:8], "--reason", "twice", "--store", tmp_path)
    assert again.code == 0 and "already retracted since" in again.err and listing(tmp_path) == after
    assert store.state(digest).by == "an author"
    assert command("retract", digest[:8], "--reason", "my mistake", "--withdraw", "--store", tmp_path).code == 0
    state = store.state(digest)
    assert state.state == "received" and len(state.history) == 2


def test_a_set_is_disputed_or_superseded_by_another(tmp_path: Path, make_set: SetMaker, command: Command) -> None:
    store = Store(tmp_path)
    old, new = (store.write_set(make_set(seed=seed)) for seed in range(2))
    options = ("--reason", "see there", "--store", tmp_path)
    assert command("retract", old, "--dispute", *options).code == 0
    assert store.state(old).state == "disputed" and store.state(old).is_ranked
    assert command("retract", old, "--superseded-by", old, *options).code == 2
    assert command("retract", old, "--superseded-by", "ffff", *options).code == 3
    assert command("retract", old, "--superseded-by", new, "--dispute", *options).code == 2
    assert command("retract", old, "--superseded-by", new[:8], *options).code == 0
    state = store.state(old)
    assert (state.state, state.successor, state.is_ranked) == ("superseded", new, False)
    assert f"distillbench status {new[:12]}" in command("status", old, "--store", tmp_path).out
