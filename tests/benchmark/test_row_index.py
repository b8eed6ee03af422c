"""The index of result rows: what pandas would say, whatever has changed since, and a command that answers at once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark import row_index
from benchmark.results import COLUMNS, frame, merged
from benchmark.store import Store
from tests.stores import row, synthetic, write_one

ROOT = Path(__file__).parents[2]
Command = Callable[..., Any]
DIGEST = "d" * 64


def some_rows(n: int, draw: random.Random) -> list[dict[str, Any]]:
    """Rows of which many are the same measurement, with absent numbers and odd texts among them."""

    def one() -> dict[str, Any]:
        status = draw.choice(["ok", "ok", "failed"])
        return row(
            draw.choice([DIGEST, "e" * 64]),
            draw.randint(0, 2),
            ipc=draw.choice([None, 1, 10]),
            distil_seed=draw.choice([None, 0]),
            method=draw.choice(["b", "a", "ünï\n'; DROP TABLE rows"]),
            condition=draw.choice(["", "dsa"]),
            numerics=draw.choice(["", "cpu", "cuda"]),
            device=draw.choice(["", "x"]),
            status=status,
            value=round(draw.random(), 3) if status == "ok" else None,
        )

    return [one() for _ in range(n)]


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in one.items()} for one in _objects(table).to_dict("records")]


def _objects(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), None)


def test_rows_are_merged_and_sorted_as_pandas_does_it() -> None:
    for seed in range(5):
        rows = some_rows(300, random.Random(seed))
        assert row_index.merged_rows(rows) == plain(merged(frame(rows)))
    assert row_index.merged_rows([]) == []


def filled(root: Path) -> Store:
    store, draw = Store(root), random.Random(1)
    for number in range(8):
        store.write_results(f"{number:02}", {}, some_rows(40, draw))
    return store


def test_an_index_gives_what_the_files_do_before_it_is_saved_and_after(tmp_path: Path) -> None:
    store = filled(tmp_path)
    rows = [one for file in sorted(tmp_path.glob("results/*/*")) for one in json.loads(file.read_text())["rows"]]
    expected = merged(frame(rows))
    assert store.results().equals(expected)
    assert store.collect().equals(expected) and store.results().equals(expected)
    assert store.rows({}) == plain(expected)
    assert pd.read_parquet(tmp_path / "results.parquet").astype(COLUMNS).equals(expected)


def test_what_is_looked_for_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = filled(tmp_path)
    everything = store.rows({})
    questions: list[dict[str, list[Any]]] = [
        {"method": ["a"]},
        {"method": ["a", "b"], "ipc": [10]},
        {"set": [DIGEST], "condition": ["dsa"], "seed": [0, 1]},
        {"status": ["failed"], "numerics": ["cuda"]},
        {"method": ["ünï\n'; DROP TABLE rows"]},
        {"method": ["nobody's"]},
        {"distil_seed": [7]},
    ]
    for wanted in questions:
        expected = [one for one in everything if all(one[name] in values for name, values in wanted.items())]
        assert store.rows(wanted) == expected
        assert bool(expected) == (wanted not in questions[5:])


def test_files_that_come_change_or_go_are_seen_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.write_results(f"{number:02}", {}, [row(DIGEST, number)])
    store.collect()

    def values() -> dict[int, float]:
        return {one["seed"]: one["value"] for one in store.rows({})}

    store.write_results("01", {}, [row(DIGEST, 1, value=99.0)])  # of the same size
    assert values() == {0: 50.0, 1: 99.0, 2: 52.0}
    file = tmp_path / "results" / "00" / "00.json"
    before = file.stat()
    stored = {name: value for name, value in json.loads(file.read_text()).items() if name != "sha256"}
    text = json.dumps(stored).replace("50.0", "55.0")
    file.write_text(text + " " * (before.st_size - len(text)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a tool might that copies times
    assert file.stat().st_size == before.st_size and values() == {0: 55.0, 1: 99.0, 2: 52.0}
    file.unlink()
    (tmp_path / "results" / "02" / "02.json").unlink()
    store.write_results("03", {}, [row(DIGEST, 3)])
    assert values() == {1: 99.0, 3: 53.0}
    assert store.results()["seed"].tolist() == [1, 3]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign", "newer"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    expected, index = store.rows({}), tmp_path / "index" / "rows"
    store.collect()
    content = index.read_bytes()
    assert len(content) > 4096
    if damage == "newer":
        monkeypatch.setattr(row_index, "FORMAT", 2)
    else:
        at = len(content) // 2
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        index.write_bytes({"empty": b"", "cut": content[:-9], "flipped": flipped, "foreign": b"x" * 64}[damage])
    assert store.rows({}) == expected
    with row_index.current(store.roots) as found:
        assert found.is_new is (damage == "newer")


def test_a_damaged_file_is_named_each_time_and_the_others_are_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    store.write_results("00", {}, [row(DIGEST)])
    for name, changes in (("aa", {"bytes": 2**70}), ("bb", {"method": "\ud800"})):
        store.write_results(name, {}, [row(DIGEST, 1, **changes)])
    (tmp_path / "results" / "00" / "cc.json").write_text("{")
    for _ in range(2):
        assert len(store.collect()) == 1
        assert capsys.readouterr().err.count("E504 left out: ") == 3
    write_one(store, "set", 1)
    write_one(store, "results", 1)
    assert store.state(synthetic(1).digest).state == "scored"


def test_a_store_that_may_not_be_written_answers_all_the_same(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (tmp_path / "index").write_bytes(b"a file where a folder should be")
    assert len(store.rows({})) == len(store.results()) > 0
    assert Store(tmp_path / "none").rows({}) == [] and not (tmp_path / "none").exists()


# The command line


def test_results_are_shown_by_what_is_asked_for(tmp_path: Path, command: Command) -> None:
    store = Store(tmp_path)
    digest = store.write_set(synthetic(1))
    scores = [row(digest, seed, value=50.0 + seed) for seed in range(3)]
    store.write_results("00", {}, [*scores, row(digest, 0, architecture="lenet", value=None, status="failed")])
    store.write_results("01", {}, [row("e" * 64, 0, method="other", value=10.0)])
    (found,) = json.loads(command("results", digest[:8], "--json", "--store", tmp_path).out)
    assert (found["set"], found["mean"], found["sd"], found["n"]) == (digest[:12], 51.0, 1.0, 3)
    table = command("results", "--method", "other", "--method", "by-hand", "--store", tmp_path).out.splitlines()
    assert table[0].split()[-3:] == ["mean", "sd", "n"] and len(table) == 3
    rows = json.loads(command("results", "--status", "failed", "--rows", "--json", "--store", tmp_path).out)
    assert [(one["architecture"], one["value"]) for one in rows] == [("lenet", None)]
    assert len(command("results", "--seed", "0", "--rows", "--store", tmp_path).out.splitlines()) == 4
    assert command("results", "--dataset", "none", "--store", tmp_path).out == ""
    assert command("results", "0000", "--store", tmp_path).code == 3
    assert command("results", "--ipc", "x", "--store", tmp_path).code == 2


def test_asking_for_results_loads_nothing_that_is_slow_to_load(tmp_path: Path) -> None:
    filled(tmp_path)
    script = f"""
import sys
from benchmark import cli
try:
    cli.main(["results", "--method", "a", "--store", {str(tmp_path)!r}])
except SystemExit:
    pass
print(sorted({{"numpy", "pandas", "pyarrow", "torch", "scipy"}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert done.stderr == "[]\n" and len(done.stdout.splitlines()) > 1
