"""From a place to a dataset: what its description declares, and which loader reads its data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmark import registry
from benchmark.datasets import _download, _image_folder, _npz, _parts
from benchmark.datasets._canonical import Dataset, Raw, build, canonical_order
from benchmark.datasets._facts import DatasetFacts, from_table
from benchmark.datasets._place import Place, data_root, stamp_of
from benchmark.errors import InvalidInput, unknown_name

__all__ = ["LOADERS", "declared", "read", "stamp"]

_UNSAID = "not stated"


def declared(place: Place) -> DatasetFacts:
    """The facts that a TOML file states; of other own data only what the path itself tells."""
    if place.path.suffix == ".toml" and not place.path.is_dir():
        return _stated(place, stamp_of(place.path))
    return DatasetFacts(
        name="",
        title=place.path.stem,
        summary="A user's own images.",
        flip=False,  # safe for any data: what is not known to survive a flip is not flipped
        source=f"a user's own data: {place.path.name}",
        licence=_UNSAID,
        citation=_UNSAID,
        redistributable=False,
        loader="image-folder" if place.path.is_dir() else "npz",
        options={"path": place.path.name},
    )


@lru_cache(maxsize=64)  # a plan asks for the facts of its dataset thousands of times
def _stated(place: Place, stamp: str) -> DatasetFacts:
    """`stamp` is there for the cache: a file that was edited is read again."""
    return from_table(registry.read_toml(place.path), place.name, str(place.path))


def read(place: Place) -> Dataset:
    """Read, sort and check the data of a place; raises what its loader and `build` raise."""
    facts = declared(place)
    if facts.loader not in LOADERS:
        raise InvalidInput(f"{place.path}: {unknown_name('loader', facts.loader, LOADERS)}")
    return build(facts, LOADERS[facts.loader](facts, place.path.parent))


def stamp(place: Place) -> str:
    """A text that changes when the description or the data are replaced: two that are equal need not be read twice."""
    facts = declared(place)
    files = [place.path, data_root() / f"{place.name}.npz"]
    if isinstance(facts.options.get("path"), str):
        files.append(place.path.parent / Path(facts.options["path"]).expanduser())
    return "\n".join(stamp_of(file) for file in files)


def _option(facts: DatasetFacts, name: str) -> str:
    value = facts.options.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"dataset {facts.title!r}: loader {facts.loader!r} needs options.{name}, a text.")
    return value


def _npz_file(facts: DatasetFacts, folder: Path) -> Raw:
    return _npz.read(folder / Path(_option(facts, "path")).expanduser())


def _image_files(facts: DatasetFacts, folder: Path) -> Raw:
    return _image_folder.read(folder / Path(_option(facts, "path")).expanduser())


def _torchvision(facts: DatasetFacts, folder: Path) -> Raw:
    return _download.read(facts, _option(facts, "class"))


def _digits(facts: DatasetFacts, folder: Path) -> Raw:
    """scikit-learn's copy of the UCI test digits, split by our own draw over the canonical order of all of them."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = found.images.astype(np.int64)[:, None]  # (1797, 1, 8, 8), 0..16
    images = ((pixels * 255 + 8) // 16).astype(np.uint8)  # round(v * 255 / 16), half up: 17 distinct values stay 17
    labels = found.target.astype(np.int64)
    order, _ = canonical_order(images, labels)
    images, labels = images[order], labels[order]
    train = _parts.draw(labels, _parts.quota(labels, facts.n_train), "digits train")
    if hashlib.sha256(train.astype("<i8").tobytes()).hexdigest() != _option(facts, "split"):
        raise InvalidInput(
            "scikit-learn's digits are not those that the dataset was split from; install another release of it."
        )
    test = np.setdiff1d(np.arange(len(labels)), train)
    return Raw("scikit-learn's load_digits", (images[train], images[test]), (labels[train], labels[test]))


LOADERS: dict[str, Callable[[DatasetFacts, Path], Raw]] = {
    "image-folder": _image_files,
    "npz": _npz_file,
    "scikit-learn-digits": _digits,
    "torchvision": _torchvision,
}
"""By the name that a TOML file gives; each takes the facts and the folder that paths are relative to."""
