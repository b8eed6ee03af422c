"""What the tests of bad inputs share: a set folder to spoil, and the exact way in which it must be refused."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import datasets, tensor_file
from benchmark.refusals import MOST, Problem
from benchmark.store import Store
from benchmark.submission import check, submit
from benchmark.synthetic_set import Array

__all__ = [
    "CARD",
    "DIGEST",
    "IMAGES",
    "LABELS",
    "LINE",
    "Refused",
    "Spoil",
    "card_text",
    "entry",
    "fine",
    "hashes",
    "judged",
    "packed",
    "with_card",
    "with_file",
    "with_tensors",
]

DIGEST = datasets.facts("digits").digest
IMAGES = np.random.default_rng(0).random((10, 1, 8, 8), dtype=np.float32)
LABELS = np.arange(10)
CARD: dict[str, Any] = {
    "format": 1,
    "dataset": "digits",
    "dataset_digest": DIGEST,
    "space": {"kind": "pixel"},
    "method": "by-hand",
    "ipc": 1,
    "licence": "CC0",
}
LINE = re.compile(r"(E\d{3}) ([^ ]+): (.+)\. Fix: (.+)\.")
Spoil = Callable[[Path], object]
Refused = Callable[..., None]


def fine(folder: Path) -> Path:
    """Write a set folder that nothing is wrong with."""
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(CARD), encoding="utf-8")
    (folder / "tensors.safetensors").write_bytes(tensor_file.to_bytes({"images": IMAGES, "labels": LABELS}))
    return folder


def hashes(root: Path) -> dict[str, str]:
    """Every file below a folder with its sha256 and mtime, links and empty folders with what they are."""
    found = {}
    for path in sorted(root.rglob("*")):
        is_file = path.is_file() and not path.is_symlink()
        what = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else str(path.is_symlink())
        found[str(path.relative_to(root))] = f"{what} {path.lstat().st_mtime_ns}"
    return found


def card_text(**changes: Any) -> str:
    """A card with some fields changed; those that are `...` are left out."""
    return json.dumps({name: value for name, value in {**CARD, **changes}.items() if value is not ...})


def packed(header: Any, buffer: bytes = b"") -> bytes:
    """A tensor file of this header (an object, or its text) and buffer."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + buffer


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def with_card(text: str | bytes | None = None, /, **changes: Any) -> Spoil:
    content = card_text(**changes) if text is None else text
    return with_file("card.json", content)


def with_file(name: str, content: str | bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def with_tensors(
    content: bytes | None = None, /, *, card: Mapping[str, Any] | None = None, **arrays: Array | None
) -> Spoil:
    """Replace the tensor file by this content, or by these arrays (None leaves one out), and fields of the card."""

    def spoil(folder: Path) -> None:
        whole = {"images": IMAGES, "labels": LABELS, **arrays}
        kept = {name: array for name, array in whole.items() if array is not None}
        (folder / "tensors.safetensors").write_bytes(tensor_file.to_bytes(kept) if content is None else content)
        if card:
            (folder / "card.json").write_text(card_text(**card), encoding="utf-8")

    return spoil


def problems_of(call: Callable[[], object]) -> tuple[int, tuple[Problem, ...], str]:
    """Exit code, problems and text of the refusal that a call must end in."""
    from benchmark.errors import DistillBenchError

    try:
        call()
    except DistillBenchError as fault:
        return fault.exit_code, fault.problems, str(fault)
    raise AssertionError("nothing was refused")


def check_refusal(folder: Path, store: Path, code: str, exits: int, where: str = "") -> str:
    """`check` and `submit` refuse alike: this code first, this exit code, one line each, store and folder unchanged."""
    opened = Store(store)
    before, theirs = hashes(store), hashes(folder) if folder.is_dir() else {}
    found = [problems_of(lambda: check(folder, opened)), problems_of(lambda: submit(folder, opened))]
    assert found[0] == found[1], "check and submit differ"
    exit_code, problems, text = found[0]
    assert exit_code == exits, text
    assert code in [problem.code for problem in problems], text
    assert not where or where in [f"{problem.file}:{problem.field}".rstrip(":") for problem in problems], text
    lines = text.splitlines()
    assert len(lines) == min(len(problems), MOST) + (len(problems) > MOST)
    assert all(line.isprintable() and len(line) < 1200 for line in lines)
    assert all(LINE.fullmatch(line) for line in lines[:MOST]), text
    assert hashes(store) == before, "the store has changed"
    assert not folder.is_dir() or hashes(folder) == theirs, "the contributor's folder has changed"
    return text


def judged(folder: Path, store: Store | None = None) -> str:
    """What a check says of a folder that may be anything: "" where it is fine, else the first code.

    Whatever else comes than a refusal with codes and exit code 3, 4 or 5 is a failure of ours.
    """
    from benchmark.errors import DistillBenchError

    try:
        check(folder, store)
    except DistillBenchError as fault:
        lines = str(fault).splitlines()
        assert fault.exit_code in (3, 4, 5) and fault.problems, repr(fault)
        assert all(LINE.fullmatch(line) and len(line) < 1500 for line in lines[:MOST]), lines
        return fault.problems[0].code
    return ""
