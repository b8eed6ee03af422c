"""Set folders that were tampered with, as hypothesis draws them: a good folder, and one to four mutations of it.

Shared by the gate (a few hundred) and by the bar `bad_inputs_fuzz` (100,000): a mutation touches the bytes, the header,
the arrays or the card, so that some cases get past each stage of the check.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmark import tensor_file
from benchmark.synthetic_set import Array
from tests.benchmark.bad_inputs import CARD, IMAGES, LABELS

__all__ = ["Folder", "Mutation", "mutations", "tampered"]

TEXTS = [
    "",
    "x",
    "=1+1",
    "<b>",
    "\u202e",
    "\ud800",
    "../x",
    "javascript:1",
    "1e999",
    "NaN",
    "\x00",
    "é" * 300,
    "hf_" + "a" * 30,
]
NUMBERS = [0, -1, 1, 2, 10, 255, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, True, None]
LENGTHS = [0, 1, 2, 2**20, 2**20 + 1, 2**31, 2**63, 2**64 - 1]
DTYPES = [*tensor_file.DTYPES, "BOOL", "F8_E4M3", "C64", "ZZ", ""]


@dataclass(repr=False)
class Folder:
    """What will be written: parts that mutations change in place; raw bytes take the place of what they stand for."""

    card: Any = field(default_factory=lambda: copy.deepcopy(CARD))
    arrays: dict[str, Array] = field(default_factory=lambda: {"images": IMAGES.copy(), "labels": LABELS.copy()})
    header: Any = None
    data: bytes = b""
    tensors_raw: bytes | None = None
    card_raw: bytes | None = None

    def __repr__(self) -> str:
        forms = {name: (str(array.dtype), array.shape) for name, array in self.arrays.items()}
        return f"Folder(card={self.card_text()!r:.800}, arrays={forms}, tensors={self.tensors()[:200]!r})"

    def unpack(self) -> None:
        """Turn arrays into a header and data, where that has not happened."""
        if self.header is None:
            self.header = {}
            for name, array in self.arrays.items():
                dtype = next(ours for ours, numpys in tensor_file.DTYPES.items() if np.dtype(numpys) == array.dtype)
                offsets = [len(self.data), len(self.data) + array.nbytes]
                self.header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
                self.data += array.tobytes()

    def tensors(self) -> bytes:
        if self.tensors_raw is not None:
            return self.tensors_raw
        self.unpack()
        text = json.dumps(self.header).encode()
        return struct.pack("<Q", len(text)) + text + self.data

    def card_text(self) -> bytes:
        return self.card_raw if self.card_raw is not None else json.dumps(self.card).encode()

    def write(self, place: Path) -> None:
        (place / "tensors.safetensors").write_bytes(self.tensors())
        (place / "card.json").write_bytes(self.card_text())


Mutation = Callable[[Folder], None]
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))
plain = st.one_of(st.sampled_from(NUMBERS), texts)
values = st.one_of(plain, st.lists(plain, max_size=4), st.dictionaries(texts, plain, max_size=3))
shapes = st.lists(st.sampled_from([0, 1, 8, 10, 64, -1, 2**33, 2**40, 10**30]), max_size=9)


@st.composite
def of_card(draw: st.DrawFn) -> Mutation:
    """Change, add or drop a field, or something inside one."""
    names = [
        *CARD,
        *CARD,
        "labels",
        "decoder",
        "schedule",
        "classes",
        "title",
        "source",
        "cost",
        "claims",
        "date",
        "notes",
    ]
    name, value = draw(st.one_of(st.sampled_from(names), texts)), draw(values)
    inner = draw(st.sampled_from(["kind", "mean", "std", "name", "options", "temperature", "metric", "value", ""]))

    def mutate(folder: Folder) -> None:
        if not isinstance(folder.card, dict):
            return
        if inner and isinstance(folder.card.get(name), dict):
            folder.card[name][inner] = value
        elif value == "x":
            folder.card.pop(name, None)
        else:
            folder.card[name] = [{inner: value, "metric": "m", "value": 1}] if name == "claims" else value

    return mutate


@st.composite
def of_arrays(draw: st.DrawFn) -> Mutation:
    """Replace numbers, dtype, shape or rows of an array, or the array."""
    name = draw(st.sampled_from(["images", "labels", "indices", "extra", ""]))
    dtype = draw(st.sampled_from(["u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]))
    number = draw(st.sampled_from([0, 1, 9, 10, -1, 255, 0.5, np.nan, np.inf, 1e30]))
    places = draw(st.lists(st.integers(0, 639), max_size=3))
    how = draw(st.sampled_from(["set", "cast", "rows", "reshape", "scale", "drop", "soft", "constant"]))

    def mutate(folder: Folder) -> None:
        array = folder.arrays.get(name, LABELS)
        with np.errstate(all="ignore"):
            if how == "drop":
                folder.arrays.pop(name, None)
                return
            if how == "set" and array.size:
                array = array.copy()
                array.flat[[place % array.size for place in places]] = np.asarray(number).astype(array.dtype)
            elif how == "cast":
                array = array.astype(dtype)
            elif how == "rows":
                array = array[: len(array) // 2] if places else np.concatenate([array, array])
            elif how == "reshape":
                array = array.reshape(-1, 1) if places else array.reshape(-1)
            elif how == "scale":
                array = array.astype(dtype) * np.asarray(number).astype(dtype)
            elif how == "soft":
                array = np.eye(10, dtype=dtype)
            else:
                array = np.full(array.shape, number).astype(array.dtype)
        if folder.header is None and len(array):
            folder.arrays[name] = array

    return mutate


@st.composite
def of_header(draw: st.DrawFn) -> Mutation:
    """Change one part of one entry of the header, add an entry, or put something else in the header's place."""
    name = draw(st.sampled_from(["images", "labels", "__metadata__", "x"]))
    part = draw(st.sampled_from(["dtype", "shape", "data_offsets", "more", "whole"]))
    value = draw(
        st.one_of(values, shapes, st.sampled_from(DTYPES), st.tuples(st.integers(-1, 3000), st.integers(-1, 3000)))
    )

    def mutate(folder: Folder) -> None:
        folder.unpack()
        if part == "whole":
            folder.header = {**folder.header, name: value} if isinstance(folder.header, dict) else value
        elif isinstance(folder.header, dict) and isinstance(folder.header.get(name), dict):
            folder.header[name] = {**folder.header[name], part: value}

    return mutate


