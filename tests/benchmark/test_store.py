"""The store: what goes in comes back, the first of a name stays, and another store answers for what is not here."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import EnvironmentFault, InvalidInput
from benchmark.results import COLUMNS
from benchmark.store import MadeRecord, Store
from benchmark.store_gc import maintenance
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Outcome
from tests.benchmark.store_records import KEY, NAME, NUMERICS, PROBE, files, outcome, row

SetMaker = Callable[..., SyntheticSet]
Listing = Callable[[Path], dict[str, str]]


# Round trips


def test_opening_and_reading_a_store_that_is_not_there_writes_nothing(store: Store) -> None:
    assert store.set_digests() == []
    assert store.read_outcome(NAME) is None
    assert store.read_made(KEY) is None
    assert len(store.results()) == 0 and list(store.results()) == list(COLUMNS)
    assert list(store.made_records()) == []
    assert not store.root.exists()


def test_a_set_comes_back_as_it_went_in(store: Store, make_set: SetMaker) -> None:
    synthetic = make_set(title="A title", cost={"seconds": 1.5}, distil_seed=3)
    digest = store.write_set(synthetic, b"a picture")
    assert digest == synthetic.digest
    again = store.read_set(digest)
    assert again.card == synthetic.card == store.read_card(digest)
    assert all(np.array_equal(again.tensors[name], synthetic.tensors[name]) for name in synthetic.tensors)
    assert store.set_digests() == [digest]
    picture = store.preview(digest)
    assert picture is not None and picture.read_bytes() == b"a picture"
    assert json.loads((store.root / "FORMAT").read_text()) == {"format": 2}
    assert files(store, "tmp/*") == []


def test_a_set_that_is_there_stays_as_it_is(store: Store, make_set: SetMaker, listing: Listing) -> None:
    digest = store.write_set(make_set(title="first"))
    before = listing(store.root)
    assert store.write_set(make_set(title="second")) == digest
    assert listing(store.root) == before
    assert store.read_card(digest).title == "first"


def test_an_invalid_set_writes_nothing(store: Store, make_set: SetMaker) -> None:
    with pytest.raises(InvalidInput, match=r"E205 tensors.safetensors:labels: the card says 3 images per class"):
        store.write_set(make_set(ipc=3))
    assert not store.root.exists()


def test_a_preview_may_come_later_and_once(store: Store, make_set: SetMaker) -> None:
    digest = store.write_set(make_set())
    assert store.preview(digest) is None
    store.write_preview(digest, b"one")
    store.write_preview(digest, b"two")
    picture = store.preview(digest)
    assert picture is not None and picture.read_bytes() == b"one"
    store.write_preview("f" * 64, b"of no set")
    assert files(store, "sets/*") == [store.root / "sets" / digest]


def test_an_outcome_comes_back_with_its_arrays(store: Store) -> None:
    store.write_outcome(NAME, {"kind": "training"}, outcome(), {"seconds": 1.0})
    again = store.read_outcome(NAME)
    assert again is not None
    assert (again.seed, again.probe, again.status, again.reason) == (0, PROBE, "ok", "")
    assert (again.numerics, again.device) == (NUMERICS, "cpu")
    found = again.at_end()
    assert found["correct"] == [7, 1]
    assert found["logits"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["logits"].dtype == np.float16
    assert found["losses"].dtype == np.float32, "float64 is stored as float32"


def test_what_an_outcome_cost_stands_beside_it(store: Store) -> None:
    assert store.read_cost(NAME) == {}
    store.write_outcome(NAME, {"kind": "training"}, outcome(), {"seconds": 1.5})
    assert store.read_cost(NAME) == {"seconds": 1.5}


def test_an_outcome_without_arrays_is_one_file(store: Store) -> None:
    failed = Outcome(0, PROBE, "failed", {}, "the loss is nan", NUMERICS, "cpu")
    store.write_outcome(NAME, None, failed, {})
    assert store.read_outcome(NAME) == failed
    assert len(files(store, "outcomes/*/*")) == 1


def test_plain_numbers_of_numpy_are_stored_as_numbers(store: Store) -> None:
    value = {"end": {"n": np.int64(3), "share": np.float32(0.5), "list": [np.int64(1), np.zeros(2, "f4")]}}
    store.write_outcome(NAME, None, replace(outcome(), value=value), {})
    found = store.read_outcome(NAME)
    assert found is not None
    assert (found.at_end()["n"], found.at_end()["share"]) == (3, 0.5)
    assert found.at_end()["list"][1].tolist() == [0, 0]


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.array([True]), object()])
def test_a_value_that_cannot_be_stored_names_the_probe_and_writes_nothing(store: Store, value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"probe 'accuracy' returned what cannot be stored|has dtype bool"):
        store.write_outcome(NAME, None, replace(outcome(), value={"end": {"x": value}}), {})
    assert not store.root.exists()


def test_the_first_outcome_of_a_name_and_numerics_stays(store: Store) -> None:
    for value in (1, 2):
        store.write_outcome(NAME, None, outcome(value), {})
    found = store.read_outcome(NAME)
    assert found is not None and found.at_end()["correct"] == [1, 1]


def test_any_numerics_counts_and_a_reader_takes_the_first_by_name(store: Store) -> None:
    for value, numerics in ((1, "cuda-x"), (2, "cpu-x")):
        store.write_outcome(NAME, None, outcome(value, numerics), {})
    found = store.read_outcome(NAME)
    assert found is not None and found.numerics == "cpu-x"


def test_what_was_made_comes_back_as_long_as_its_set_is_there(store: Store, make_set: SetMaker) -> None:
    digest = store.write_set(make_set())
    record = MadeRecord({"kind": "made"}, digest, {"seconds": 2.0})
    store.write_made(KEY, record)
    assert store.read_made(KEY) == record
    assert list(store.made_records()) == [record]
    shutil.rmtree(store.root / "sets" / digest)
    assert store.read_made(KEY) is None

    again = store.write_set(make_set(seed=1))  # as another version of torch might make it
    store.write_made(KEY, MadeRecord({"kind": "made"}, again))
    assert store.read_made(KEY) == MadeRecord({"kind": "made"}, again, {})


def test_checkpoints_have_a_folder_until_they_are_cleared(store: Store) -> None:
    folder = store.work_folder(KEY)
    (folder / "checkpoint").write_bytes(b"x")
    assert store.work_folder(KEY) == folder
    store.clear_work(KEY)
    assert not folder.exists()
    store.clear_work(KEY)


# Names of sets


def test_a_set_is_named_by_the_beginning_of_its_digest(
    store: Store, make_set: SetMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [store.write_set(make_set(seed=seed)) for seed in range(2)]
    assert store.resolve_set(digests[0][:8]) == store.resolve_set(digests[0][:8].upper()) == digests[0]
    with pytest.raises(InvalidInput, match=r"'abc' is too short for a set. Give the first 4 digits"):
        store.resolve_set("abc")
    with pytest.raises(InvalidInput, match="no set begins with 'zzzz' in"):
        store.resolve_set("zzzz")
    monkeypatch.setattr(Store, "set_digests", lambda self: ["abcd1", "abcd2"])
    with pytest.raises(InvalidInput, match="2 sets begin with 'abcd'"):
        store.resolve_set("abcd")
    monkeypatch.chdir(store.root.parent)
    with pytest.raises(InvalidInput, match=r"'store' is not a set of the store yet. Run `distillbench submit store`"):
        store.resolve_set("store")


def test_a_missing_set_says_where_to_look(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"there is no set 000000000000… in .*`distillbench list set`"):
        store.read_set("0" * 64)


# Results


def test_results_are_collected_in_one_table_and_two_files(store: Store) -> None:
    store.write_results("aa", {"set": "x"}, [row(seed=1), row(seed=0)])
    store.write_results("bb", {"set": "y"}, [row(method="another", value=None, status="failed", condition="nan")])
    table = store.collect()
    assert table["method"].tolist() == ["another", "by-hand", "by-hand"]
    assert table["seed"].tolist() == [0, 0, 1]
    assert (store.root / "results.parquet").exists() and (store.root / "results.csv").exists()
    first = (store.root / "results.csv").read_bytes(), (store.root / "results.parquet").read_bytes()
    store.collect()
    assert ((store.root / "results.csv").read_bytes(), (store.root / "results.parquet").read_bytes()) == first


def test_collecting_removes_locks_that_nobody_holds_and_no_others(store: Store) -> None:
    store.write_results("aa", {}, [row()])
    with store.claim("held"), maintenance(store, "store gc"):
        (store.root / "locks" / "left.lock").touch()
        for file in (store.root / "locks").iterdir():
            os.utime(file, (0, 0))
        store.collect()
        assert [file.name for file in files(store, "locks/*")] == ["held.lock", "maintenance.json", "maintenance.lock"]
        with store.claim("held") as is_mine:
            assert not is_mine


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system knows no locks."""

    def flock(*given: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_where_there_are_no_locks_everybody_may_work_whatever_file_is_there(store: Store, without_locks: None) -> None:
    (store.root / "locks").mkdir(parents=True)
    (store.root / "locks" / "work.lock").write_text("1\nanother-host\n")
    with store.claim("work") as first, store.claim("work") as second:
        assert first and second
    assert files(store, "locks/*") == []


def test_where_there_are_no_locks_a_store_is_not_maintained(store: Store, without_locks: None) -> None:
    fault = pytest.raises(EnvironmentFault, match=r"cannot lock store .*maintain a copy of it elsewhere")
    with fault, maintenance(store, "store gc"):
        raise AssertionError("with nothing that keeps a second one out")


def test_results_of_one_request_are_replaced(store: Store) -> None:
    for value in (1.0, 2.0):
        store.write_results("aa", {}, [row(value=value)])
    assert store.results()["value"].tolist() == [2.0]


def test_a_measurement_that_two_requests_ask_for_is_one_row(store: Store) -> None:
    store.write_results("aa", {"options": "convnet"}, [row(seed=seed) for seed in range(5)])
    store.write_results("bb", {"options": "all"}, [row(seed=seed) for seed in range(5)] + [row(architecture="lenet")])
    assert len(store.results()) == 6


def test_of_one_measurement_the_one_that_worked_counts(store: Store) -> None:
    store.write_results("aa", {}, [row(value=None, status="error", numerics="")])
    store.write_results("bb", {}, [row(value=60.0, numerics="cuda"), row(value=61.0, numerics="cpu")])
    assert store.results()["value"].tolist() == [61.0]


# Several stores


def test_reads_fall_through_to_a_second_store_which_is_never_written(
    tmp_path: Path, make_set: SetMaker, listing: Listing
) -> None:
    reference = Store(tmp_path / "reference")
    digest = reference.write_set(make_set(), b"picture")
    reference.write_made(KEY, MadeRecord({"kind": "made"}, digest))
    reference.write_outcome(NAME, None, outcome(), {})
    reference.write_results("aa", {}, [row(method="reference")])
    before = listing(reference.root)

    local = Store(tmp_path / "local", [reference.root])
    assert local.roots == [tmp_path / "local", tmp_path / "reference"]
    assert local.set_digests() == [digest] and local.read_set(digest).digest == digest
    assert local.read_outcome(NAME) is not None and local.read_made(KEY) is not None
    assert local.write_set(make_set()) == digest
    local.write_preview(digest, b"another")
    local.write_made(KEY, MadeRecord({"kind": "made"}, digest))
    local.write_results("bb", {}, [row(method="local")])
    local.write_results("aa", {}, [row(method="reference", value=1.0)])
    table = local.collect()
    assert table["method"].tolist() == ["local", "reference"]
    assert table["value"].tolist() == [50.0, 1.0], "the nearer store wins"
    assert listing(reference.root) == before
    assert files(local, "sets/*") == files(local, "made/*/*") == []


def test_a_store_that_is_its_own_fallback_is_one_store(tmp_path: Path) -> None:
    assert Store(tmp_path, [tmp_path]).roots == [tmp_path]


def test_two_stores_merge_by_copying_their_files_together_in_either_order(
    tmp_path: Path, make_set: SetMaker, listing: Listing
) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    for number, store in enumerate((one, two)):
        digest = store.write_set(make_set(seed=number))
        store.write_set(make_set(seed=9))  # both have it
        store.write_made(f"{number}{KEY[1:]}", MadeRecord({"kind": "made"}, digest))
        store.write_outcome(NAME.replace("-0-", f"-{number}-"), None, outcome(), {})
        store.write_results(f"{number}{number}", {}, [row(seed=number)])
    tables: list[bytes] = []
    for order in ((one, two), (two, one)):
        merged = Store(tmp_path / f"merged-{len(tables)}")
        for store in order:
            shutil.copytree(store.root, merged.root, dirs_exist_ok=True)
        assert len(merged.set_digests()) == 3
        assert all(merged.read_set(digest).digest == digest for digest in merged.set_digests())
        assert len(list(merged.made_records())) == 2
        assert all(merged.read_outcome(NAME.replace("-0-", f"-{number}-")) for number in (0, 1))
        merged.collect()
        tables.append((merged.root / "results.csv").read_bytes())
        shutil.rmtree(merged.root / "index")  # it knows the files of this machine by their times
    assert tables[0] == tables[1]
    assert listing(tmp_path / "merged-0") == listing(tmp_path / "merged-1")
