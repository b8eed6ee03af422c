"""`store fsck`: whatever is changed in a store is named, the rest is served, and a peer restores it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.store import Store
from benchmark.store_check import Check, check, forget, repair
from benchmark.store_objects import read_contents
from tests.stores import KINDS, is_there, outcome_name, synthetic, write_all

Listing = Callable[[Path], dict[str, str]]
Command = Callable[..., Any]
FORMAT_1 = Path(__file__).parent / "stores" / "format-1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with everything of two sets, never changed."""
    return write_all(tmp_path_factory.mktemp("whole") / "store", 1, 2).root


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Store:
    """A copy that may be changed."""
    shutil.copytree(whole, tmp_path / "store", copy_function=shutil.copyfile)
    return Store(tmp_path / "store")


def told(found: Check) -> dict[str, str]:
    return {finding.path: finding.kind for finding in found.findings}


def is_named(path: str, found: Check) -> bool:
    """Whether a finding is of this file, or of the object that it belongs to."""
    unit = path.rpartition("/" if path.startswith("sets/") and not path.endswith(".png") else ".")[0]
    return any(name.startswith(unit) for name in told(found))


def objects_of(root: Path) -> list[str]:
    return sorted(path for thing in read_contents(root).objects.values() for path in thing.files)


def test_a_store_as_it_is_written_is_clean_and_is_not_changed(store: Store, listing: Listing) -> None:
    before = listing(store.root)
    found = check(store)
    assert found.is_clean and found.findings == [] and found.n_objects == 16  # 8 of each set: 5 records, 3 pictures
    after = listing(store.root)
    assert set(after) - set(before) == {"index/objects.json"}
    assert {name: after[name] for name in before} == before


def test_a_store_that_is_not_there_is_clean_and_stays_away(tmp_path: Path) -> None:
    assert check(Store(tmp_path / "none")).is_clean
    assert not (tmp_path / "none").exists()


def flip(file: Path, share: float) -> bytes:
    """Flip a bit of a file; returns what it held."""
    content = file.read_bytes()
    at = min(int(share * len(content)), len(content) - 1)
    file.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    return content


def test_a_flipped_bit_in_any_file_is_named_and_the_rest_is_served(store: Store) -> None:
    for table in ("results.parquet", "results.csv"):
        content = flip(store.root / table, 0.5)
        assert told(check(store)) == {table: "stale"}
        (store.root / table).write_bytes(content)
    for table in ("results.parquet", "results.csv"):
        (store.root / table).unlink()
    for number, path in enumerate(objects_of(store.root)):
        content = flip(store.root / path, (0.1, 0.4, 0.7, 1)[number % 4])
        assert is_named(path, check(store)), path
        served = sum(is_there(store, kind, number) for kind in KINDS for number in (1, 2))
        assert served >= 9 if path.endswith((".json", ".safetensors")) else served == 10
        (store.root / path).write_bytes(content)
    assert check(store).is_clean


def test_a_file_that_is_cut_emptied_or_gone_is_named(store: Store) -> None:
    check(store)  # leaves the list of what is there
    for table in ("results.parquet", "results.csv"):
        (store.root / table).unlink()
    for path in objects_of(store.root):
        file = store.root / path
        content = file.read_bytes()
        damages: list[Callable[[], object]] = [
            lambda file=file, content=content: file.write_bytes(content[:-2]),  # type: ignore[misc]
            lambda file=file: file.write_bytes(b""),  # type: ignore[misc]
            file.unlink,
        ]
        for damage in damages:
            damage()
            found = check(store)
            assert is_named(path, found), path
            assert not found.is_clean or (path.startswith("outcomes") and path.endswith(".json")), path
        file.write_bytes(content)
    assert check(store).is_clean


def test_an_outcome_that_is_gone_is_missed_though_its_arrays_are_there(store: Store) -> None:
    check(store)
    (file,) = store.root.glob(f"outcomes/*/{outcome_name(1)}*.json")
    file.unlink()
    assert list(told(check(store)).values()) == ["stale"]
    file.with_suffix(".safetensors").unlink()
    assert set(told(check(store)).values()) == {"incomplete"}
    forget(store)
    assert check(store).is_clean


FOREIGN = [".DS_Store", ".nfs00000001", "card.json~", "#notes.txt#", "Thumbs.db", "results (1).parquet", "ünïcode"]


