"""Where a dataset's description and data lie: registry, path, and the data root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmark import registry
from benchmark.errors import UsageError, unknown_name

__all__ = ["ENVIRONMENT", "Place", "data_root", "locate", "stamp_of"]

ENVIRONMENT = "DISTILLBENCH_DATA"


@dataclass(frozen=True)
class Place:
    """Where to begin reading a dataset."""

    name: str
    """Its registry name; empty for a user's own data, whose stored name follows from their digest."""
    path: Path
    """Absolute: a TOML file, an `.npz` file or an image folder."""


def stamp_of(path: Path) -> str:
    """A text that changes when the file, or a file of the folder, is replaced; empty where there is none."""
    if path.is_dir():
        return "\n".join(f"{file} {stamp_of(file)}" for file in sorted(path.rglob("*")) if file.is_file())
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def data_root() -> Path:
    """The folder of downloaded data: DISTILLBENCH_DATA, or distillbench/data in the user's cache folder."""
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT]).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distillbench" / "data"


def locate(name_or_path: str | Path) -> Place:
    """Tell a registered name from a path; a text that is both is the name. Raises UsageError when it is neither."""
    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in registry.names("dataset"):
        return Place(text, registry.path("dataset", text))
    path = Path(text).expanduser().absolute()
    means_path = isinstance(name_or_path, Path) or "/" in text or os.sep in text or path.suffix in (".npz", ".toml")
    if not means_path and not path.is_dir():
        hint = "Your own data are named by a path: an .npz file, a .toml file or an image folder."
        raise UsageError(f"{unknown_name('dataset', text, registry.names('dataset'))} {hint}")
    if not path.exists():
        raise UsageError(f"dataset {text!r}: there is no such file or folder.")
    if not path.is_dir() and path.suffix not in (".npz", ".toml"):
        raise UsageError(f"dataset {text!r} is neither an .npz file, nor a .toml file, nor an image folder.")
    return Place("", path)
