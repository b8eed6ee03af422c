"""A small store with something on every kind of page: states, a scan, claims, several tasks, curves, proxies."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from benchmark.states import Record
from tests.leaderboard.conftest import FakeStore, card_of, png

__all__ = ["add_record", "rich_store"]

LEVELS = {"dm": 60.0, "herding": 52.0, "random-real": 45.0}
DATASETS = {"digits": 8, "cifar10": 32}
"""Dataset and its images' side."""
CLAIMS = [{"metric": "accuracy", "value": 91.25, "unit": "percent", "sd": 0.5, "n": 5, "protocol": "the paper's"}]
SCAN = {"format": 1, "state": "clean", "reason": "no image stands out", "copies": 0, "pairs": [{"image": 3, "test": 7}]}


def rich_store(root: Path) -> FakeStore:
    """Three methods on six tasks, one set each, and what else the pages show."""
    store, draw = FakeStore(root), random.Random(11)
    for dataset, side in DATASETS.items():
        for ipc in (1, 10, 50):
            for method, level in LEVELS.items():
                more = {"claims": CLAIMS} if (method, ipc) == ("dm", 10) else {}
                _add(store, draw, card_of(method, ipc, 0, dataset=dataset, **more), level + 10 * len(str(ipc)), side)
        digest = store.add_set(card_of("full-data", None, None, preset="", dataset=dataset))
        shared: dict[str, Any] = {"dataset": dataset, "set": digest, "method": "full-data", "ipc": None}
        for seed in range(3):
            value = draw.gauss(96.0, 0.2)
            store.add_row(**shared, distil_seed=None, recipe="standard-v1-lite/reference", seed=seed, value=value)
    digits = sorted({row["set"] for row in store.rows if (row["dataset"], row["ipc"]) == ("digits", 10)})
    _beyond_accuracy(store, draw, digits[0])
    add_record(store, Record(digits[0], "verified", "scored again elsewhere", "2026-11-01T10:00:00Z", "a maintainer"))
    add_record(store, Record(digits[1], "disputed", "the source says otherwise", "2026-11-02T10:00:00Z", "a reader"))
    add_record(store, Record("f" * 64, "refused", "the archive holds a pickle", "2026-11-03T10:00:00Z", "check"))
    (root / "scans").mkdir()
    (root / "scans" / f"{digits[0]}.json").write_text(json.dumps({**SCAN, "set": digits[0]}))
    (root / "scans" / f"{digits[0]}.png").write_bytes(png(60, 30, draw))
    return store


def add_record(store: FakeStore, record: Record) -> None:
    """Write a status record as a store lays it out."""
    folder = store.root / "status" / record.id[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{record.id}.json").write_bytes(record.to_bytes())


def _add(store: FakeStore, draw: random.Random, card: dict[str, Any], level: float, side: int) -> None:
    ipc, tile = int(card["ipc"]), side * -(-48 // side) + 2
    picture = png(10 * tile + 2, (10 if ipc > 1 else 1) * tile + 2, draw) if card["dataset"] == "digits" else None
    digest = store.add_set(card, picture)
    n_bytes = ipc * 10 * (side * side * (3 if side == 32 else 1) + 1)
    shared = {name: card[name] for name in ("dataset", "ipc", "method", "distil_seed")}
    penalties = {"convnet": 0.0, "mlp": -4.0} if card["dataset"] == "digits" else {"convnet": 0.0}
    for architecture, penalty in penalties.items():
        for seed in range(3):
            value = round(level + penalty + draw.gauss(0, 0.5), 2)
            store.add_row(**shared, set=digest, bytes=n_bytes, architecture=architecture, seed=seed, value=value)


def _beyond_accuracy(store: FakeStore, draw: random.Random, digest: str) -> None:
    """Rows of conditions, of continual learning and of a proxy, of one set."""
    [row, *_] = [row for row in store.rows if row["set"] == digest]
    for condition, gain in (("none", 0.0), ("dsa", 1.0)):
        for seed in range(3):
            named = {"evaluator": "augmentation", "condition": condition, "seed": seed}
            store.add_row(**{**row, **named, "value": 70 + gain + draw.gauss(0, 0.5)})
    for condition in ("gdumb, 5 steps, sets made per step", "gdumb, 5 steps, random-real", "joint training, 5 steps"):
        for step in range(1, 6):
            named = {"evaluator": "continual-learning", "condition": condition, "metric": f"accuracy_after_step_{step}"}
            store.add_row(**{**row, **named, "value": 95.0 - 4 * step})
    for condition in ("subject", "random-real", "synflow"):
        for end, value in (("", 0.6), ("_low", 0.4), ("_high", 0.8)):
            named = {"evaluator": "nas-proxy", "condition": condition, "metric": f"spearman{end}", "unit": "rho"}
            store.add_row(**{**row, **named, "value": value})
    for k in range(1, 25):
        for what, value in (("truth", 90 + draw.gauss(0, 3)), ("accuracy", 60 + draw.gauss(0, 5))):
            named = {"evaluator": "nas-proxy", "condition": "subject", "metric": f"network_{what}_{k}"}
            store.add_row(**{**row, **named, "value": value})
    for k, images in enumerate((0, 10, 200, 587), 1):
        for what, value in (("images", images), ("right", images // 2), ("confidence", 24 * k)):
            named = {"evaluator": "calibration", "condition": "as trained", "metric": f"bin_{what}_{k}"}
            store.add_row(**{**row, **named, "value": float(value)})
