"""Tensor files: what is written is read again, and a stranger's file can do no harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
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
        (b"", "E103"),
        (b"abc", "E104"),
        (pickle.dumps({"images": [1]}), "E102 .*the content is a pickle, which is never opened"),
        (pickle.dumps({"images": [1]}, protocol=2), "E102"),
        (a_zip(), "E102 .*the content is a zip archive or torch file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "E104 .*a git-lfs pointer.* Fix: run `git lfs pull`",
        ),
        (b"<!DOCTYPE html><html>Not found</html>", "E104 .*a web page, not the file itself"),
        (b"\x93NUMPY\x01\x00", "E102 .*a numpy file"),
        (packed(FINE, bytes(6))[:40], "E106 .*truncated: expected 129 bytes .got 40."),
        (packed(FINE, bytes(5)), "E106 .*truncated: expected 135 bytes .got 134."),
        (packed(FINE, bytes(7)), "E107"),
        (packed(FINE, bytes(6)) + a_zip(), "E107"),
        (struct.pack("<Q", 2**63) + b"{}", "E105 .*got 9,223,372,036,854,775,808 bytes, limit 1,048,576"),
        (packed(b"{" + b" " * 2**20 + b"}"), "E105 .*got 1,048,578 bytes, limit 1,048,576"),
        (packed(b"{}"), "E111"),
        (packed({"__metadata__": {"a": "b"}}), "E111"),
        (packed(b'{"a": NaN}'), "E104 .*NaN is no JSON"),
        (packed(b'{"a": 1e999}'), "E104 .*too large a number"),
        (packed(b"{\xff}"), "E104 .*no strict JSON"),
        (packed(b"{" * 100_000), "E104 .*no strict JSON"),
        (packed(b'{"a": 1, "a": 2}'), "E109 .*the key 'a' stands twice"),
        (packed(b'{"__metadata__": {"k": "1", "k": "2"}}'), "E109 .*the key 'k' stands twice"),
        (packed({"a": 1}), "E113 .*:a: an entry has exactly"),
        (packed({"a": {**entry("U8", [1], 0, 1), "more": 1}}, b"x"), "E113"),
        (packed({"a": entry("F8_E4M3", [1], 0, 1)}, b"x"), "E112 .*:a: .*got 'F8_E4M3', limit U8"),
        (packed({"a": entry("BOOL", [1], 0, 1)}, b"x"), "E112 .*'BOOL'"),
        (packed({"a": {**entry("U8", [1], 0, 1), "dtype": ["U8"]}}, b"x"), "E112"),
        (packed({"a": entry("U8", [-1, -1], 0, 1)}, b"x"), "E208"),
        (packed({"a": {**entry("U8", [1], 0, 1), "shape": [True]}}, b"x"), "E113"),
        (packed({"a": {**entry("U8", [1], 0, 1), "shape": [1.0]}}, b"x"), "E113"),
        (packed({"a": entry("U8", [1] * 9, 0, 1)}, b"x"), "E208"),
        (packed({"a": {**entry("U8", [1], 0, 1), "data_offsets": [0]}}, b"x"), "E113"),
        (packed({"a": entry("U8", [2**39, 2**39], 0, 1)}, b"x"), "E208"),
        (packed({"a": entry("U8", [0, 2**39, 2**39], 0, 0)}), "E208"),
        (packed({"a": entry("U8", [1], 1, 0)}, b"x"), "E113"),
        (packed({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"xyz"), "E108"),
        (packed({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}, b"xyz"), "E108"),
        (packed({str(i): entry("U8", [0], 0, 0) for i in range(5000)}), "E110 .*got 5,000, limit 4,096"),
    ],
)
def test_a_broken_file_says_what_is_wrong(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        tensor_file.parse(content, "images.safetensors")
    assert all(line.split()[1].startswith("images.safetensors:") for line in str(caught.value).splitlines())
    assert len(str(caught.value)) < 600


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


def test_reading_a_small_file_takes_little_memory_whatever_the_limit(tmp_path: Path) -> None:
    fine = tmp_path / "fine.safetensors"
    fine.write_bytes(packed(FINE, bytes(6)))
    tracemalloc.start()
    tensor_file.read(fine)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
