"""Tensor files: what is written is read again, and a stranger's file can do no harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from benchmark import tensor_file
from benchmark.errors import InvalidInput
from benchmark.synthetic_set import Array


def packed(header: Any, buffer: bytes = b"") -> bytes:
    """A file of this header (an object, or its text) and buffer."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + buffer


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


FINE = {"a": entry("U8", [2], 0, 2), "b": entry("F32", [1], 2, 6)}


def test_a_file_written_by_hand_is_read() -> None:
    found = tensor_file.parse(packed(FINE, bytes([7, 8]) + struct.pack("<f", 1.5)), "x")
    assert found["a"].tolist() == [7, 8] and found["a"].dtype == np.uint8
    assert found["b"].tolist() == [1.5]
    found["a"][0] = 1  # each its own, writable copy


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", ">f4"])
def test_every_dtype_survives_and_the_library_agrees(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    arrays = {"transposed": array.T, "plain": array, "scalar": array[1, 2], "none": array[:0]}
    content = tensor_file.to_bytes(arrays)
    for found in (tensor_file.parse(content, "x"), load(content)):
        assert found.keys() == arrays.keys()
        for name, expected in arrays.items():
            assert found[name].shape == expected.shape
            assert np.array_equal(found[name], expected)
            assert found[name].dtype == np.dtype(dtype).newbyteorder("=")


def test_the_same_arrays_give_the_same_bytes_in_any_order() -> None:
    one: dict[str, Array] = {"b": np.zeros(2, dtype=np.float32), "a": np.ones(3, dtype=np.int64)}
    assert tensor_file.to_bytes(one) == tensor_file.to_bytes(dict(reversed(one.items())))


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.array([True])},
        {"a": np.array([1j])},
        {"a": np.array(["text"])},
        {"a": np.zeros(2, dtype=np.uint16)},
        {"a": np.array([None])},
        {},
        {"a" * 2**21: np.zeros(1)},
    ],
    ids=["bool", "complex", "text", "uint16", "object", "nothing", "a long name"],
)
def test_what_could_not_be_read_again_is_not_written(arrays: dict[str, Array]) -> None:
    with pytest.raises(InvalidInput):
        tensor_file.to_bytes(arrays)


