"""Images in folders: train/<class>/*.png and test/<class>/*.png; docs/datasets.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.datasets._canonical import Raw
from benchmark.errors import InvalidInput

__all__ = ["read"]

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
_GREY, _COLOUR = ("1", "L"), ("P", "RGB")
"""Pillow's modes. Transparency, 16 bits and print colours are refused: turning them into uint8 RGB needs a choice."""


def read(folder: Path) -> Raw:
    """Read every image; grey where all of them are, else RGB. Class ids follow the sorted names of train's folders.

    Raises InvalidInput naming the first file or folder that does not fit.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: there is no such folder.")
    files = {split: _files(folder / split) for split in ("train", "test")}
    names = tuple(sorted({name for name, _ in files["train"]}))
    strange = sorted({name for name, _ in files["test"]} - set(names))
    if strange:
        raise InvalidInput(f"{folder / 'test' / strange[0]}: train/ has no class of this name.")
    grey = _is_all_grey([file for found in files.values() for _, file in found])
    images = tuple(_stack([file for _, file in files[split]], grey) for split in ("train", "test"))
    labels = tuple(
        np.array([names.index(name) for name, _ in files[split]], dtype=np.int64) for split in ("train", "test")
    )
    return Raw(str(folder), (images[0], images[1]), (labels[0], labels[1]), names)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """(class name, file) of every image, sorted; hidden files are passed over, anything else strange is refused."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is missing. An image folder holds train/<class>/*.png and test/<class>/*.png.")
    found = []
    for group in sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".")):
        if not group.is_dir():
            raise InvalidInput(f"{group}: expected a folder named after a class.")
        for file in sorted(entry for entry in group.iterdir() if not entry.name.startswith(".")):
            if file.suffix.lower() not in _SUFFIXES:
                raise InvalidInput(f"{file} is no image that is read here; allowed: {', '.join(_SUFFIXES)}.")
            found.append((group.name, file))
    if not found:
        raise InvalidInput(f"{folder} holds no image.")
    return found


def _is_all_grey(files: list[Path]) -> bool:
    from PIL import Image, UnidentifiedImageError

    modes = set()
    for file in files:
        try:
            with Image.open(file) as opened:
                modes.add(opened.mode)
        except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as fault:
            raise InvalidInput(f"{file} cannot be read as an image ({fault}).") from fault
        if opened.mode not in _GREY + _COLOUR or "transparency" in opened.info:
            raise InvalidInput(f"{file} has mode {opened.mode!r} or is transparent; save it as 8-bit grey or RGB.")
    return modes <= set(_GREY)


def _stack(files: list[Path], grey: bool) -> npt.NDArray[np.uint8]:
    """Images (N, C, H, W) of files that must all have the size of the first."""
    from PIL import Image

    found: list[npt.NDArray[np.uint8]] = []
    for file in files:
        try:
            with Image.open(file) as opened:
                pixels = np.asarray(opened.convert("L" if grey else "RGB"), dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as fault:
            raise InvalidInput(f"{file} is truncated or broken ({fault}).") from fault
        if found and pixels.shape != found[0].shape:
            raise InvalidInput(
                f"{file} has (height, width) {pixels.shape[:2]}, {files[0]} has {found[0].shape[:2]}. "
                "All images need one size: resize them first."
            )
        found.append(pixels)
    stacked = np.stack(found)
    return stacked[:, None] if grey else np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))
