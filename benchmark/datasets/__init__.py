"""Real data: named datasets and a user's own, in one canonical order, torch-free.

`facts` answers from TOML alone where it can; `load` reads the images. Both take a registered name (`cifar10`), the
path of a user's own data (`mine.npz`, `mine.toml`, an image folder), or the stored name that such data were given
(`mine-1a2b3c4d`). docs/datasets.md describes every field, the canonical order, the parts and the files.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from benchmark.datasets import _loading, _own
from benchmark.datasets._canonical import Dataset, Split
from benchmark.datasets._facts import DatasetFacts, Statistics
from benchmark.datasets._parts import PARTS
from benchmark.datasets._place import Place, data_root, locate
from benchmark.errors import InvalidInput, UsageError

__all__ = ["PARTS", "Dataset", "DatasetFacts", "Split", "Statistics", "data_root", "facts", "load"]


def facts(name_or_path: str | Path) -> DatasetFacts:
    """Say what is known of a dataset, without its images where its TOML tells everything.

    `digest` is empty for a registered dataset whose digest is not committed; `load` knows it. Own data without a
    complete TOML are loaded. Raises UsageError for an unknown name or missing path, InvalidInput for a broken file.
    """
    recorded = _own.recorded(name_or_path)
    if recorded is not None:
        return recorded.facts
    place = locate(name_or_path)
    declared = _loading.declared(place)
    if declared.is_complete and (place.name or declared.digest):
        return declared if place.name else _own.remember(declared, place)
    return load(name_or_path).facts


def load(name_or_path: str | Path) -> Dataset:
    """Read a dataset into canonical order, check it against its facts, and fill in what they leave open.

    The two latest stay in memory, so calling this again costs nothing; their arrays are read-only. A named dataset
    that is not on this machine is downloaded into `data_root()`. Raises UsageError for an unknown name or missing
    path, InvalidInput for data that break their format or their digest, EnvironmentFault when they cannot be had.
    """
    recorded = _own.recorded(name_or_path)
    place = recorded.place if recorded else locate(name_or_path)
    if not place.path.exists():
        raise UsageError(
            f"dataset {str(name_or_path)!r} lay at {place.path}, which is gone. Name the place where it is now."
        )
    dataset = _load(place, data_root(), _loading.stamp(place))
    if recorded and dataset.facts.digest != recorded.facts.digest:
        raise InvalidInput(
            f"{place.path} is not dataset {recorded.facts.name!r} any more: its digest was {recorded.facts.digest}, "
            f"now it is {dataset.facts.digest}. Put the old data back, or name the file itself to use the new data."
        )
    return dataset


@lru_cache(maxsize=2)  # a dataset and one to compare it with; CIFAR-10 takes 184 MB
def _load(place: Place, root: Path, stamp: str) -> Dataset:
    """`root` and `stamp` are there for the cache: other files must not answer for these."""
    dataset = _loading.read(place)
    if not place.name:
        return dataset.with_facts(_own.remember(dataset.facts, place))
    if not _loading.declared(place).digest:
        print(f"{place.name}: digest {dataset.facts.digest} (none is committed to verify it against)", file=sys.stderr)
    return dataset
