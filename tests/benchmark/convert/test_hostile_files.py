"""Files that would run code or unfold without end are refused before they do either."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.convert import Converted, _child, _guards, _tree
from benchmark.errors import InvalidInput

Reading = Callable[..., Converted]
LABELS = torch.arange(10)


class Runs:
    """What a pickle of this does when it is opened carelessly: makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_never_run(reading: Reading, tmp_path: Path, zipped: bool) -> None:
    file, mark = tmp_path / "res_DM.pt", tmp_path / "was-run"
    torch.save(
        {"data": [[torch.zeros(10, 1, 8, 8), LABELS]], "x": Runs(mark)}, file, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(InvalidInput, match=r"holds posix\.mkdir, which is code or an object; nothing of it was run"):
        reading(file, space="pixel")
    assert not mark.exists()


def test_a_plain_pickle_is_not_opened(reading: Reading, tmp_path: Path) -> None:
    import pickle

    (tmp_path / "set.pkl").write_bytes(pickle.dumps(Runs(tmp_path / "was-run")))
    with pytest.raises(InvalidInput, match="plain pickle, which is never opened"):
        reading(tmp_path / "set.pkl")
    assert not (tmp_path / "was-run").exists()


def test_a_compressed_torch_file_is_refused(reading: Reading, tmp_path: Path) -> None:
    """The bomb of 262 KB: torch itself loads a deflated archive, whatever it unfolds to."""
    plain, packed = tmp_path / "plain.pt", tmp_path / "images_best.pt"
    torch.save(torch.zeros(2**20), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    assert packed.stat().st_size < 10_000
    assert torch.load(packed, weights_only=True).numel() == 2**20, "torch takes it"
    with pytest.raises(InvalidInput, match=r"is compressed, which torch.save never does"):
        reading(packed)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"declares .* bytes of members in .*: they overlap"):
        _guards.check_torch_zip(_overlapping(), "images.pt")


def _overlapping() -> bytes:
    """An archive whose directory names one stored member many times under other names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"0" * 1000)
        first = archive.infolist()[0]
        for number in range(9):
            again = zipfile.ZipInfo(f"a/data/{number}")
            again.file_size, again.compress_size, again.CRC = first.file_size, first.compress_size, first.CRC
            again.header_offset = first.header_offset
            archive.filelist.append(again)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(10**12), torch.zeros(8, 8).expand(10, 1, 8, 8), torch.zeros(9).as_strided((3, 9), (0, 1))],
    ids=["10^12 elements", "ten images of one", "stride 0"],
)
def test_a_view_that_repeats_its_memory_is_refused(reading: Reading, tmp_path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor, tmp_path / "images_best.pt")
    assert (tmp_path / "images_best.pt").stat().st_size < 3000
    with pytest.raises(InvalidInput, match=r"that repeats .* bytes\. Fix: save tensor\.contiguous"):
        reading(tmp_path / "images_best.pt")


def test_many_views_of_one_storage_are_refused(reading: Reading, tmp_path: Path) -> None:
    base = torch.zeros(2**18)
    torch.save([base[i:] for i in range(100)], tmp_path / "many.pt")
    with pytest.raises(InvalidInput, match="tensors far larger than the file"):
        reading(tmp_path / "many.pt")


def test_lists_nested_without_end_are_refused(reading: Reading, tmp_path: Path) -> None:
    value: Any = torch.zeros(1)
    for _ in range(40):
        value = [value]
    torch.save(value, tmp_path / "deep.pt")
    with pytest.raises(InvalidInput, match="parts nested too deep"):
        reading(tmp_path / "deep.pt")


def test_an_archive_of_numpy_that_unfolds_is_refused(reading: Reading, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "set.npz", images=np.zeros((2000, 3, 32, 32), dtype=np.float32))
    assert (tmp_path / "set.npz").stat().st_size < 50_000
    with pytest.raises(InvalidInput, match=r"unfolds .* bytes into 24,576,\d+; at most"):
        reading(tmp_path / "set.npz")


def test_objects_in_numpy_files_are_refused(reading: Reading, tmp_path: Path) -> None:
    objects = np.array([Runs(tmp_path / "was-run")], dtype=object)
    np.save(tmp_path / "images.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "set.npz", images=objects, labels=np.arange(1))
    for name in ("images.npy", "set.npz"):
        with pytest.raises(InvalidInput, match="holds Python objects, which are never unpickled"):
            reading(tmp_path / name)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(2**40, 2**40)", "x"])
def test_a_numpy_header_that_lies_is_refused(shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"\0" * 64
    with pytest.raises(InvalidInput, match=r"which are not its 64 bytes|a header that numpy does not write"):
        _guards.npy_array(content, "images.npy")


def picture(tmp_path: Path, content: bytes, name: str = "0.png") -> Path:
    for label in range(10):
        (tmp_path / "set" / str(label)).mkdir(parents=True)
    (tmp_path / "set" / "0" / name).write_bytes(content)
    return tmp_path / "set"


def png(width: int, height: int) -> bytes:
    """The header of a grey PNG of any size, and a row of nothing: 13,000 by 13,000 are 169 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * (width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_huge_picture_is_refused_by_its_header(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(InvalidInput, match="is 13000 wide and 13000 high; the dataset's images are 8 by 8"):
        reading(picture(tmp_path, png(13000, 13000)))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 40, png(8, 8)[:40]])
def test_what_is_no_picture_is_refused(reading: Reading, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="is no PNG or JPEG, or broken"):
        reading(picture(tmp_path, content))


def test_a_transparent_a_colour_and_a_moving_picture_are_refused(reading: Reading, tmp_path: Path) -> None:
    for mode, options in (
        ("RGBA", {}),
        ("RGB", {}),
        ("L", {"save_all": True, "append_images": [Image.new("L", (8, 8), 9)]}),
    ):
        buffer = io.BytesIO()
        Image.new(mode, (8, 8)).save(buffer, "PNG", **options)
        with pytest.raises(InvalidInput, match=r"transparent, animated|has mode 'RGB'; the dataset's images are grey"):
            reading(picture(tmp_path / mode, buffer.getvalue()))


def test_links_in_a_folder_of_pictures_are_refused(reading: Reading, tmp_path: Path) -> None:
    folder = picture(tmp_path, png(8, 8), "0.png")
    (folder / "1" / "1.png").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match=r"is a symbolic link|is no PNG"):
        reading(folder)
    (folder / "2").rmdir()
    (folder / "2").symlink_to("/etc")
    with pytest.raises(InvalidInput):
        reading(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page or a git-lfs pointer"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (b"\x89PNG\r\n\x1a\n", "is a single image. Fix: name the folder"),
        (b"PK\x03\x04" + b"\0" * 40, "is truncated or damaged"),
        (b"anything else", "is no file of torch, numpy, safetensors or flax"),
    ],
)
def test_what_else_a_file_may_be_is_said(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _guards.kind_of(content, "images_best.pt")


def valid_files() -> dict[str, bytes]:
    """One small file of each kind, and of pictures."""
    images = np.random.default_rng(0).random((10, 1, 8, 8), dtype=np.float32)
    value = {"data": [[torch.from_numpy(images), LABELS]], "accs_all_exps": {"ConvNet": [np.float64(0.5)]}}
    writers: dict[str, Callable[[io.BytesIO], Any]] = {
        "torch": lambda stream: torch.save(value, stream),
        "torch-legacy": lambda stream: torch.save(value, stream, _use_new_zipfile_serialization=False),
        "npz": lambda stream: np.savez(stream, images=images, labels=np.arange(10)),
        "packed": lambda stream: np.savez_compressed(stream, images=images),
        "npy": lambda stream: np.save(stream, images),
        "png": lambda stream: Image.fromarray((images[0, 0] * 255).astype(np.uint8)).save(stream, "PNG"),
    }
    streams = {name: io.BytesIO() for name in writers}
    for name, write in writers.items():
        write(streams[name])
    return {name: stream.getvalue() for name, stream in streams.items()}


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """The content with some bytes changed, cut out or put in."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 6)):
        at, length = int(random.integers(len(changed))), int(random.integers(1, 20))
        kind = random.integers(3)
        changed[at : at + (0 if kind == 2 else length if kind == 1 else 1)] = (
            random.bytes(length) if kind == 2 else b"" if kind == 1 else random.bytes(1)
        )
    return bytes(changed)


@pytest.mark.parametrize("name", valid_files())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(name: str, tmp_path: Path) -> None:
    content, random = valid_files()[name], np.random.default_rng(1)
    folder = picture(tmp_path, content)
    refused = 0
    for _ in range(40):
        damaged = mutated(content, random)
        file = folder / "0" / "0.png" if name == "png" else tmp_path / "images.pt"
        file.write_bytes(damaged)
        try:
            kind = "folder" if name == "png" else _guards.kind_of(damaged, "images.pt")
            _child.read_file(folder if name == "png" else file, kind, (1, 8, 8))
        except InvalidInput:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("text", ["[]", "{}", '{"array": "9"}', '{"value": [1]}', '{"dict": [1]}', '{"a": 1, "b": 2}'])
def test_the_parent_believes_no_other_tree(tmp_path: Path, text: str) -> None:
    _tree.write([np.zeros(3)], tmp_path)
    (tmp_path / "tree.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="is not what the reader writes"):
        _tree.read(tmp_path)
