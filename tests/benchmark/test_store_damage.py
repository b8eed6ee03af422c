"""What is damaged, incomplete or foreign in a store: it counts as absent, hides nothing else, and is replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.errors import EnvironmentFault, InvalidInput
from benchmark.store import MadeRecord, Store
from benchmark.synthetic_set import SyntheticSet
from tests.benchmark.store_records import KEY, NAME, files, outcome, row

SetMaker = Callable[..., SyntheticSet]


def damages() -> list[tuple[str, Callable[[Path], object]]]:
    def flip(file: Path) -> None:
        """Change one value, in a file that stays well-formed."""
        content = file.read_bytes()
        changed = content.replace(b"[7, 1]", b"[6, 1]").replace(b"xxx", b"xxy")
        file.write_bytes(changed if changed != content else content[:-1] + bytes([content[-1] ^ 1]))

    return [
        ("emptied", lambda file: file.write_bytes(b"")),
        ("truncated", lambda file: file.write_bytes(file.read_bytes()[:-3])),
        ("flipped", flip),
        ("foreign", lambda file: file.write_text("[]")),
        ("null", lambda file: file.write_text("null")),
        ("deep", lambda file: file.write_text("[" * 100_000)),
        ("binary", lambda file: file.write_bytes(b"\xff\xfe")),
    ]


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize(("how", "damage"), damages(), ids=[how for how, _ in damages()])
def test_a_damaged_outcome_counts_as_absent_and_is_replaced_when_it_comes_again(
    store: Store, suffix: str, how: str, damage: Callable[[Path], object]
) -> None:
    store.write_outcome(NAME, None, outcome(), {})
    (file,) = files(store, f"outcomes/*/*.{suffix}")
    damage(file)
    assert store.read_outcome(NAME) is None
    store.write_outcome(NAME, None, outcome(), {})
    found = store.read_outcome(NAME)
    assert found is not None and found.at_end()["correct"] == [7, 1]


def test_an_outcome_without_its_arrays_counts_as_absent(store: Store) -> None:
    store.write_outcome(NAME, None, outcome(), {})
    files(store, "outcomes/*/*.safetensors")[0].unlink()
    assert store.read_outcome(NAME) is None


def test_an_outcome_under_another_name_is_not_taken_for_this_one(store: Store) -> None:
    store.write_outcome(NAME, None, outcome(), {})
    other = NAME.replace("-0-", "-1-")
    for file in files(store, "outcomes/*/*"):
        shutil.copy(file, file.with_name(file.name.replace(NAME, other)))
    assert store.read_outcome(other) is None


@pytest.mark.parametrize("damage", [damage for how, damage in damages()])
def test_a_damaged_record_of_what_was_made_counts_as_absent_and_is_replaced(
    store: Store, make_set: SetMaker, damage: Callable[[Path], object]
) -> None:
    record = MadeRecord({"kind": "made"}, store.write_set(make_set()), {"seconds": 1.0})
    store.write_made(KEY, record)
    damage(files(store, "made/*/*.json")[0])
    assert store.read_made(KEY) is None
    assert list(store.made_records()) == []
    store.write_made(KEY, record)
    assert store.read_made(KEY) == record


@pytest.mark.parametrize("name", ["tensors.safetensors", "card.json"])
@pytest.mark.parametrize(("how", "damage"), damages(), ids=[how for how, _ in damages()])
def test_a_damaged_set_is_found_when_it_is_read(
    store: Store, make_set: SetMaker, name: str, how: str, damage: Callable[[Path], object]
) -> None:
    digest = store.write_set(make_set(title="x" * 60))  # the last text of the file, by its name
    damage(store.root / "sets" / digest / name)
    with pytest.raises(InvalidInput, match=digest[:12]):
        store.read_set(digest)


def test_a_folder_without_a_card_is_no_set_and_is_never_acknowledged(store: Store, make_set: SetMaker) -> None:
    synthetic = make_set()
    place = store.root / "sets" / synthetic.digest
    place.mkdir(parents=True)
    (place / "tensors.safetensors").write_bytes(b"half of a copy")
    assert store.set_digests() == []
    with pytest.raises(EnvironmentFault, match=r"holds no whole set. Fix: delete it, and try again"):
        store.write_set(synthetic)
    shutil.rmtree(place)
    assert store.write_set(synthetic) == synthetic.digest


def test_foreign_files_are_passed_over(store: Store, make_set: SetMaker) -> None:
    digest = store.write_set(make_set())
    store.write_outcome(NAME, None, outcome(), {})
    store.write_results("aa", {}, [row()])
    for place in ("", "sets", f"sets/{digest}", "outcomes", "outcomes/ab", "results/aa", "tmp"):
        for name in (".DS_Store", ".nfs0000", "notes.txt", "card.json~"):
            (store.root / place).mkdir(exist_ok=True)
            (store.root / place / name).write_bytes(b"\x00")
    (store.root / "sets" / "not-a-digest").mkdir()
    (store.root / "sets" / "not-a-digest" / "card.json").write_text("{}")
    assert store.set_digests() == [digest]
    assert store.read_set(digest).digest == digest
    assert store.read_outcome(NAME) is not None
    assert len(store.results()) == 1


def test_a_damaged_outcome_falls_through_to_the_second_store(tmp_path: Path) -> None:
    reference, local = Store(tmp_path / "reference"), Store(tmp_path / "local", [tmp_path / "reference"])
    for one in (reference, local):
        one.write_outcome(NAME, None, outcome(), {})
    files(local, "outcomes/*/*.json")[0].write_text("damaged")
    assert local.read_outcome(NAME) is not None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"rows": 3}',
        '{"rows": [3]}',
        '{"rows": [{"dataset": "digits"}]}',
        json.dumps({"rows": [row(value="high")]}),
        json.dumps({"rows": [row(seed="0")]}),
        json.dumps({"rows": [{**row(), "more": 1}]}),
    ],
)
def test_damaged_results_are_left_out_and_named(store: Store, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_results("aa", {}, [row()])
    (store.root / "results" / "aa" / "broken.json").write_text(content, encoding="utf-8")
    assert len(store.results()) == 1
    message = capsys.readouterr().err
    assert message.startswith("E504 left out: ") and "broken.json holds no result rows" in message
    assert message.count("\n") == 1
