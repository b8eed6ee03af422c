"""Reading stores: several roots, damaged files, and rows as plain values."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.errors import InvalidInput
from benchmark.results import COLUMNS, frame
from leaderboard.sources import Row, read, rows_of
from tests.leaderboard.conftest import PLAIN, FakeStore, card_of, png

Make = Callable[[str], FakeStore]


def test_rows_hold_the_columns_of_the_result_table() -> None:
    assert Row._fields[: len(COLUMNS)] == tuple(COLUMNS)


def test_absent_numbers_are_none_and_absent_text_is_empty() -> None:
    [row] = rows_of(frame([{**PLAIN, "ipc": None, "distil_seed": None, "device": None}]))
    assert (row.ipc, row.distil_seed, row.device, row.seed) == (None, None, "", 0)
    assert type(row.seed) is int
    assert type(row.higher_is_better) is bool


def test_an_ok_row_without_a_value_is_an_error() -> None:
    [row] = rows_of(frame([{**PLAIN, "value": math.nan}]))
    assert (row.status, row.reason) == ("error", "the value is no finite number")


def test_condition_and_reason_are_told_apart_where_an_evaluator_varies_something() -> None:
    varied = {**PLAIN, "evaluator": "augmentation"}
    bad = {"value": None, "status": "failed"}
    rows = rows_of(
        frame(
            [
                {**varied, "condition": "dsa"},
                {**varied, **bad, "condition": "none; the loss is no number; twice"},
                {**PLAIN, **bad, "condition": "too small; needs 32"},
            ]
        )
    )
    found = {(row.evaluator, row.status): (row.condition, row.reason) for row in rows}
    assert found["augmentation", "ok"] == ("dsa", "")
    assert found["augmentation", "failed"] == ("none", "the loss is no number; twice")
    assert found["cross-architecture", "failed"] == ("", "too small; needs 32")


def test_the_first_root_wins_and_the_second_adds(fake_store: Make) -> None:
    first, second = fake_store("first"), fake_store("second")
    digest = first.add_set(card_of("dm", 1, 0))
    second.add_set(card_of("dm", 1, 0), png(2, 2, random.Random(0)))
    other = second.add_set(card_of("herding", 1, 0))
    first.add_row(set=digest, value=91.0)
    second.add_row(set=digest, value=12.0)
    second.add_row(set=other, method="herding", value=80.0)
    source = read([first.write(), second.write()])
    assert sorted(source.results["value"]) == [80.0, 91.0]
    assert set(source.cards) == {digest, other}
    assert set(source.previews) == {digest}


def test_one_numerics_of_several_is_taken_by_name(fake_store: Make) -> None:
    store = fake_store("store")
    store.add_row(numerics="cuda-fused", value=2.0)
    store.add_row(numerics="cpu-eager", value=1.0)
    assert list(read([store.write()]).results["value"]) == [1.0]


def test_the_order_of_rows_in_the_file_does_not_matter(fake_store: Make) -> None:
    one, two = fake_store("one"), fake_store("two")
    for seed in range(6):
        one.add_row(seed=seed, value=float(seed))
        two.add_row(seed=5 - seed, value=5.0 - seed)
    assert read([one.write()]).results.equals(read([two.write()]).results)


def test_no_results_anywhere_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="distillbench evaluate"):
        read([tmp_path])


def test_a_root_without_results_is_passed_over(tmp_path: Path, demo: Path) -> None:
    assert len(read([tmp_path, demo]).results) == len(read([demo]).results) > 0


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(InvalidInput, match="no result table"):
        read([tmp_path])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    frame([PLAIN]).drop(columns=["track", "seed"]).to_parquet(tmp_path / "results.parquet")
    with pytest.raises(InvalidInput, match="track, seed"):
        read([tmp_path])


def test_a_column_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    table = frame([PLAIN]).astype({"ipc": "string"})
    table["ipc"] = "ten"
    table.to_parquet(tmp_path / "results.parquet")
    with pytest.raises(InvalidInput, match="no result table"):
        read([tmp_path])


@pytest.mark.parametrize(
    "content", ["", "not json", "[1, 2]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", json.dumps({"a": "x" * 70_000})]
)
def test_an_unreadable_card_is_left_out(fake_store: Make, content: str) -> None:
    store = fake_store("store")
    digest = store.add_set({"method": "dm"}, content=content or "\n")
    store.add_row(set=digest)
    assert read([store.write()]).cards == {}


def test_card_fields_of_any_type_become_text(fake_store: Make) -> None:
    store = fake_store("store")
    digest = store.add_set({"method": ["a", 1], "title": None, "space": "pixel"})
    store.add_row(set=digest)
    card = read([store.write()]).cards[digest]
    assert (card.text("method"), card.text("title"), card.text("absent")) == ('["a", 1]', "", "")
    assert card.part("space") == {}


def _broken_pictures() -> dict[str, bytes]:
    fine = png(4, 4, random.Random(1))
    huge = fine[:16] + (70_000).to_bytes(4, "big") + fine[20:]
    return {"html": b"<html><script>", "cut": fine[:20], "huge": huge, "no width": fine[:16] + bytes(4) + fine[20:]}


@pytest.mark.parametrize("content", _broken_pictures().values(), ids=_broken_pictures())
def test_what_is_no_png_is_no_preview(fake_store: Make, content: bytes) -> None:
    store = fake_store("store")
    store.add_row(set=store.add_set(card_of("dm", 1, 0), content))
    assert read([store.write()]).previews == {}


def test_a_preview_tells_its_size(fake_store: Make) -> None:
    store = fake_store("store")
    digest = store.add_set(card_of("dm", 1, 0), png(12, 7, random.Random(1)))
    store.add_row(set=digest)
    preview = read([store.write()]).previews[digest]
    assert (preview.width, preview.height) == (12, 7)


def test_a_digest_that_is_none_never_becomes_a_path(fake_store: Make) -> None:
    store = fake_store("store")
    secret = store.root.parent / "secret"
    secret.mkdir()
    (secret / "card.json").write_text('{"title": "secret"}')
    store.add_row(set="../../secret")
    assert read([store.write()]).cards == {}


def test_links_are_not_followed(fake_store: Make) -> None:
    store = fake_store("store")
    digest = store.add_set(card_of("dm", 1, 0))
    card = store.root / "sets" / digest / "card.json"
    secret = store.root.parent / "secret.json"
    card.rename(secret)
    card.symlink_to(secret)
    store.add_row(set=digest)
    assert read([store.write()]).cards == {}
