"""Images in an `.npz` file: x_train, y_train, x_test, y_test and, if wanted, class_names; docs/datasets.md."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.datasets._canonical import Dataset, Raw
from benchmark.errors import InvalidInput

__all__ = ["read", "write"]

_NEEDED = ("x_train", "y_train", "x_test", "y_test")
_FORM = "x_train, y_train, x_test, y_test: uint8 images (N, H, W, C) or (N, H, W), and integer labels (N,)"


def read(file: Path) -> Raw:
    """Read a file's arrays; never unpickles. Raises InvalidInput saying what is wrong with the file."""
    arrays = _arrays(file)
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        raise InvalidInput(f"{file}: array {missing[0]!r} is missing. An .npz dataset holds {_FORM}.")
    names = arrays.get("class_names", np.array([], dtype="U1"))
    if names.ndim != 1 or (names.size and names.dtype.kind != "U"):
        raise InvalidInput(f"{file}: class_names is {names.dtype} {names.shape}; it must be a list of texts.")
    if len(set(names.tolist())) != names.size:
        raise InvalidInput(f"{file}: class_names has a name twice.")
    return Raw(
        str(file),
        (_images(file, "x_train", arrays["x_train"]), _images(file, "x_test", arrays["x_test"])),
        (_labels(file, "y_train", arrays["y_train"]), _labels(file, "y_test", arrays["y_test"])),
        tuple(names.tolist()),
    )


def write(file: Path, dataset: Dataset) -> None:
    """Write a dataset whole or not at all: staged beside its place, then renamed. Raises OSError."""
    staged = file.with_name(f".{file.name}.{os.getpid()}")
    content: dict[str, npt.NDArray[Any]] = {
        "x_train": dataset.train.images.transpose(0, 2, 3, 1),
        "y_train": dataset.train.labels,
        "x_test": dataset.test.images.transpose(0, 2, 3, 1),
        "y_test": dataset.test.labels,
        "class_names": np.array(dataset.facts.classes),
    }
    try:
        with staged.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **content)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)


def _arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    if not file.is_file():
        raise InvalidInput(f"{file}: there is no such file.")
    try:
        with file.open("rb") as stream:  # numpy leaves a file that it opened itself open when the content is broken
            found = np.load(stream, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise InvalidInput(f"{file} holds one array, not an .npz. It must hold {_FORM}.")
            return {key: found[key] for key in (*_NEEDED, "class_names") if key in found.files}
    except ValueError as fault:
        reason = "it holds Python objects, which are never loaded" if "allow_pickle" in str(fault) else str(fault)
        raise InvalidInput(
            f"{file} cannot be read: {reason}. Write it anew with numpy.savez and plain arrays."
        ) from fault
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as fault:
        raise InvalidInput(f"{file} is truncated or no .npz file ({fault}). Write or copy it anew.") from fault


def _images(file: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(N, H, W, C) or (N, H, W) to (N, C, H, W)."""
    if array.dtype != np.uint8:
        raise InvalidInput(f"{file}: {key} has dtype {array.dtype}; images must be uint8, 0..255.")
    if array.ndim not in (3, 4):
        raise InvalidInput(f"{file}: {key} has shape {array.shape}; images must be (N, H, W, C) or (N, H, W).")
    if array.ndim == 3:
        return array[:, None]
    if array.shape[3] > 4 and array.shape[1] in (1, 3):
        raise InvalidInput(
            f"{file}: {key} has shape {array.shape}; it looks like (N, C, H, W): transpose(0, 2, 3, 1) it."
        )
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


def _labels(file: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InvalidInput(
            f"{file}: {key} is {array.dtype} {array.shape}; labels must be whole numbers in one dimension."
        )
    return array.astype(np.int64)
