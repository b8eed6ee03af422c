"""What travels between machines: sets, outcomes and datasets by name, and what a piece of work added to a store.

A parcel is called `set/<digest>`, `outcome/<name>` or `dataset/<name>`. Its files are the store's own (safetensors and
JSON) and the `.npz` of a dataset; whoever receives them checks digests and hashes before they enter a store, and
nothing in them is ever executed. With store.py the only code that knows the layout of a store.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark import _outcome_file, datasets
from benchmark._strict import parse_json
from benchmark.datasets import parcel
from benchmark.errors import InvalidInput
from benchmark.store import Store
from benchmark.values import to_json

__all__ = ["Files", "added", "is_here", "merge", "needed", "pack", "unpack"]

Files = Mapping[str, bytes]
"""By relative path."""

_PATH = re.compile(r"(sets|made|outcomes)(/[A-Za-z0-9][A-Za-z0-9._-]*){2}")


def needed(values: Any, store: Store) -> list[str]:
    """The sets and datasets that values of a plan stand on, sorted."""
    return sorted(set(_named(to_json(values), store)))


def _named(value: Any, store: Store) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("kind") == "real":
            yield f"dataset/{value['dataset']}"
        if value.get("kind") == "stored":
            yield f"set/{value['digest']}"
            yield f"dataset/{store.read_card(value['digest']).dataset}"
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _named(item, store)


def is_here(name: str, store: Store) -> bool:
    """Whether a parcel need not be sent."""
    kind, _, what = name.partition("/")
    if kind == "dataset":
        return parcel.is_here(what)
    return store.has_set(what) if kind == "set" else store.read_outcome(what) is not None


def pack(name: str, store: Store) -> Files:
    """The files of a parcel; raises InvalidInput where there is no such set or outcome."""
    kind, _, what = name.partition("/")
    if kind == "dataset":
        return parcel.pack(datasets.load(what))
    pattern = f"sets/{what}/*" if kind == "set" else f"outcomes/{what[:2]}/{what}-*"
    for root in store.roots:
        found = {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.glob(pattern))}
        if found:
            return found
    raise InvalidInput(f"there is no {kind} {what[:12]}… in {store.root}.")


def unpack(name: str, files: Files, store: Store) -> None:
    """Take a parcel in; raises InvalidInput where it is damaged."""
    kind, _, what = name.partition("/")
    if kind == "dataset":
        datasets.load(parcel.unpack(what, files))
    else:
        merge(files, store)


def added(store: Store) -> Files:
    """All sets, made records and outcomes of a store itself."""
    files = (file for kind in ("sets", "made", "outcomes") for file in sorted(store.root.glob(f"{kind}/*/*")))
    return {str(file.relative_to(store.root)): file.read_bytes() for file in files}


def merge(files: Files, store: Store) -> list[str]:
    """Take sets, made records and outcomes in, each checked; returns a line for each outcome that is another there.

    Raises InvalidInput for a set that is damaged, or a path that is no store's.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            if not _PATH.fullmatch(path):
                raise InvalidInput(f"{path!r} is no file of a store.")
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return _merge_stores(Store(folder, [store.root]), store)


def _merge_stores(source: Store, target: Store) -> list[str]:
    """What lies in the folder of `source` itself; it reads through to `target`, for a record may name a set there."""
    for name in sorted(folder.name for folder in source.root.glob("sets/*")):
        drawn = source.preview(name)
        target.write_set(source.read_set(name), drawn.read_bytes() if drawn else None)
    for file in sorted(source.root.glob("made/*/*.json")):
        record = source.read_made(file.stem)
        if record is None:
            raise InvalidInput(f"{file.name} is damaged, or names a set that did not come with it.")
        target.write_made(file.stem, record)
    lines = (_merge_outcome(file, target) for file in sorted(source.root.glob("outcomes/*/*.json")))
    return [line for line in lines if line]


def _merge_outcome(file: Path, target: Store) -> str:
    """Take one outcome in; one of the same numerics that is there already must be equal, or the line says so."""
    stored = parse_json(file.read_bytes(), file.name)
    try:
        body, cost = stored["outcome"], stored["cost"]
        name, training, numerics = body["name"], body["training"], body["numerics"]
    except (KeyError, TypeError) as fault:
        raise InvalidInput(f"{file.name} is no outcome.") from fault
    outcome = _outcome_file.read(file, name)
    if outcome is None:
        raise InvalidInput(f"{file.name} is damaged.")
    target.write_outcome(name, training, outcome, cost)
    kept = target.root / "outcomes" / file.parent.name / file.name
    if parse_json(kept.read_bytes(), kept.name)["sha256"] != stored["sha256"]:
        return f"{name[:12]}… seed {outcome.seed}: trained again, another result under {numerics}"
    return ""
