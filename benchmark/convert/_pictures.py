"""Reads a folder whose sub-folders are classes and hold PNG or JPEG files: SRe2L, RDED and their kin."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark._strict import read_bytes, shown
from benchmark.errors import InvalidInput

__all__ = ["load"]

SUFFIXES = (".jpeg", ".jpg", ".png")
MAX_FILES = 200_000
LARGEST_FILE = 16 * 2**20
GREY, COLOUR = ("1", "L"), ("P", "RGB")
"""Pillow's modes. Transparency, 16 bits and print colours are refused: turning them into uint8 needs a choice."""
ORIENTATION = 0x0112


def load(folder: Path, shape: tuple[int, int, int]) -> dict[str, Any]:
    """`pictures`: uint8 (N, C, H, W); `folders`: the name of each image's sub-folder. Raises InvalidInput."""
    found: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    for group, file in _files(folder):
        found.append(_pixels(file, shape))
        names.append(group)
    if not found:
        raise InvalidInput(
            f"{folder} holds no images in sub-folders. Fix: name the files themselves, or the folder of the classes."
        )
    return {"pictures": np.stack(found), "folders": names}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    n_files = 0
    for group in _entries(folder):
        if group.is_symlink() or not group.is_dir():
            raise InvalidInput(
                f"{group} stands where the folders of classes are expected. Fix: name the files themselves, or a "
                "folder with one sub-folder of images for each class."
            )
        for file in _entries(group):
            if file.suffix.lower() not in SUFFIXES:
                raise InvalidInput(f"{file} is no image that is read here; allowed: {', '.join(SUFFIXES)}.")
            n_files += 1
            if n_files > MAX_FILES:
                raise InvalidInput(f"{folder} holds more than {MAX_FILES:,} images.")
            yield group.name, file


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _pixels(file: Path, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """One image (C, H, W). Its header is compared with the dataset's shape before a pixel is decoded."""
    from PIL import Image, UnidentifiedImageError

    content = read_bytes(file, LARGEST_FILE)
    channels, height, width = shape
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as opened:
            if opened.size != (width, height):
                raise InvalidInput(
                    f"{file} is {opened.size[0]} wide and {opened.size[1]} high; the dataset's images are "
                    f"{width} by {height}. Nothing is resized here."
                )
            _check_mode(file, opened, channels)
            pixels = np.asarray(opened.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as fault:
        raise InvalidInput(f"{file} is no PNG or JPEG, or broken ({shown(str(fault))}).") from fault
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_mode(file: Path, opened: Any, channels: int) -> None:
    frames, turned = getattr(opened, "n_frames", 1), opened.getexif().get(ORIENTATION, 1)
    if opened.mode not in GREY + COLOUR or "transparency" in opened.info or frames != 1 or turned != 1:
        raise InvalidInput(f"{file} is transparent, animated, turned or not 8 bits. Fix: save it as 8-bit RGB or grey.")
    if channels == 1 and opened.mode not in GREY:
        raise InvalidInput(f"{file} has mode {opened.mode!r}; the dataset's images are grey. Fix: save it as grey.")
