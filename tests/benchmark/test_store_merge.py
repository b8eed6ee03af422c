"""`store merge`, `gc` and `export`: nothing is lost, the order does not matter, and one process at a time maintains."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.errors import EnvironmentFault, UsageError
from benchmark.results import COLUMNS
from benchmark.states import Record
from benchmark.store import MadeRecord, Store
from benchmark.store_check import check
from benchmark.store_gc import collect_garbage, maintenance
from benchmark.store_merge import merge
from benchmark.values import Outcome
from tests.stores import KINDS, NUMERICS, PROBE, is_there, key, outcome_name, row, synthetic, write_all, write_one

ROOT = Path(__file__).parents[2]
Listing = Callable[[Path], dict[str, str]]
Command = Callable[..., Any]


def different(root: Path, number: int) -> Store:
    """A store that has everything of set 1 and of `number`; set 1's in words, costs and values of its own."""
    store = write_all(root, number)
    same = synthetic(1, title=f"As store {number} has it", cost={"seconds": number})
    store.write_set(same)
    store.write_made(key(1), MadeRecord({"kind": "made"}, same.digest, {"seconds": number}))
    outcome = Outcome(0, PROBE, "ok", {"end": {"n": 1, "logits": synthetic(number).tensors["images"]}}, "", NUMERICS)
    store.write_outcome(outcome_name(1), {"kind": "training"}, outcome, {"seconds": number})
    store.write_results(key(1), {"set": same.digest}, [row(same.digest, seed) for seed in range(number)])
    store.write_status(Record(same.digest, "disputed", f"store {number}", "2026-11-22T10:00:00Z"))
    store.collect()
    return store


def merged(place: Path, *stores: Store) -> Store:
    store = Store(place)
    for other in stores:
        merge(store, other)
    return store


def test_stores_merged_in_any_order_give_the_same_bytes(tmp_path: Path, listing: Listing) -> None:
    stores = [different(tmp_path / str(number), number) for number in (2, 3, 4)]
    before = [listing(store.root) for store in stores]
    listings = []
    for number, order in enumerate(([0, 1, 2], [2, 1, 0])):
        store = merged(tmp_path / f"merged-{number}", *(stores[one] for one in order))
        assert check(store).findings == []
        shutil.rmtree(store.root / "index")  # it knows the files of this machine by their times
        listings.append(listing(store.root))
    assert listings[0] == listings[1]
    assert {"results.parquet", "results.csv"} <= set(listings[0])
    assert [listing(store.root) for store in stores] == before, "what is merged is only read"


def test_what_differs_under_one_name_is_told_and_both_are_kept(tmp_path: Path) -> None:
    one, two = different(tmp_path / "1", 2), different(tmp_path / "2", 3)
    everything = {
        file.read_bytes() for store in (one, two) for file in store.root.glob("[smor]*/**/*") if file.is_file()
    }
    store = merged(tmp_path / "merged", one)
    done = merge(store, two)
    paths = [path for path, _ in done.conflicts]
    assert [path.partition("/")[0] for path in paths] == ["sets", "made", "outcomes", "results"]
    assert all((store.root / kept).is_file() for _, kept in done.conflicts)
    assert everything <= {file.read_bytes() for file in store.root.rglob("*") if file.is_file()}
    rows = store.results()
    assert len(rows[rows["set"] == synthetic(1).digest]) == 3, "the results with more values stand in the table"
    assert {said.reason for said in store.state(synthetic(1).digest).history} == {"store 2", "store 3"}
    again = merge(store, two)
    assert again.copied.total() == 0 and again.conflicts == [], "what is settled is not told again"
    assert merge(store, one).copied.total() == 0


def test_everything_arrives_and_a_second_time_nothing_happens(tmp_path: Path, listing: Listing) -> None:
    other, store = write_all(tmp_path / "other", 1, 2), write_all(tmp_path / "store", 2, 3)
    done = merge(store, other)
    assert (done.copied.total(), done.n_same, done.conflicts, done.refused) == (8, 8, [], [])
    assert all(is_there(store, kind, number) for kind in KINDS for number in (1, 2, 3))
    before = listing(store.root)
    assert merge(store, other).n_same == 16
    assert listing(store.root) == before


