"""Tensor files that are none, not whole, or two things at once: refused by content, before anything is allocated."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import tensor_file
from benchmark.errors import InvalidInput
from benchmark.store import Store
from benchmark.submission import check, check_file
from benchmark.synthetic_set import SyntheticSet
from tests.benchmark.bad_inputs import (
    IMAGES,
    LABELS,
    Spoil,
    check_refusal,
    entry,
    fine,
    packed,
    with_file,
    with_tensors,
)

GOOD = tensor_file.to_bytes({"images": IMAGES, "labels": LABELS})
HEADER: dict[str, Any] = json.loads(GOOD[8 : 8 + int.from_bytes(GOOD[:8], "little")])
DATA = GOOD[8 + int.from_bytes(GOOD[:8], "little") :]


class Attack:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch unpickled",))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../escape"), io.BytesIO())
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def changed(name: str = "images", **parts: Any) -> bytes:
    """The good file with a part of one header entry changed."""
    return packed({**HEADER, name: {**HEADER[name], **parts}}, DATA)


def duplicated(text: str) -> bytes:
    return packed(json.dumps(HEADER)[:-1].encode() + text.encode() + b"}", DATA)


BOMB = zipped(data=bytes(2**24))
PICKLE = pickle.dumps(Attack())
THOUSANDS = {f"t{i}": entry("F32", [0], 0, 0) for i in range(30_000)}
BAD: dict[str, tuple[bytes, str]] = {
    "1 a pickle": (PICKLE, "E102"),
    "1 a pickle of protocol 2": (pickle.dumps(Attack(), protocol=2), "E102"),
    "1 a pickle of protocol 0": (pickle.dumps(Attack(), protocol=0), "E104"),
    "1 a torch file": (zipped(**{"archive/data.pkl": PICKLE}), "E102"),
    "3 a zip bomb": (BOMB, "E102"),
    "4 a tiny file that would become huge": (
        zipped(**{"archive/data.pkl": b"\x80\x02", "archive/data/0": b"0"}),
        "E102",
    ),
    "5 an npz bomb": (zipped(**{"images.npy": npy(np.zeros(2**20))}), "E102"),
    "5 an npy of objects": (npy(np.array([Attack()])), "E102"),
    "6 no bytes": (b"", "E103"),
    "7 random bytes": (np.random.default_rng(1).bytes(5000), "E104"),
    "7 a web page": (b"<!DOCTYPE html><html><title>404</title></html>", "E104"),
    "7 a web page in capitals": (b"\n<HTML>Not found</HTML>", "E104"),
    "7 a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "E104"),
    "7 text": (b"images", "E104"),
    "8 a header of 2^63 bytes": (struct.pack("<Q", 2**63) + b"{}", "E105"),
    "8 a header of 2^64 - 1 bytes": (struct.pack("<Q", 2**64 - 1) + b"{" + bytes(100), "E105"),
    "8 a header of 1 MiB and a byte": (packed(json.dumps(HEADER).encode().ljust(2**20 + 1), DATA), "E105"),
    "9 truncated in the data": (GOOD[:-1], "E106"),
    "9 truncated in the header": (GOOD[:60], "E106"),
    "9 truncated before the header": (GOOD[:8], "E104"),
    "10 bytes after the data": (GOOD + b"\0", "E107"),
    "10 two formats at once": (GOOD + zipped(a=b"b"), "E107"),
    "11 tensors that overlap": (packed({**HEADER, "labels": entry("U8", [10], 0, 10)}, DATA[:2560]), "E108"),
    "11 a hole between tensors": (
        packed({"images": entry("F32", [10, 1, 8, 8], 0, 2560), "labels": entry("U8", [10], 2570, 2580)}, bytes(2580)),
        "E108",
    ),
    "11 data that begin late": (packed({"images": entry("U8", [1], 1, 2)}, b"xy"), "E108"),
    "12 a tensor twice": (duplicated(f', "images": {json.dumps(HEADER["images"])}'), "E109"),
    "12 a key of an entry twice": (
        packed(json.dumps(HEADER).replace('"dtype"', '"dtype": "U8", "dtype"', 1).encode(), DATA),
        "E109",
    ),
    "12 a key of the metadata twice": (duplicated(', "__metadata__": {"a": "1", "a": "2"}'), "E109"),
    "13 a tensor too many": (tensor_file.to_bytes({"images": IMAGES, "labels": LABELS, "x": LABELS}), "E110"),
    "13 a tensor too few": (tensor_file.to_bytes({"images": IMAGES}), "E110"),
    **{
        f"13 a tensor named {name[:20]!a}": (
            tensor_file.to_bytes({"images": IMAGES, "labels": LABELS, name: LABELS}),
            "E110",
        )
        for name in ("../../etc/x", "", "a\0b", "x" * 10_000, "\u202elabels", "../images")
    },
    "14 no tensors": (packed({}), "E111"),
    "14 nothing but metadata": (packed({"__metadata__": {"format": "pt"}}), "E111"),
    "15 thousands of empty tensors": (packed(THOUSANDS), "E105"),
    "15 as many as a header holds": (packed(dict(list(THOUSANDS.items())[:15_000])), "E110"),
    "16 an unknown dtype": (changed(dtype="ZZ"), "E112"),
    "16 an 8-bit float": (changed(dtype="F8_E4M3"), "E112"),
    "16 a 4-bit float": (changed(dtype="F4"), "E112"),
    "16 a complex dtype": (changed(dtype="C64"), "E112"),
    "16 booleans": (changed(dtype="BOOL"), "E112"),
    "16 a dtype that is a list": (changed(dtype=["F32"]), "E112"),
    "16 float64": (tensor_file.to_bytes({"images": IMAGES.astype("f8"), "labels": LABELS}), "E112"),
    "17 a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "E102"),
    "17 a tar archive": (tarred(), "E102"),
    "a header that is a list": (packed(b'["a"]'), "E104"),
    "a header that is no JSON": (packed(b"{'images': 1}"), "E104"),
    "a header with NaN": (packed(b'{"images": NaN}'), "E104"),
    "a header in Latin-1": (packed(b'{"\xe9": 1}'), "E104"),
    "a header of brackets": (packed(b"{" + b"[" * 100_000), "E104"),
    "an entry that is a number": (packed({**HEADER, "images": 1}, DATA), "E113"),
    "an entry with more": (changed(more=1), "E113"),
    "an entry with less": (packed({**HEADER, "images": {"dtype": "F32"}}, DATA), "E113"),
    "offsets that are true": (changed(data_offsets=[False, 2560]), "E113"),
    "offsets backwards": (changed(data_offsets=[2560, 0]), "E113"),
    "offsets of another size": (changed(shape=[9, 1, 8, 8]), "E113"),
    "25 a shape that overflows": (changed(shape=[2**33, 2**33, 1, 1]), "E208"),
    "25 a shape of 4000 digits": (changed(shape=[10**4000]), "E208"),
    "25 a negative shape": (changed(shape=[-10, -1, 8, 8]), "E208"),
    "25 nine dimensions": (changed(shape=[10, 1, 8, 8, 1, 1, 1, 1, 1]), "E208"),
    "25 nothing in a vast shape": (packed({"images": entry("F32", [0, 2**39, 2**39], 0, 0)}), "E208"),
}


@pytest.mark.parametrize(("content", "code"), BAD.values(), ids=BAD)
def test_a_bad_container_is_3_with_its_code(stored: Path, tmp_path: Path, content: bytes, code: str) -> None:
    folder = fine(tmp_path / "my-set")
    (folder / "tensors.safetensors").write_bytes(content)
    started = time.monotonic()
    check_refusal(folder, stored, code, 3)
    assert time.monotonic() - started < 10
    assert not Path("unpickled").exists()


def test_the_set_that_is_spoiled_here_is_fine(stored: Path, tmp_path: Path) -> None:
    assert check(fine(tmp_path / "my-set"), Store(stored)).card.method == "by-hand"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("images.pt", PICKLE, "E101"),
        ("images.pth", zipped(**{"archive/data.pkl": PICKLE}), "E101"),
        ("data.pkl", pickle.dumps([1], protocol=0), "E101"),
        ("images.npz", BOMB, "E101"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "E101"),
        ("set.zip", BOMB, "E101"),
        ("images.safetensors", PICKLE, "E102"),
        ("images.pt", GOOD, "E102"),
        ("images.safetensors", tensor_file.to_bytes({"a": IMAGES}), "E110"),
        ("images.safetensors", tensor_file.to_bytes({"images": IMAGES * np.float32(np.nan)}), "E201"),
        ("card.json", b"{", "E306"),
        ("card.json", PICKLE, "E102"),
    ],
)
def test_a_file_alone_is_judged_by_content_and_name(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=code):
        check_file(tmp_path / name)
    assert not Path("unpickled").exists()


def test_files_alone_that_are_fine_are_fine(tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    check_file(folder / "card.json")
    check_file(folder / "tensors.safetensors")


@pytest.mark.parametrize("name", ["images_best.pt", "data.npz", "set.tar"])
def test_a_folder_of_another_format_is_pointed_to_convert(stored: Path, tmp_path: Path, name: str) -> None:
    folder = fine(tmp_path / "my-set")
    (folder / "tensors.safetensors").rename(folder / name)
    assert "distillbench convert" in check_refusal(folder, stored, "E101", 3, name)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (with_tensors(packed({"images": entry("F32", [2**36], 0, 2**38)}, b"")), "E106"),
        (with_file("tensors.safetensors", packed({**HEADER, "__metadata__": {"a": "b" * 2**20}}, DATA)), "E105"),
    ],
)
def test_what_announces_much_is_refused_by_its_header(stored: Path, tmp_path: Path, spoil: Spoil, code: str) -> None:
    folder = fine(tmp_path / "my-set")
    spoil(folder)
    check_refusal(folder, stored, code, 3)


def test_a_file_as_vast_as_its_header_says_is_never_read(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    header = {"images": entry("F32", [2**28, 1, 8, 8], 0, 2**36), "labels": entry("U8", [2**28], 2**36, 2**36 + 2**28)}
    with (folder / "tensors.safetensors").open("wb") as stream:
        start = stream.write(packed(header))
        stream.truncate(start + 2**36 + 2**28)  # sparse: 64 GiB that take no room
    started = time.monotonic()
    with pytest.raises(InvalidInput, match=r"E209 .*images 68,719,476,736"):
        check(folder, Store(stored))
    assert time.monotonic() - started < 2


def test_metadata_of_a_tensor_file_are_passed_over_and_never_stored(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    (folder / "tensors.safetensors").write_bytes(packed({"__metadata__": {"note": "hidden"}, **HEADER}, DATA))
    synthetic: SyntheticSet = check(folder, Store(stored))
    digest = Store(stored).write_set(synthetic)
    assert b"hidden" not in (stored / "sets" / digest / "tensors.safetensors").read_bytes()
