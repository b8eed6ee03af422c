"""Named datasets that torchvision downloads: fetched once, kept as `<data root>/<name>.npz`.

torchvision is imported only when that file is not there yet. Its own code downloads, checks md5 sums and reads; the
result is sorted, checked against our facts, and written whole, so a killed download leaves nothing that is read later.
"""

from __future__ import annotations

import contextlib
import http.client
import inspect
import os
import pickle
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.datasets import _npz
from benchmark.datasets._canonical import Raw, build
from benchmark.datasets._facts import DatasetFacts
from benchmark.datasets._place import ENVIRONMENT, data_root
from benchmark.durable import one_at_a_time
from benchmark.errors import EnvironmentFault, InvalidInput

__all__ = ["read"]


def read(facts: DatasetFacts, class_name: str) -> Raw:
    """Read `<data root>/<name>.npz`, having made it through torchvision's class of this name if it is missing.

    Raises EnvironmentFault when the data cannot be downloaded or the data root not be written, InvalidInput when
    what is there is not the dataset.
    """
    if not facts.name:
        raise InvalidInput(
            f"{facts.title}: loader 'torchvision' is for named datasets. Put the TOML file into a folder datasets/ "
            "of plug-ins (--plugins), and ask for its name."
        )
    file = data_root() / f"{facts.name}.npz"
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(
                file, lambda: print(f"waiting for another process that gets {file.name}", file=sys.stderr)
            ):
                if not file.exists():  # another process may have made it meanwhile
                    _make(file, facts, class_name)
        except OSError as fault:
            raise EnvironmentFault(
                f"cannot write to {file.parent} ({fault}). Make room, or set {ENVIRONMENT} to another folder."
            ) from fault
    return _npz.read(file)


def _make(file: Path, facts: DatasetFacts, class_name: str) -> None:
    """Take the data from torchvision's files in the data root, or download them, and write our file."""
    kind = _torchvision_class(facts, class_name)
    raw = _from_files(facts, kind, file.parent)
    staging = file.parent / "downloads" / facts.name
    if raw is None:
        shutil.rmtree(staging, ignore_errors=True)  # what a killed download left may be cut short
        staging.mkdir(parents=True)
        raw = _downloaded(facts, kind, staging)
    _npz.write(file, build(facts, raw))
    shutil.rmtree(staging, ignore_errors=True)


def _torchvision_class(facts: DatasetFacts, class_name: str) -> Any:
    try:
        import torchvision.datasets
    except ImportError as fault:
        raise EnvironmentFault(
            f"{facts.title} is downloaded through torchvision, which cannot be imported ({fault})."
        ) from fault
    kind = getattr(torchvision.datasets, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, torchvision.datasets.VisionDataset)):
        raise InvalidInput(f"dataset {facts.name!r}: options.class = {class_name!r} is no dataset of torchvision.")
    return kind


def _from_files(facts: DatasetFacts, kind: Any, root: Path) -> Raw | None:
    """What lies in torchvision's own layout in the data root; None where it is missing or broken, to be got anew."""
    # torchvision says "not found" and "wrong checksum" by RuntimeError; a file cut short gives any of the others.
    try:
        return _both(facts, kind, root, download=False)
    except (RuntimeError, AssertionError, EOFError, LookupError, OSError, TypeError, ValueError, pickle.PickleError):
        return None


def _downloaded(facts: DatasetFacts, kind: Any, staging: Path) -> Raw:
    root = staging.parent.parent
    print(f"downloading {facts.title} from {facts.source} into {root}, once", file=sys.stderr)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            quiet = contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(nowhere)
            with quiet:  # torchvision's progress bar is for terminals
                return _both(facts, kind, staging, download=True)
    except (RuntimeError, OSError, EOFError, http.client.HTTPException) as fault:
        raise EnvironmentFault(
            f"{facts.title} cannot be downloaded ({' '.join(str(fault).split())[:300]}). Run again with a network, or "
            f"put {facts.name}.npz into {root}, or set {ENVIRONMENT} to the folder that has it (see docs/datasets.md)."
        ) from fault


def _both(facts: DatasetFacts, kind: Any, root: Path, download: bool) -> Raw:
    """Train and test as torchvision reads them; most of its classes take `train`, some take `split`."""
    images, labels = [], []
    by_split = "split" in inspect.signature(kind).parameters
    with warnings.catch_warnings():
        # numpy 2.4.0 to 2.4.4 warn about the old pickles of CIFAR (numpy/numpy#29301, undone in #31177)
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        for split in ("train", "test"):
            choice = {"split": split} if by_split else {"train": split == "train"}
            found = kind(str(root), download=download, **choice)
            images.append(_channels_first(facts, np.asarray(found.data)))
            targets = found.labels if hasattr(found, "labels") else found.targets
            labels.append(np.asarray(targets, dtype=np.int64))
    return Raw(f"torchvision's {facts.title} in {root}", (images[0], images[1]), (labels[0], labels[1]))


def _channels_first(facts: DatasetFacts, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """torchvision keeps images as (N, H, W), (N, H, W, C) or (N, C, H, W); the facts tell which these are."""
    channels, height, width = facts.shape
    if images.dtype == np.uint8 and images.shape[1:] == (height, width) and channels == 1:
        return images[:, None]
    if images.dtype == np.uint8 and images.shape[1:] == (height, width, channels):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.dtype == np.uint8 and images.shape[1:] == facts.shape:
        return np.ascontiguousarray(images)
    raise InvalidInput(
        f"torchvision gives {facts.title} as {images.dtype} {images.shape}; its shape is stated as {facts.shape}."
    )
