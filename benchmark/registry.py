"""Finds plug-ins by their file names, and reads what they are without importing them.

A plug-in is one file. Its name is the file's name with `-` for `_`; its summary is the first line of its docstring
(or the `summary` key of a TOML file); its version is the integer `VERSION` at module level. Listing therefore never
imports torch. What a file must define stands in `KINDS`.

Plug-ins of outsiders are found in the folders that `add_folder` (the option `--plugins`), the environment variable
`DISTILLBENCH_PLUGINS` (paths joined as in PATH) or an entry point of the group `distillbench.plugins` names. Such a
folder holds sub-folders by kind: `evaluators/`, `baselines/`, `architectures/`, and so on. No two plug-ins of a kind
may have one name, so that a stored name never means two things.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
import threading
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.errors import InvalidInput, UsageError, unknown_name

__all__ = [
    "KINDS",
    "Kind",
    "add_folder",
    "is_ours",
    "load",
    "module",
    "names",
    "only",
    "path",
    "plugin_folders",
    "read_toml",
    "summary",
    "version",
]

ENTRY_POINTS = "distillbench.plugins"
ENVIRONMENT = "DISTILLBENCH_PLUGINS"
_ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """Where the plug-ins of one kind live, and what each file defines."""

    room: str
    """Python package that holds the built-in ones; its last part names the sub-folder of outsiders."""
    suffix: str
    """`.py` or `.toml`."""
    defines: str | None = None
    """A function's name, or `module:Class` for a subclass of that class; None for TOML."""

    @property
    def folder(self) -> str:
        return self.room.rpartition(".")[2]


KINDS: dict[str, Kind] = {
    "architecture": Kind("benchmark.architectures", ".py", "build"),
    "augmentation": Kind("benchmark.augmentations", ".py", "benchmark.augmentation:Augmentation"),
    "baseline": Kind("baselines", ".py", "benchmark.baseline:Baseline"),
    "dataset": Kind("benchmark.datasets", ".toml"),
    "decoder": Kind("benchmark.decoders", ".py", "decode"),
    "evaluator": Kind("evaluators", ".py", "benchmark.evaluator:Evaluator"),
    "probe": Kind("benchmark.probes", ".py", "probe"),
    "recipe": Kind("benchmark.recipes", ".toml"),
}

_extra_folders: list[Path] = []
_IMPORTING = threading.RLock()


def add_folder(folder: str | Path) -> None:
    """Search `folder` for plug-ins too, after the built-in ones; raises UsageError where it cannot hold any.

    The folder is written into the environment as well, so that worker processes see the same plug-ins.
    """
    resolved = _checked_folder(Path(folder).expanduser().resolve(), "--plugins")
    if resolved not in plugin_folders():
        _extra_folders.append(resolved)
        os.environ[ENVIRONMENT] = os.pathsep.join(str(found) for found in plugin_folders())
        _files.cache_clear()


def only(folders: Sequence[str]) -> None:
    """Search these folders in place of all that were added, or named in the environment, so far.

    For a process that works for one client after another. One that holds no plug-ins is left out; those of entry
    points stay, for they are part of what is installed here.
    """
    resolved = [Path(folder).resolve() for folder in folders]
    _extra_folders[:] = [folder for folder in resolved if _holds_plugins(folder)]
    os.environ[ENVIRONMENT] = os.pathsep.join(str(folder) for folder in _extra_folders)
    _files.cache_clear()


def plugin_folders() -> list[Path]:
    """Folders of outsiders' plug-ins in the order in which they are searched."""
    named = [Path(part).expanduser().resolve() for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    found = [*_extra_folders, *(_checked_folder(folder, ENVIRONMENT) for folder in named), *_entry_point_folders()]
    return list(dict.fromkeys(found))


def _checked_folder(folder: Path, origin: str) -> Path:
    """The folder; a mistyped one would otherwise only show as names that are not known."""
    if not _holds_plugins(folder):
        kinds = [kind.folder for kind in KINDS.values()]
        what = "holds no plug-ins" if folder.is_dir() else "is not a folder"
        raise UsageError(f"{origin}: {str(folder)!r} {what}. Name one with sub-folders such as {', '.join(kinds)}.")
    return folder


def _holds_plugins(folder: Path) -> bool:
    return any((folder / kind.folder).is_dir() for kind in KINDS.values())


@cache
def _entry_point_folders() -> tuple[Path, ...]:
    """Folders of the packages that entry points name, found without importing the packages."""
    folders: list[Path] = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            spec = importlib.util.find_spec(point.module)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.submodule_search_locations is None:
            raise InvalidInput(
                f"entry point {point.name!r} of {ENTRY_POINTS} names {point.module!r}, which is no installed package. "
                "Fix: install it again, or uninstall what declares the entry point."
            )
        folders += [Path(place).resolve() for place in spec.submodule_search_locations]
    return tuple(folders)


@cache
def _files(kind: str) -> dict[str, Path]:
    """Every plug-in of a kind: name -> file; raises InvalidInput for a name that is taken, or is none."""
    where = KINDS[kind]
    found: dict[str, Path] = {}
    for folder in [_ROOT.joinpath(*where.room.split(".")), *(extra / where.folder for extra in plugin_folders())]:
        for file in sorted(folder.glob(f"*{where.suffix}")):
            if file.name.startswith(("_", ".")) or not file.is_file():  # private, or left by an editor or a system
                continue
            name = file.stem.replace("_", "-")
            if not _NAME.fullmatch(name):
                raise InvalidInput(
                    f"{kind} {file}: a file's name is the plug-in's, in lower-case letters, digits and '_'. Rename it."
                )
            if found.setdefault(name, file) != file:
                raise InvalidInput(f"{kind} {file} takes the name {name!r} of {found[name]}. Rename one of them.")
    return found


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise unknown_name("kind of plug-in", kind, KINDS)


def names(kind: str) -> list[str]:
    """Names of all plug-ins of a kind, sorted."""
    _check_kind(kind)
    return sorted(_files(kind))


def path(kind: str, name: str) -> Path:
    """The file of a plug-in; raises UsageError naming the nearest name when there is none."""
    _check_kind(kind)
    if name not in _files(kind):
        raise unknown_name(kind, name, _files(kind))
    return _files(kind)[name]


def is_ours(kind: str, name: str) -> bool:
    """Whether a plug-in of this name comes with the project; no such name: it does not."""
    _check_kind(kind)
    return name in _files(kind) and _files(kind)[name].parent == _room(kind)


def _room(kind: str) -> Path:
    return _ROOT.joinpath(*KINDS[kind].room.split("."))


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML plug-in; raises InvalidInput naming the file."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InvalidInput(f"{file} is not valid TOML: {fault}.") from fault
    except OSError as fault:
        raise InvalidInput(f"{file} cannot be read ({fault.strerror}).") from fault


def _described(file: Path) -> tuple[str, Any]:
    """The docstring of a Python file and the value of its `VERSION`, read without importing it."""
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except OSError as fault:
        raise InvalidInput(f"plug-in {file} cannot be read ({fault.strerror}).") from fault
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError) as fault:
        raise InvalidInput(f"plug-in {file} is not valid Python: {fault}.") from fault