def test_an_array_for_each_of_many_moments_is_read_again() -> None:
    arrays = {f"epoch-{i}/logits": np.full((2, 2), i, dtype=np.float16) for i in range(300)}
    assert len(tensor_file.parse(tensor_file.to_bytes(arrays), "x")) == 300


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580, 0x4B50])
def test_a_header_whose_length_begins_like_a_pickle_is_no_pickle(length: int) -> None:
    text = json.dumps(FINE).encode().ljust(length)
    content = packed(text, bytes(6))
    assert content[:2] in (b"PK", *(bytes([0x80, n]) for n in range(2, 6)))
    assert set(tensor_file.parse(content, "x")) == {"a", "b"}


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"abc", "is no safetensors file"),
        (pickle.dumps({"images": [1]}), "is a pickle or zip file, which is never opened"),
        (pickle.dumps({"images": [1]}, protocol=2), "is a pickle or zip file"),
        (a_zip(), "is a pickle or zip file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a git-lfs pointer"),
        (b"<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (b"\x93NUMPY\x01\x00", "is no safetensors file"),
        (packed(FINE, bytes(6))[:40], "is truncated"),
        (packed(FINE, bytes(5)), "does not match its bytes 2 to 6 of 5. The file is truncated or damaged"),
        (packed(FINE, bytes(7)), "do not cover the file"),
        (packed(FINE, bytes(6)) + a_zip(), "do not cover the file"),
        (struct.pack("<Q", 2**63) + b"{}", "is truncated"),
        (packed(b"{" + b" " * 2**20 + b"}"), "has a header of 1,048,578 bytes; at most 1,048,576"),
        (packed(b"{}"), "holds 0 tensors"),
        (packed({"__metadata__": {"a": "b"}}), "holds 0 tensors"),
        (packed(b'{"a": NaN}'), "NaN is no JSON"),
        (packed(b'{"a": 1e999}'), "too large a number"),
        (packed(b"{\xff}"), "no valid JSON"),
        (packed(b"{" * 100_000), "no valid JSON"),
        (packed(b'{"a": 1, "a": 2}'), "the key 'a' stands twice"),
        (packed(b'{"__metadata__": {"k": "1", "k": "2"}}'), "the key 'k' stands twice"),
        (packed({"a": 1}), "needs exactly dtype, shape and data_offsets"),
        (packed({"a": {**entry("U8", [1], 0, 1), "more": 1}}, b"x"), "needs exactly"),
        (packed({"a": entry("F8_E4M3", [1], 0, 1)}, b"x"), "has dtype 'F8_E4M3'; allowed: U8"),
        (packed({"a": entry("BOOL", [1], 0, 1)}, b"x"), "has dtype 'BOOL'"),
        (packed({"a": {**entry("U8", [1], 0, 1), "dtype": ["U8"]}}, b"x"), r"has dtype \['U8'\]"),
        (packed({"a": entry("U8", [-1, -1], 0, 1)}, b"x"), "no natural numbers"),
        (packed({"a": {**entry("U8", [1], 0, 1), "shape": [True]}}, b"x"), "no natural numbers"),
        (packed({"a": {**entry("U8", [1], 0, 1), "shape": [1.0]}}, b"x"), "no natural numbers"),
        (packed({"a": entry("U8", [1] * 9, 0, 1)}, b"x"), "no natural numbers"),
        (packed({"a": {**entry("U8", [1], 0, 1), "data_offsets": [0]}}, b"x"), "no natural numbers"),
        (packed({"a": entry("U8", [2**39, 2**39], 0, 1)}, b"x"), "does not match its bytes"),
        (packed({"a": entry("U8", [0, 2**39, 2**39], 0, 0)}), "impossible shape"),
        (packed({"a": entry("U8", [1], 1, 0)}, b"x"), "does not match its bytes"),
        (packed({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"xyz"), "overlap, leave holes"),
        (packed({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}, b"xyz"), "overlap, leave holes"),
        (packed({str(i): entry("U8", [0], 0, 0) for i in range(5000)}), "holds 5000 tensors"),
    ],
)
def test_a_broken_file_says_what_is_wrong(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        tensor_file.parse(content, "images.safetensors")
    assert str(caught.value).startswith("images.safetensors")
    assert len(str(caught.value)) < 500


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_damage_gets_past_as_another_error(noise: bytes, at: int) -> None:
    content = bytearray(packed(FINE, bytes(6)))
    content[at : at + len(noise)] = noise
    for damaged in (bytes(content), noise, packed(noise)):
        try:
            tensor_file.parse(damaged, "x")
        except InvalidInput as fault:
            assert str(fault)


def test_only_regular_files_are_read_and_a_pipe_does_not_hang(tmp_path: Path) -> None:
    fine = tmp_path / "fine.safetensors"
    fine.write_bytes(packed(FINE, bytes(6)))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(fine)
    problems = {
        "pipe": "is not a regular file",
        "link": "is a symbolic link. Fix: put the file itself there",
        ".": "is not a regular file",
        "gone": "does not exist",
    }
    assert set(tensor_file.read(fine)) == {"a", "b"}
    for name, problem in problems.items():
        with pytest.raises(InvalidInput, match=problem):
            tensor_file.read(tmp_path / name)
    with pytest.raises(InvalidInput, match="is not a regular file"):
        tensor_file.read(Path("/dev/zero"))


def test_a_file_too_large_is_refused_by_its_size(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate(5 * 2**30)  # sparse
    with pytest.raises(InvalidInput, match="has 5,368,709,120 bytes; at most 4,294,967,296 are read"):
        tensor_file.read(huge)
