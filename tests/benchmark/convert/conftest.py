"""Small files in the layouts that published code writes, and a reader without its process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmark.convert import Converted, Request, _child, _guards, _sandbox, _tree, convert

Array = npt.NDArray[Any]
Reading = Callable[..., Converted]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Do the child's work in this process.

    Starting one with torch in it takes seconds; tests/benchmark/convert/test_sandbox.py starts some.
    """

    def load(files: list[Path], shape: tuple[int, int, int]) -> list[_sandbox.Loaded]:
        kinds = {file: "folder" if file.is_dir() else _guards.kind_of(file.read_bytes(), file.name) for file in files}
        found = {file.name: [kinds[file], _child.read_file(file, kinds[file], shape)] for file in files}
        place = tmp_path_factory.mktemp("handed-over")
        _tree.write(found, place)
        return [_sandbox.Loaded(name, kind, content) for name, (kind, content) in _tree.read(place).items()]

    monkeypatch.setattr(_sandbox, "load", load)


@pytest.fixture
def reading(in_process: None) -> Reading:
    """Convert files of digits as `distillbench convert` does, but for the process."""

    def read(*files: Path, dataset: str = "digits", ipc: int = 1, **named: Any) -> Converted:
        return convert(files, replace(Request(dataset, "my-method", ipc), **named))

    return read


@pytest.fixture
def pixels() -> Array:
    """Ten grey images (10, 1, 8, 8) float32 in 0..1, the first digit of each class: an image whose space is known."""
    from benchmark import datasets

    train = datasets.load("digits").train
    rows = [int(np.flatnonzero(train.labels == label)[0]) for label in range(10)]
    return (train.images[rows] / np.float32(255)).astype(np.float32)


@pytest.fixture
def standardized(pixels: Array) -> Array:
    """The same, less the mean of digits and over its SD."""
    return (pixels - np.float32(0.305205)) / np.float32(0.376097)


@pytest.fixture
def card_of() -> Callable[[Path], dict[str, Any]]:
    def read(folder: Path) -> dict[str, Any]:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return card

    return read