@lru_cache(maxsize=512)  # every key of an outcome asks for several versions
def _parsed(file: Path, stamp: int) -> tuple[str, Any]:
    """`stamp` is there for the cache: a file that was edited is read again."""
    tree, found = ast.parse(file.read_bytes()), None
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "VERSION" for target in targets):
            value = getattr(statement, "value", None)
            found = value.value if isinstance(value, ast.Constant) else None
    return ast.get_docstring(tree) or "", found


def summary(kind: str, name: str) -> str:
    """The first line of a plug-in's docstring, or its `summary` key; read without importing it."""
    file = path(kind, name)
    text = str(read_toml(file).get("summary", "")) if file.suffix == ".toml" else _described(file)[0]
    return text.strip().partition("\n")[0]


def version(kind: str, name: str) -> int:
    """The plug-in's `VERSION` (a TOML file's `version`, or 1); results move with it.

    Read without importing it. Of a plug-in that this process runs it is the version that runs, whatever its file says
    by now.
    """
    file = path(kind, name)
    is_toml = file.suffix == ".toml"
    running = None if is_toml else sys.modules.get(_module_name(kind, file))
    if running is not None and running.__file__ == str(file) and hasattr(running, "VERSION"):
        found = running.VERSION
    else:
        found = read_toml(file).get("version", 1) if is_toml else _described(file)[1]
    if type(found) is not int or found < 1:
        wanted = "`version = 1`, or none," if is_toml else "`VERSION = 1` at module level"
        raise InvalidInput(f"{kind} {name!r} ({file}) needs a line {wanted} with a whole number from 1.")
    return found


def module(kind: str, name: str) -> ModuleType:
    """Import the module of a Python plug-in; raises InvalidInput saying in which line it fails."""
    file = path(kind, name)
    full_name = _module_name(kind, file)
    try:
        return importlib.import_module(full_name) if file.parent == _room(kind) else _outsider(file, full_name)
    except (Exception, SystemExit) as fault:
        lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == str(file)]
        at = f" in line {lines[-1]}" if lines else ""
        raise InvalidInput(f"plug-in {file} fails on import{at}: {type(fault).__name__}: {fault}.") from fault


def _module_name(kind: str, file: Path) -> str:
    where = KINDS[kind]
    room = where.room if file.parent == _room(kind) else f"distillbench_plugins.{where.folder}"
    return f"{room}.{file.stem}"


def _outsider(file: Path, full_name: str) -> ModuleType:
    """Import a file from outside, in place of a module of that name that came from another folder."""
    with _IMPORTING:  # or a second thread would find the module before all of it has run
        known = sys.modules.get(full_name)
        return known if known is not None and known.__file__ == str(file) else _imported(file, full_name)


def _imported(file: Path, full_name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(full_name, file)
    if spec is None or spec.loader is None:
        raise ImportError("no loader for this file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = loaded  # before it runs: dataclasses look their module up
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[full_name]
        raise
    return loaded


def load(kind: str, name: str) -> Any:
    """What a Python plug-in defines: its function, or its one class of the kind (not an instance)."""
    defines = KINDS[kind].defines
    if defines is None:
        raise UsageError(f"a {kind} is a TOML file; read it with registry.path({kind!r}, {name!r}).")
    found = module(kind, name)
    if ":" not in defines:
        if not callable(getattr(found, defines, None)):
            raise InvalidInput(f"{kind} {name!r} ({path(kind, name)}) defines no function `{defines}`.")
        return getattr(found, defines)
    base_module, _, base_name = defines.partition(":")
    base = getattr(importlib.import_module(base_module), base_name)
    classes = list(_own_subclasses(found, base))
    if len(classes) != 1:
        raise InvalidInput(
            f"{kind} {name!r} ({path(kind, name)}) must define exactly one public class deriving from {base_name}; "
            f"it defines {len(classes)}."
        )
    return classes[0]


def _own_subclasses(found: ModuleType, base: type) -> Iterator[type]:
    for name, value in vars(found).items():
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == found.__name__ and name[0] != "_":
            yield value
