"""A dataset as bytes, for a machine that lacks it: the images as `.npz`, and what is known of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmark import registry
from benchmark.datasets import _npz, _own
from benchmark.datasets._canonical import Dataset
from benchmark.datasets._facts import from_table, to_table
from benchmark.datasets._place import data_root
from benchmark.durable import write_replacing
from benchmark.errors import UsageError

__all__ = ["is_here", "pack", "unpack"]

IMAGES, FACTS = "images.npz", "facts.json"


def is_here(name: str) -> bool:
    """Whether `load` would find a dataset of this stored name without a download."""
    recorded = _own.recorded(name)
    if recorded is not None:
        return recorded.place.path.exists()
    if name not in registry.names("dataset"):
        return False
    facts = from_table(registry.read_toml(registry.path("dataset", name)), name, name)
    return facts.loader != "torchvision" or (data_root() / f"{name}.npz").exists()


def pack(dataset: Dataset) -> dict[str, bytes]:
    """The files of a dataset, by name."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / IMAGES
        _npz.write(file, dataset)
        return {IMAGES: file.read_bytes(), FACTS: json.dumps(to_table(dataset.facts)).encode()}


def unpack(name: str, files: Mapping[str, bytes]) -> str | Path:
    """Write a packed dataset into the data root, as a download would; returns what to `load`, which checks it.

    Raises UsageError for a dataset of a plug-in that is not here, EnvironmentFault where the data root cannot be
    written.
    """
    root = data_root()
    if name in registry.names("dataset"):
        write_replacing(root / f"{name}.npz", files[IMAGES], root / "tmp")
        return name
    facts = from_table(json.loads(files[FACTS]), name, FACTS)
    if name != _own.stored_name(Path(f"{name[:-9]}.npz"), facts.digest):
        raise UsageError(f"dataset {name!r} is a plug-in that is not on this machine. Put its folder here, too.")
    folder = root / "own" / name
    write_replacing(folder / f"{name[:-9]}.npz", files[IMAGES], root / "tmp")
    table = {**to_table(facts), "loader": "npz", "options": {"path": f"{name[:-9]}.npz"}}
    # What JSON writes is TOML, but for the sign between a key and its value.
    lines = (f"{k} = {json.dumps(v, separators=(', ', ' = '), ensure_ascii=False)}\n" for k, v in table.items())
    write_replacing(folder / f"{name[:-9]}.toml", "".join(lines).encode(), root / "tmp")
    return folder / f"{name[:-9]}.toml"