def test_damage_does_not_travel_and_damage_here_is_mended(tmp_path: Path) -> None:
    other, store = write_all(tmp_path / "other", 1, 2), write_all(tmp_path / "store", 2)
    ours = store.root / "sets" / synthetic(2).digest / "tensors.safetensors"
    theirs = other.root / "sets" / synthetic(1).digest / "tensors.safetensors"
    for file in (ours, theirs):
        file.write_bytes(file.read_bytes()[:-1])
    (other.root / "made" / ".DS_Store").write_bytes(b"x")
    done = merge(store, other)
    assert [finding.path for finding in done.refused] == [f"sets/{synthetic(1).digest}/card.json"]
    assert not (store.root / "sets" / synthetic(1).digest).exists()
    assert done.mended == {"set": 1} and is_there(store, "set", 2) and not is_there(store, "set", 1)
    assert is_there(store, "outcome", 1) and not list(store.root.rglob(".DS_Store"))
    assert any((store.root / "quarantine" / "sets").rglob("tensors*"))


def test_a_merge_that_fails_half_way_goes_on_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, real = write_all(tmp_path / "other", 1, 2), os.replace
    for n in (1, 4, 6):
        store, left = Store(tmp_path / str(n)), [n]

        def replace(*names: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(28, "No space left on device")
            real(*names)

        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(EnvironmentFault, match="No space left"):
            merge(store, other)
        assert check(store).is_clean or [
            found.what for found in check(store).findings if "which is not here" in found.what
        ]
        merge(store, other)
        assert check(store).findings == [] and len(store.set_digests()) == 2


def test_a_store_is_not_merged_with_itself_nor_with_none(tmp_path: Path) -> None:
    store = write_all(tmp_path / "store", 1)
    for other in (store.root, tmp_path, store.root / "sets"):
        with pytest.raises(UsageError, match="is this store, or within it"):
            merge(store, Store(other))
    with pytest.raises(UsageError, match="there is no store"):
        merge(store, Store(tmp_path / "none"))


# Clearing


def test_what_is_useless_and_a_day_old_goes_to_the_trash_and_after_a_week_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write_all(tmp_path, 1)
    (arrays,) = tmp_path.glob("outcomes/*/*.safetensors")
    orphan = arrays.with_name(arrays.name.replace(outcome_name(1), outcome_name(257)))
    shutil.copy(arrays, orphan)
    (tmp_path / "tmp" / "host-1-abc").mkdir()
    (tmp_path / "tmp" / "host-1-abc" / "card.json").write_text("half")
    (store.work_folder(key(1)) / "checkpoint").write_bytes(b"x")
    (store.work_folder(key(2)) / "checkpoint").write_bytes(b"of what is not made yet")
    assert collect_garbage(store).to_trash == [], "all of it is young"
    expected = sorted(["tmp/host-1-abc", orphan.relative_to(tmp_path).as_posix(), f"work/{key(1)}"])
    day = time.time() + 90_000
    monkeypatch.setattr(time, "time", lambda: day)
    assert sorted(collect_garbage(store, dry_run=True).to_trash) == expected and orphan.exists()
    done = collect_garbage(store)
    assert sorted(done.to_trash) == expected and done.n_bytes > 0 and not orphan.exists()
    (trash,) = tmp_path.glob("trash/*")
    assert all((trash / path).exists() for path in expected), "it can be moved back"
    (tmp_path / "trash" / "mine").mkdir()
    monkeypatch.setattr(time, "time", lambda: day + 6 * 86_400)
    assert collect_garbage(store).deleted == []
    monkeypatch.setattr(time, "time", lambda: day + 8 * 86_400)
    assert collect_garbage(store).deleted == [f"trash/{trash.name}"] and not trash.exists()
    assert (tmp_path / "trash" / "mine").exists()
    assert all(is_there(store, kind, 1) for kind in KINDS) and check(store).findings == []


HOLDER = """
import sys, time
from benchmark.store import Store
from benchmark.store_gc import maintenance
with maintenance(Store(sys.argv[1]), "store gc"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_stopped_holder_is_named_and_a_killed_one_holds_nothing(tmp_path: Path, command: Command) -> None:
    store = write_all(tmp_path, 1)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        for arguments in (["gc"], ["merge", tmp_path / "other"]):
            answer = command("store", *arguments, "--wait", "0.1", "--store", tmp_path)
            assert answer.code == 5, answer.err
            assert (
                answer.err.startswith("E503 ")
                and f"is being maintained by process {holder.pid} on " in answer.err
                and "Fix: wait" in answer.err
            )
        write_one(store, "made", 5)  # writers and readers need no lock
        assert len(store.results()) == 2
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
    assert command("store", "gc", "--wait", "0.1", "--store", tmp_path).code == 0


def test_a_holder_without_a_name_is_waited_for_all_the_same(tmp_path: Path) -> None:
    store = write_all(tmp_path, 1)
    with maintenance(store, "store gc"):
        (tmp_path / "locks" / "maintenance.json").write_text("{")
        with (
            pytest.raises(EnvironmentFault, match="a process that has not said its name"),
            maintenance(store, "x", 0.0),
        ):
            raise AssertionError("two at once")
    with maintenance(store, "store gc"):
        pass


# Handing out


@pytest.fixture
def scored(tmp_path: Path) -> Store:
    store = write_all(tmp_path / "store", 1)
    failed = row("c" * 64, 0, method="=1+1", ipc=None, value=None, status="failed")
    store.write_results("ff", {}, [failed])
    return store


def test_rows_are_exported_in_three_formats_that_agree(scored: Store, tmp_path: Path, command: Command) -> None:
    for name in ("rows.parquet", "rows.csv", "rows.json"):
        answer = command("store", "export", tmp_path / name, "--store", scored.root)
        assert answer.code == 0 and f"3 rows in {tmp_path / name}" in answer.err
    table = pd.read_parquet(tmp_path / "rows.parquet").astype(COLUMNS)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [list(one) for one in rows] == [list(COLUMNS)] * 3
    assert rows[0] == {**row("c" * 64, 0, method="=1+1", ipc=None, value=None, status="failed")}
    assert pd.DataFrame(rows).astype(COLUMNS).equals(table)
    assert "'=1+1" in (tmp_path / "rows.csv").read_text()
    assert not [
        file for file in tmp_path.iterdir() if file.name not in ("store", "rows.parquet", "rows.csv", "rows.json")
    ]


def test_an_export_names_a_format_and_a_folder_that_is_there(scored: Store, tmp_path: Path, command: Command) -> None:
    answer = command("store", "export", tmp_path / "rows.xlsx", "--store", scored.root)
    assert answer.code == 2 and "Name a file that ends with .parquet, .csv, .json" in answer.err
    assert command("store", "export", tmp_path / "none" / "rows.csv", "--store", scored.root).code == 2


def test_merge_and_gc_say_what_they_did(tmp_path: Path, command: Command) -> None:
    one, two = different(tmp_path / "1", 2), different(tmp_path / "2", 3)
    options = ("--store", one.root)
    answer = command("store", "merge", two.root, *options)
    assert answer.code == 0 and answer.out.count("conflict: both stores have ") == 4 and "copied 1 made" in answer.err
    (two.root / "sets" / synthetic(3).digest / "card.json").write_text("[]")
    answer = command("store", "merge", two.root, *options, "--json")
    assert answer.code == 3 and len(json.loads(answer.out)["refused"]) == 1
    assert command("store", "merge", tmp_path / "none", *options).code == 2
    cleared = command("store", "gc", *options)
    assert cleared.code == 0 and "0 to trash/" in cleared.err
    assert json.loads(command("store", "gc", "--dry-run", "--json", *options).out) == []