@st.composite
def of_bytes(draw: st.DrawFn) -> Mutation:
    """Cut, flip, insert or replace bytes of a file, or change the length of the header."""
    is_card = draw(st.booleans())
    how = draw(st.sampled_from(["cut", "flip", "insert", "replace", "length", "twice", "raw"]))
    at, some = draw(st.integers(0, 3000)), draw(st.binary(max_size=40))
    length = draw(st.sampled_from(LENGTHS))

    def mutate(folder: Folder) -> None:
        content = bytearray(folder.card_text() if is_card else folder.tensors())
        place = at % (len(content) + 1)
        if how == "cut":
            content = content[:place]
        elif how == "flip" and place < len(content):
            content[place] ^= 1 << (at % 8)
        elif how == "insert":
            content[place:place] = some
        elif how == "replace":
            content[place : place + len(some)] = some
        elif how == "length":
            content[:8] = struct.pack("<Q", length)
        elif how == "twice":
            content += bytes(content)
        elif how == "raw":
            content = bytearray(some)
        if is_card:
            folder.card_raw = bytes(content)
        else:
            folder.tensors_raw = bytes(content)

    return mutate


parts = st.lists(st.one_of(of_arrays(), of_card(), of_arrays()), max_size=3)
late = st.lists(st.one_of(of_header(), of_bytes()), min_size=1, max_size=2)
mutations: st.SearchStrategy[Sequence[Mutation]] = st.one_of(parts, late, st.tuples(of_card(), of_header()))


def tampered(chosen: Sequence[Mutation]) -> Iterator[Folder]:
    """A good folder after the first mutation, after the second, and so on."""
    folder = Folder()
    for mutate in chosen:
        mutate(folder)
        yield folder
