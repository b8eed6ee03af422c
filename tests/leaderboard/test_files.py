"""Builds make only what changed, say so, and leave the same bytes as a build from nothing."""

from __future__ import annotations

from pathlib import Path

import leaderboard
from leaderboard.files import Item, Made, place, previous
from tests.leaderboard.conftest import FakeStore, card_of


def quiet(path: str) -> None:
    """No progress."""


def small(root: Path) -> FakeStore:
    store = FakeStore(root)
    for method in ("dm", "herding"):
        for ipc in (1, 10):
            digest = store.add_set(card_of(method, ipc, 0))
            for seed in range(3):
                value = (80.0 if method == "dm" else 60.0) + ipc + seed
                store.add_row(method=method, set=digest, ipc=ipc, bytes=650 * ipc, seed=seed, value=value)
    return store


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    store, out = small(tmp_path / "store").write(), tmp_path / "site"
    first = leaderboard.build([store], out)
    assert first.n_made == first.n_files > 30
    seen: list[tuple[int, int, str]] = []
    again = leaderboard.build([store], out, lambda done, total, path: seen.append((done, total, path)))
    assert (again.n_made, again.n_files) == (0, first.n_files)
    assert [done for done, _, _ in seen] == list(range(1, first.n_files + 1))
    assert {total for _, total, _ in seen} == {first.n_files}


def test_a_new_row_makes_its_own_pages_anew_and_no_others(tmp_path: Path) -> None:
    store, out = small(tmp_path / "store"), tmp_path / "site"
    leaderboard.build([store.write()], out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    [digest, *_] = [row["set"] for row in store.rows if (row["method"], row["ipc"]) == ("dm", 10)]
    store.add_row(method="dm", set=digest, ipc=10, bytes=6500, seed=3, value=95.0)
    leaderboard.build([store.write()], out)
    changed = {path.relative_to(out).as_posix() for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert f"entry/{digest}.html" in changed
    assert not [path for path in changed if path.startswith(("static/", "protocol/"))]
    assert len([path for path in changed if path.startswith("entry/")]) == 1
    assert {path.partition("-")[0] for path in changed if path.startswith("method/")} == {"method/dm"}
    assert content(out) == content(leaderboard.build([store.root], tmp_path / "fresh").index.parent)


def test_a_file_that_somebody_changed_is_made_again(tmp_path: Path) -> None:
    items = [Item("a.txt", 1, lambda: b"one"), Item("b/c.txt", 2, lambda: b"two")]
    assert place(items, Made(), tmp_path / "site", quiet) == 2
    (tmp_path / "site" / "a.txt").write_bytes(b"another")
    assert place(items, previous(tmp_path / "site"), tmp_path / "site", quiet) == 1
    assert (tmp_path / "site" / "a.txt").read_bytes() == b"one"


def test_other_inputs_make_another_file(tmp_path: Path) -> None:
    out = tmp_path / "site"
    place([Item("a.txt", (1, "x"), lambda: b"one")], Made(), out, quiet)
    assert place([Item("a.txt", (1, "y"), lambda: b"two")], previous(out), out, quiet) == 1
    assert (out / "a.txt").read_bytes() == b"two"
