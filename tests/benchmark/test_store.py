"""The store: what is acknowledged is kept, what is damaged counts as absent, and two stores merge by copying."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import EnvironmentFault, InvalidInput, UsageError
from benchmark.results import COLUMNS
from benchmark.store import MadeRecord, Store
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Outcome, Probe, Real

SetMaker = Callable[..., SyntheticSet]
Listing = Callable[[Path], dict[str, str]]
KEY = "ab" + "0" * 62
NAME = f"{KEY}-0-accuracy-0123456789abcdef"
PROBE = Probe("accuracy", Real("digits", "test"), (("level", 1),))
NUMERICS = "cpu-eager-float32-torch2.15-threads1"


def outcome(value: int = 7, numerics: str = NUMERICS, **changes: Any) -> Outcome:
    arrays = {"logits": np.arange(6, dtype=np.float16).reshape(2, 3), "losses": np.array([0.5])}
    content = {"end": {"correct": [value, 1], **arrays}}
    return replace(Outcome(0, PROBE, "ok", content, "", numerics, "cpu"), **changes)


def row(**changes: Any) -> dict[str, Any]:
    """A result row of one seed."""
    known: dict[str, Any] = {
        "dataset": "digits",
        "ipc": 1,
        "bytes": 650,
        "track": "hard",
        "method": "by-hand",
        "set": "a" * 64,
        "evaluator": "cross-architecture",
        "version": 1,
        "recipe": "standard-v1-lite",
        "architecture": "mlp",
        "condition": "",
        "metric": "accuracy",
        "unit": "percent",
        "higher_is_better": True,
        "seed": 0,
        "distil_seed": None,
        "value": 50.0,
        "status": "ok",
        "numerics": NUMERICS,
        "device": "cpu",
    }
    assert list(known) == list(COLUMNS)
    return {**known, **changes}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(store: Store, pattern: str) -> list[Path]:
    return sorted(store.root.glob(pattern))


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


# Damage


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


def test_a_damaged_outcome_falls_through_to_the_second_store(tmp_path: Path) -> None:
    reference, local = Store(tmp_path / "reference"), Store(tmp_path / "local", [tmp_path / "reference"])
    for one in (reference, local):
        one.write_outcome(NAME, None, outcome(), {})
    files(local, "outcomes/*/*.json")[0].write_text("damaged")
    assert local.read_outcome(NAME) is not None


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


# Formats and places


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, listing: Listing) -> None:
    (tmp_path / "FORMAT").write_text('{"format": 3}')
    before = listing(tmp_path)
    for root, fallbacks in ((tmp_path, []), (tmp_path / "local", [tmp_path])):
        with pytest.raises(EnvironmentFault, match=r"has format 3, this version knows 2. Fix: update"):
            Store(root, fallbacks)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("content", ["", "1", "{}", '{"format": "x"}', '{"format": null}', "\xff"])
def test_a_damaged_format_says_what_to_write(tmp_path: Path, content: str) -> None:
    (tmp_path / "FORMAT").write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r'FORMAT is damaged .* Fix: write \{"format": 2\} into it'):
        Store(tmp_path)


def test_a_store_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file is not a folder"):
        Store(tmp_path / "file")


def test_a_path_that_cannot_be_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"cannot read store .*too long"):
        Store(tmp_path / ("x" * 300))


def test_unusual_paths_work(tmp_path: Path, make_set: SetMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for place in ("relative", "~/store", "with spaces/and ünïcode", "[brackets]*?"):
        store = Store(place)
        digest = store.write_set(make_set())
        assert store.set_digests() == [digest] and store.read_set(digest).digest == digest
    assert (tmp_path / "home" / "store" / "FORMAT").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"relative", "home", "with spaces", "[brackets]*?"}


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


# Faults of the disk


def everything(store: Store, synthetic: SyntheticSet) -> None:
    """Write one of each kind of record."""
    digest = store.write_set(synthetic, b"picture")
    store.write_made(KEY, MadeRecord({"kind": "made"}, digest))
    store.write_outcome(NAME, None, outcome(), {})
    store.write_results("aa", {}, [row()])


@pytest.mark.parametrize("operation", ["fsync", "write", "rename", "replace", "mkdir"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_store_valid(
    tmp_path: Path, make_set: SetMaker, listing: Listing, operation: str, error: int
) -> None:
    store = Store(tmp_path / "store")
    everything(store, make_set())
    before = listing(store.root)

    def fails(*arguments: Any, **named: Any) -> Any:
        raise OSError(error, os.strerror(error))

    another = NAME.replace("-0-", "-1-")
    writes: list[Callable[[], object]] = [
        lambda: store.write_set(make_set(seed=1), b"picture"),
        lambda: store.write_made("cd" + KEY[2:], MadeRecord({"kind": "made"}, make_set().digest)),
        lambda: store.write_outcome("cd" + another[2:], None, outcome(), {}),
        lambda: store.write_results("cc", {}, [row(seed=1)]),
        lambda: store.work_folder("cd"),
        lambda: store.collect(),
    ]
    failed = 0
    for write in writes:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(os, operation, fails)
            try:
                write()
            except EnvironmentFault as fault:
                assert os.strerror(error) in str(fault)
                failed += 1
    assert failed
    assert files(store, "tmp/*") == []
    after = listing(store.root)
    assert {name: after[name] for name in before} == before, "what was there has changed"
    opened = Store(store.root)
    assert all(opened.read_set(digest).digest == digest for digest in opened.set_digests())
    assert opened.read_outcome(NAME) is not None and len(opened.results()) >= 1
    for write in writes:
        write()
    assert len(opened.set_digests()) == 2 and len(opened.results()) == 2
    assert opened.read_outcome("cd" + another[2:]) is not None


def test_a_store_that_may_not_be_written_is_an_environment_fault(tmp_path: Path, make_set: SetMaker) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "tmp").write_text("a file where the staging folder should be")
    with pytest.raises(EnvironmentFault, match=r"cannot write .*check the folder and its permissions, and try again"):
        Store(tmp_path / "store").write_set(make_set())


# Kills and races stand in test_store_crashes.py


def test_sigterm_in_the_middle_of_a_write_leaves_no_half(tmp_path: Path, make_set: SetMaker) -> None:
    store = Store(tmp_path / "store")

    def stopped(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stopped)

    def rename(*names: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(os, "rename", rename)
            store.write_set(make_set())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert store.set_digests() == [] and files(store, "tmp/*") == []
