"""Sets that must never stand above an honest one: each is handed in, scanned, scored and ranked as a stranger's is.

Null images, shuffled labels, images of one class, the test split whole, ten of each class of it, and the same behind
noise. Each is refused, held back for a review, or at chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import datasets
from benchmark.store import Store
from benchmark.synthetic_set import Array
from leaderboard.boards import boards
from leaderboard.sources import read, rows_of

DIGITS = datasets.load("digits")
CHANCE = 20.0
"""Accuracy in percent that five networks that were taught nothing stay below: always one digit gives 7 to 13."""


def first_of_each(labels: Array, n: int) -> Array:
    return np.concatenate([np.flatnonzero(labels == c)[:n] for c in range(10)])


def canaries() -> dict[str, tuple[Mapping[str, Array], int | None, str]]:
    """By name: tensors, images per class, and what must become of it."""
    ten, ids = first_of_each(DIGITS.test.labels, 10), np.arange(10)
    noise = np.random.default_rng(0).normal(0, 12, (100, 1, 8, 8))
    behind = np.clip((DIGITS.test.images[ten] + noise) / 255, 0, 1).astype(np.float32)
    threes = DIGITS.train.images[DIGITS.train.labels == 3][:10]
    train = DIGITS.train.images[first_of_each(DIGITS.train.labels, 1)]
    return {
        "null": ({"images": np.zeros((10, 1, 8, 8), dtype=np.uint8), "labels": ids}, 1, "at chance"),
        "shuffled": ({"images": train, "labels": np.roll(ids, 3)}, 1, "at chance"),
        "one-class": ({"images": threes, "labels": ids}, 1, "at chance"),
        "one-label": ({"images": train, "labels": np.full(10, 3)}, None, "at chance"),
        "test-split": ({"images": DIGITS.test.images, "labels": DIGITS.test.labels}, None, "refused"),
        "ten-of-test": ({"images": DIGITS.test.images[ten], "labels": DIGITS.test.labels[ten]}, 10, "refused"),
        "behind-noise": ({"images": behind, "labels": DIGITS.test.labels[ten]}, 10, "needs-review"),
    }


@pytest.mark.slow
def test_no_canary_stands_above_an_honest_set(
    command: Callable[..., Any], set_folder: Callable[..., Path], tmp_path: Path
) -> None:
    place = ("--store", tmp_path / "store")
    store = Store(tmp_path / "store")
    became, digests = {}, {}
    for name, (tensors, ipc, _) in canaries().items():
        answer = command("submit", set_folder(name, tensors=tensors, method=name, ipc=ipc), *place)
        if answer.code:
            assert answer.code in (3, 4) and answer.err.startswith("E"), answer.err
            became[name] = "refused"
            continue
        digests[name] = answer.out.split()[0]
        answer = command("scan", digests[name], *place)
        if answer.code == 4:
            before = len(store.results())
            assert command("evaluate", digests[name], *place).code == 4 and len(store.results()) == before
            became[name] = "refused"
            del digests[name]
    digests["honest"] = command("distill", "random-real", "--dataset", "digits", "--ipc", "1", *place).out.split()[0]
    assert command("evaluate", *digests.values(), "--architecture", "mlp", *place).code == 0
    table = store.results()
    accuracy = table[table["metric"] == "accuracy"].groupby("set")["value"].mean()
    for name, digest in digests.items():
        state = store.state(digest)
        at_chance = accuracy[digest] < CHANCE
        became[name] = state.state if not state.is_ranked else "at chance" if at_chance else "ranked"
    assert became.pop("honest") == "ranked"
    wanted = {name: canary[2] for name, canary in canaries().items()}
    assert {name: what for name, what in became.items() if what not in ("refused", wanted[name])} == {}
    _hold_on_boards(store, digests)
    chance = [accuracy[digest] for name, digest in digests.items() if became.get(name) == "at chance"]
    assert max(chance) + 10 < accuracy[digests["honest"]]


def _hold_on_boards(store: Store, digests: Mapping[str, str]) -> None:
    """On every board what is held back has no rank, and what has one stands below the honest set."""
    store.collect()
    source, states = read(store.roots), store.states()
    held = {digest for digest in digests.values() if not states[digest].is_ranked}
    found = boards(rows_of(source.results), source.cards, states)
    lines = [(board, line, set(line.cell.digests)) for board in found for line in board.lines]
    assert held and all(line.rank is None and line.unranked for _, line, those in lines if those & held)
    honest = {board.key: line.rank for board, line, those in lines if digests["honest"] in those}
    assert set(honest.values()) == {1}
    others = [line.rank for board, line, those in lines if board.key in honest and digests["honest"] not in those]
    assert others and 1 not in others
