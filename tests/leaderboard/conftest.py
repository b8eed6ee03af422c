"""Fake stores: rows as an evaluation would leave them, cards and pictures, without training anything."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import frame

METHODS = {"dm": 90.0, "k-means": 88.0, "herding": 84.0, "random-real": 74.0, "class-mean": 81.0, "k-center": 60.0}
"""Accuracy of each made-up method at one image per class."""
DETERMINISTIC = ("class-mean", "herding")


@dataclass
class FakeStore:
    """Collects rows and sets, and writes them as a store lays them out."""

    root: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add_set(self, card: Mapping[str, Any], picture: bytes | None = None, content: str | None = None) -> str:
        """Write a set's card and picture; returns a made-up digest that depends on the card."""
        digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
        folder = self.root / "sets" / digest
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.json").write_text(content or json.dumps(card), encoding="utf-8")
        if picture is not None:
            (folder / "preview.png").write_bytes(picture)
        return digest

    def add_row(self, **values: Any) -> None:
        """Add a result row; what is not given is plain."""
        self.rows.append({**PLAIN, **values})

    def write(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        frame(self.rows).to_parquet(self.root / "results.parquet", index=False)
        return self.root


PLAIN: dict[str, Any] = {
    "dataset": "digits",
    "ipc": 1,
    "bytes": 650,
    "track": "hard",
    "method": "dm",
    "set": "a" * 64,
    "evaluator": "cross-architecture",
    "version": 1,
    "recipe": "standard-v1-lite",
    "architecture": "convnet",
    "condition": "",
    "metric": "accuracy",
    "unit": "percent",
    "higher_is_better": True,
    "seed": 0,
    "distil_seed": 0,
    "value": 90.0,
    "status": "ok",
    "numerics": "cpu-eager-float32",
    "device": "cpu",
}


def png(width: int, height: int, shade: random.Random) -> bytes:
    """A grey picture of noise."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + shade.randbytes(width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def card_of(method: str, ipc: int | None, distil_seed: int | None, **more: Any) -> dict[str, Any]:
    """A card with every field filled in."""
    return {
        "format": 1,
        "dataset": "digits",
        "dataset_digest": "d" * 64,
        "space": {"kind": "pixel"},
        "labels": {"kind": "hard"},
        "decoder": {"name": "identity", "version": 1, "options": {}},
        "schedule": None,
        "method": method,
        "title": f"{method} on digits",
        "ipc": ipc,
        "distil_seed": distil_seed,
        "preset": "lite",
        "distilled_on": "train",
        "source": "https://example.org/paper",
        "licence": "Apache-2.0",
        "citation": "Somebody, A paper, 2023.",
        "contributor": "DistillBench",
        "cost": {"seconds": 12.5, "image_passes": 320000, "device": "cpu"},
        "made_with": {"numpy": "2.4"},
        **more,
    }


def demo_store(root: Path) -> FakeStore:
    """About what the demo makes: six methods at 1 and 10 per class, some on four architectures and three conditions."""
    store, draw = FakeStore(root), random.Random(5)
    for ipc in (1, 10):
        for method, level in METHODS.items():
            for distil_seed in (0,) if method in DETERMINISTIC else (0, 1, 2):
                _fill(store, draw, card_of(method, ipc, distil_seed), level + (8.0 if ipc > 1 else 0.0))
    digest = store.add_set(card_of("full-data", None, None, preset=""))
    for seed in range(5):
        shared = {"set": digest, "method": "full-data", "ipc": None, "bytes": 65_000, "distil_seed": None}
        value = draw.gauss(98.0, 0.2)
        store.add_row(**shared, recipe="standard-v1-lite/reference", seed=seed, value=value)
    return store


def _fill(store: FakeStore, draw: random.Random, card: Mapping[str, Any], level: float) -> None:
    """One set with its scores; the set has a level of its own around the method's."""
    ipc = int(card["ipc"])
    digest = store.add_set(card, png(80, 8 * ipc, draw))
    shared = {
        "set": digest,
        "method": card["method"],
        "ipc": ipc,
        "bytes": 650 * ipc,
        "distil_seed": card["distil_seed"],
    }
    level += draw.gauss(0, 1.2)
    spread = card["method"] in ("dm", "random-real")
    penalties = {"convnet": 0.0, "mlp": -6.0, "lenet": -9.0, "resnet-narrow": -4.0} if spread else {"convnet": 0.0}
    for architecture, penalty in penalties.items():
        for seed in range(5):
            store.add_row(**shared, architecture=architecture, seed=seed, value=level + penalty + draw.gauss(0, 0.6))
    for condition, gain in {"none": 0.0, "dsa": 1.1, "crop-flip": -2.0}.items() if spread else ():
        for seed in range(5):
            named = {"evaluator": "augmentation", "condition": condition}
            store.add_row(**shared, **named, seed=seed, value=level + gain + draw.gauss(0, 0.6))


@pytest.fixture
def fake_store(tmp_path: Path) -> Callable[[str], FakeStore]:
    """Makes an empty fake store under a name."""
    return lambda name: FakeStore(tmp_path / name)


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a written store with something on every kind of page, and its site; read them only."""
    import leaderboard
    from tests.leaderboard.rich import rich_store

    folder = tmp_path_factory.mktemp("rich")
    leaderboard.build([rich_store(folder / "store").write()], folder / "site")
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a written store with strangers' text in every field, and its site; read them only."""
    import leaderboard
    from tests.leaderboard.hostile import hostile_store

    folder = tmp_path_factory.mktemp("hostile")
    leaderboard.build([hostile_store(folder / "store").write()], folder / "site")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written store such as the demo leaves; read it only."""
    return demo_store(tmp_path_factory.mktemp("demo") / "store").write()
