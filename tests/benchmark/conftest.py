"""Fixtures of this room: sets of digits made by hand, stores, a small plan, the command line in this process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import cli, datasets, tensor_file
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import Array, Card, SyntheticSet
from tests.benchmark.tiny_plan import PLAN, RECIPE

SetMaker = Callable[..., SyntheticSet]
FolderMaker = Callable[..., Path]
Command = Callable[..., "Answer"]


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str


def digits_tensors(per_class: int = 1, seed: int = 0) -> dict[str, Array]:
    """Random pixel images of digits, class by class."""
    images = np.random.default_rng(seed).random((10 * per_class, 1, 8, 8), dtype=np.float32)
    return {"images": images, "labels": np.repeat(np.arange(10), per_class)}


@pytest.fixture
def make_set() -> SetMaker:
    """Build a valid set of digits; tensors and card fields may be replaced."""

    def make(
        per_class: int = 1, seed: int = 0, tensors: Mapping[str, Array] | None = None, **card: Any
    ) -> SyntheticSet:
        known: dict[str, Any] = {
            "dataset": "digits",
            "dataset_digest": datasets.facts("digits").digest,
            "space": PIXEL,
            "method": "by-hand",
            "ipc": per_class,
        }
        return SyntheticSet(tensors or digits_tensors(per_class, seed), Card(**{**known, **card}))

    return make


@pytest.fixture
def set_folder(tmp_path: Path) -> FolderMaker:
    """Write the folder of a set as a contributor would; fields that are None are left out of the card."""

    def write(name: str = "my-set", tensors: Mapping[str, Array] | None = None, **card: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        known = {
            "format": 1,
            "dataset": "digits",
            "dataset_digest": datasets.facts("digits").digest,
            "space": {"kind": "pixel"},
            "method": "by-hand",
            "ipc": 1,
            "licence": "CC0",
            **card,
        }
        fields = {key: value for key, value in known.items() if value is not None}
        (folder / "card.json").write_text(json.dumps(fields), encoding="utf-8")
        (folder / "tensors.safetensors").write_bytes(tensor_file.to_bytes(tensors or digits_tensors()))
        return folder

    return write


@pytest.fixture
def command(own_registry: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `distillbench` in this process, as on one core: worker processes take seconds to start."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)

    def run(*arguments: str | Path) -> Answer:
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Answer(int(str(stopped.value.code or 0)), printed.out, printed.err)

    return run


@pytest.fixture
def listing() -> Callable[[Path], dict[str, str]]:
    """Every file below a folder with its sha256, every empty folder with nothing: what must stay the same."""

    def listed(root: Path) -> dict[str, str]:
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(root.rglob("*"))
        }

    return listed


@pytest.fixture(scope="session")
def one_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one set in it, to be copied."""
    store = Store(tmp_path_factory.mktemp("stored") / "store")
    card = Card("digits", datasets.facts("digits").digest, PIXEL, "was-there", ipc=1)
    store.write_set(SyntheticSet(digits_tensors(seed=7), card))
    return store.root


@pytest.fixture
def stored(tmp_path: Path, one_set: Path) -> Path:
    """The folder of a store with one set in it."""
    return Path(shutil.copytree(one_set, tmp_path / "store"))


@pytest.fixture
def place(tmp_path: Path, make_set: SetMaker) -> Path:
    """A store with one set in it."""
    store = Store(tmp_path / "store")
    store.write_set(make_set(seed=7, method="was-there"))
    return store.root


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that is not there yet."""
    return Store(tmp_path / "store")


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of plug-ins with the recipe `tiny`, in force for this process and its children."""
    from benchmark import registry

    folder = tmp_path / "plugins"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes" / "tiny.toml").write_text(RECIPE)
    (tmp_path / "plan.toml").write_text(PLAN)
    monkeypatch.setenv("DISTILLBENCH_PLUGINS", str(folder))
    registry._files.cache_clear()
    yield folder
    monkeypatch.delenv("DISTILLBENCH_PLUGINS")
    registry._files.cache_clear()


@pytest.fixture
def own_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for data, and put them, where nothing is yet."""
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "data-root"))