def test_foreign_files_are_told_and_left_and_harm_no_reader(store: Store, listing: Listing) -> None:
    folders = ["", "sets", f"sets/{synthetic(1).digest}", "outcomes", "made", "results/01", "status", "scans"]
    for folder in folders:
        for name in FOREIGN:
            (store.root / folder / name).write_bytes(b"\x00\xff")
    (store.root / "sets" / "no-digest").mkdir()
    (store.root / "scans" / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(store.root / "status" / "pipe.json")
    before = listing_of_files(store.root)
    found = check(store)
    assert found.is_clean and set(told(found).values()) == {"foreign"}
    assert len(found.findings) == len(folders) * len(FOREIGN) + 2
    assert listing_of_files(store.root) - {"index/objects.json"} == before
    assert all(is_there(store, kind, 1) for kind in KINDS) and len(store.states()) == 2 and len(store.results()) == 4


def listing_of_files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def test_files_of_writers_at_work_are_not_findings(store: Store) -> None:
    for folder in ("tmp", "locks", "work/abc", "trash/x", "quarantine/sets"):
        (store.root / folder).mkdir(parents=True, exist_ok=True)
        (store.root / folder / "something").write_bytes(b"half")
    assert check(store).findings == []


def test_records_of_a_set_that_is_nowhere_are_incomplete(store: Store) -> None:
    shutil.rmtree(store.root / "sets" / synthetic(1).digest)
    found = told(check(store))
    assert sorted(kind for kind in found.values()) == ["incomplete"] * 2  # what was made, and its results
    assert {path.partition("/")[0] for path in found} == {"made", "results"}, "what was refused has records and scans"


# From a peer


def test_a_peer_restores_what_is_damaged_or_gone_and_what_was_there_goes_to_quarantine(
    store: Store, whole: Path, listing: Listing
) -> None:
    check(store)
    before = {path: (store.root / path).read_bytes() for path in objects_of(store.root)}
    paths = objects_of(store.root)
    for number, path in enumerate(paths):
        if number % 3 == 0:
            (store.root / path).unlink()
        else:
            (store.root / path).write_bytes(before[path][:-2] + b"##")
    shutil.rmtree(store.root / "sets" / synthetic(2).digest)
    found = repair(store, check(store), Store(whole))
    assert found.findings == [] and len(found.repaired) == 16
    assert {path: (store.root / path).read_bytes() for path in objects_of(store.root)} == before
    assert check(store).is_clean
    kept = [file for file in (store.root / "quarantine").rglob("*") if file.is_file()]
    assert kept and all(file.read_bytes().endswith(b"##") for file in kept)


def test_a_peer_that_is_damaged_itself_restores_nothing(store: Store, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "peer")
    for root in (store.root, tmp_path / "peer"):
        (root / "sets" / synthetic(1).digest / "card.json").write_text("{}")
    found = repair(store, check(store), Store(tmp_path / "peer"))
    assert [finding.thing and finding.thing.kind for finding in found.findings] == ["set"] and not found.repaired
    assert (store.root / "sets" / synthetic(1).digest / "card.json").read_text() == "{}"


# An older format


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(FORMAT_1, tmp_path / "older")
    yield tmp_path / "older"


def test_a_store_of_format_1_is_read_whole_and_becomes_of_ours_when_it_is_written(
    older: Path, listing: Listing
) -> None:
    before, store = listing(older), Store(older)
    (digest,) = store.set_digests()
    assert store.read_set(digest).card.title == "Of format 1"
    assert len(store.results()) == 1 and len(list(store.made_records())) == 1
    (state,) = store.states().values()
    assert state.state == "scored"
    assert listing(older) == before
    assert check(store).findings == []
    write_all(older, 3)
    assert json.loads((older / "FORMAT").read_text()) == {"format": 2}
    after = listing(older)
    assert {name: after[name] for name in before if name != "FORMAT"} == {
        name: content for name, content in before.items() if name != "FORMAT"
    }
    assert check(Store(older)).findings == [] and len(Store(older).set_digests()) == 2


def test_damage_in_a_store_of_format_1_is_found_where_something_tells(older: Path) -> None:
    for file in older.glob("outcomes/*/*"):
        file.write_bytes(file.read_bytes().replace(b"[7, 1]", b"[6, 1]"))
    assert list(told(check(Store(older))).values()) == ["damaged"]


# The command line


def test_fsck_exits_with_3_where_something_is_lost_and_says_what_to_do(
    store: Store, whole: Path, command: Command
) -> None:
    options = ("--store", store.root)
    clean = command("store", "fsck", *options)
    assert (clean.code, clean.out) == (0, "") and "16 objects" in clean.err and "nothing wrong" in clean.err
    (store.root / ".DS_Store").write_bytes(b"x")
    card = store.root / "sets" / synthetic(1).digest / "card.json"
    card.write_text(card.read_text().replace("by-hand", "by-hend"))
    found = command("store", "fsck", *options)
    assert found.code == 3
    damaged, foreign = found.out.splitlines()
    assert damaged.startswith(f"damaged: sets/{synthetic(1).digest}/card.json: ") and "Fix: restore it with" in damaged
    assert foreign.startswith("foreign: .DS_Store: not a name of this store. Fix: delete or move it")
    listed = json.loads(command("store", "fsck", *options, "--json").out)
    assert (listed["clean"], [one["kind"] for one in listed["findings"]]) == (False, ["damaged", "foreign"])
    restored = command("store", "fsck", "--repair-from", whole, *options)
    assert restored.code == 0 and restored.out.startswith("restored: sets/")
    assert command("store", "fsck", "--strict", *options).code == 3
    assert command("store", "fsck", *options).code == 0


def test_an_unreadable_format_is_refused_with_a_sentence(store: Store, command: Command) -> None:
    (store.root / "FORMAT").write_text('{"format": 0}')
    answer = command("store", "fsck", "--store", store.root)
    assert answer.code == 3 and "is damaged: format 0. Fix: write" in answer.err
    (store.root / "FORMAT").write_text('{"format": 3}')
    answer = command("store", "fsck", "--store", store.root)
    assert answer.code == 5 and "has format 3, this version knows 2. Fix: update" in answer.err
