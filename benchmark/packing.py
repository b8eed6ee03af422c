"""Packs a store into the small, read-only form that ships with the repository. Free of torch.

Sets, made records and result rows are copied as they are; outcomes go into one Parquet file for each set
(`benchmark/packed.py`), without those that hold arrays. What a dataset's licence does not let us pass on stays out: of
such a dataset, sets are packed without pictures of real images, and those that hold real images themselves not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import datasets, durable
from benchmark.errors import InvalidInput, PolicyRefusal, UsageError
from benchmark.packed import COLUMNS, FOLDER
from benchmark.store import Store
from benchmark.values import canonical_json

__all__ = ["MOST_BYTES", "MOST_FILES", "Packed", "pack"]

MOST_BYTES = 25 * 2**20
MOST_FILES = 2000
"""What the reference store may take in the repository."""
PARTS = ("FORMAT", "sets", "made", "results", "status", "scans", FOLDER)
LEARNED = ("hallucinator", "identity")
"""Decoders whose sets hold no real image as such."""
REAL = "real"
"""Name of the file for trainings on real images alone."""


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    n_sets: int
    n_outcomes: int
    n_left_out: int
    """Outcomes with arrays."""
    n_files: int
    n_bytes: int


def pack(source: Store, out: Path) -> Packed:
    """Put the content of a store itself, packed, in place of what `out` held of an older one; README.md stays.

    Raises UsageError where `out` is a folder of something else, InvalidInput where the result would be too large,
    PolicyRefusal for a set that must not be passed on. Then `out` is as it was.
    """
    if out.is_dir() and not (out / "FORMAT").exists() and any(file.name != "README.md" for file in out.iterdir()):
        raise UsageError(f"{out} is neither empty nor a store. Name another folder.")
    durable.make_folder(out)
    with durable.staging_folder(out.parent) as folder:
        shutil.copy(source.root / "FORMAT", folder / "FORMAT")
        n_sets = sum(1 for name in source.set_digests() if _copy_set(source, name, folder))
        for part in ("made", "results", "status", "scans"):
            if (source.root / part).is_dir():
                shutil.copytree(source.root / part, folder / part)
        n_outcomes, n_left_out = _pack_outcomes(source.root, folder / FOLDER)
        files = [file for file in folder.rglob("*") if file.is_file()]
        n_bytes = sum(file.stat().st_size for file in files)
        if len(files) > MOST_FILES or n_bytes > MOST_BYTES:
            raise InvalidInput(
                f"the store would take {len(files)} files and {n_bytes:,} bytes; at most {MOST_FILES} and "
                f"{MOST_BYTES:,}. Fix: ask less of the plan."
            )
        for part in PARTS:
            _replace(folder / part, out / part)
    return Packed(n_sets, n_outcomes, n_left_out, len(files), n_bytes)


def _copy_set(source: Store, name: str, folder: Path) -> bool:
    """Copy a set, without its preview where that would show what may not be passed on."""
    card, place = source.read_card(name), source.root / "sets" / name
    if not place.is_dir():
        return False
    shows_real = card.decoder.name not in LEARNED
    may_show = datasets.facts(card.dataset).redistributable or not shows_real
    if not may_show and card.decoder.name != "indices":
        raise PolicyRefusal(f"set {name[:12]}… holds images of {card.dataset!r}, which may not be passed on.")
    hidden = () if may_show else ("preview.png",)
    shutil.copytree(place, folder / "sets" / name, ignore=shutil.ignore_patterns(*hidden))
    return True


def _pack_outcomes(root: Path, folder: Path) -> tuple[int, int]:
    """Write the Parquet files; returns how many outcomes went in, and how many hold arrays and did not."""
    import pyarrow
    from pyarrow import parquet

    rows: dict[str, list[dict[str, str]]] = {}
    n_left_out = 0
    for file in sorted(root.glob("outcomes/*/*.json")):
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["outcome"]["arrays"]:
            n_left_out += 1
            continue
        subject = next(_sets_of(stored["outcome"]["training"]), REAL)
        rows.setdefault(subject, []).append(_row(stored))
    folder.mkdir()
    for subject, found in rows.items():
        found.sort(key=lambda row: (row["name"], row["record"]))
        columns = {name: pyarrow.array([row[name] for row in found], pyarrow.string()) for name in COLUMNS}
        file = folder / f"{subject}.parquet"
        parquet.write_table(pyarrow.table(columns), file, compression="zstd", write_page_checksum=True)
    return sum(map(len, rows.values())), n_left_out


def _row(stored: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": stored["outcome"]["name"],
        "record": canonical_json(stored["outcome"]),
        "sha256": stored["sha256"],
        "device": stored["device"],
        "cost": canonical_json(stored["cost"]),
    }


def _sets_of(value: Any) -> Iterator[str]:
    """Digests of the sets that a training stands on, in the order in which its JSON names them."""
    if isinstance(value, dict):
        if value.get("kind") == "stored":
            yield value["digest"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _sets_of(item)


def _replace(staged: Path, target: Path) -> None:
    """Move a part into place; an older one goes."""
    if target.is_dir():
        shutil.rmtree(target)
    if staged.exists():
        staged.replace(target)
