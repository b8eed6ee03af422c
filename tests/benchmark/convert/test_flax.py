"""Checkpoints of flax: read as FRePo and RCIG write them, within bounds; what is no such file is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import pytest

from benchmark import tensor_file
from benchmark.convert import Converted, Request, _flax_file, _guards, convert
from benchmark.errors import InvalidInput, UsageError

Array = npt.NDArray[Any]
Reading = Callable[..., Converted]
HARD = {"labels": "hard", "space": "standardized"}
LEARNED = (np.eye(10) * 1.3 - 0.2).astype(np.float32)


def extension(value: Any, name: str = "", code: int = 1, **parts: Any) -> msgpack.ExtType:
    """An array as flax.serialization packs it: (shape, name of the dtype, bytes)."""
    array = np.asarray(value)
    packed = {"shape": array.shape, "dtype": name or array.dtype.name, "body": array.tobytes("C"), **parts}
    return msgpack.ExtType(code, msgpack.packb(tuple(packed.values()), use_bin_type=True))


def checkpoint(images: Array, labels: Array = LEARNED, **more: Any) -> dict[str, Any]:
    """A state as flax.training.checkpoints keeps it."""
    params = {"x_proto": extension(images.transpose(0, 2, 3, 1)), "y_proto": extension(labels)}
    state = {"0": {"count": extension(7), "mu": params, "key": extension(np.zeros(2, np.uint32))}, "1": {}}
    return {"step": extension(np.int32(300), code=3), "epoch": 3, "params": params, "opt_state": state, **more}


def saved(place: Path, tree: Any) -> Path:
    place.write_bytes(msgpack.packb(tree, strict_types=True))
    return place


def test_frepo_s_prototypes_are_turned_and_keep_their_bits(
    reading: Reading, tmp_path: Path, standardized: Array
) -> None:
    file = saved(tmp_path / "checkpoint_500000", checkpoint(standardized, ema_average=None))
    with pytest.raises(UsageError, match="Add --labels probabilities"):
        reading(file, space="standardized")
    with pytest.raises(UsageError, match="a ZCA that is neither of the two here, which its preprocess_op_rev turns"):
        reading(file, labels="hard")
    found = reading(file, labels="logits", space="standardized")
    np.testing.assert_array_equal(found.synthetic.tensors["images"], standardized)
    np.testing.assert_array_equal(found.synthetic.tensors["labels"], LEARNED)
    assert found.layout == "FRePo, RCIG (flax checkpoint)"
    assert found.remarks[:2] == ("took 'params' of the checkpoint", "images turned from (N, H, W, C) into (N, C, H, W)")


def test_rcig_s_average_is_asked_for_by_its_number(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    average = checkpoint(standardized / 2)["params"]
    file = saved(tmp_path / "checkpoint_15000", checkpoint(standardized, ema_average=average, ema_hidden=average))
    with pytest.raises(
        UsageError, match=r"holds 2 sets(.|\n)*0: params .*FRePo(.|\n)*1: ema_average .*RCIG's evaluation"
    ):
        reading(file, **HARD)
    found = reading(file, index=1, **HARD).synthetic
    np.testing.assert_array_equal(found.tensors["images"], standardized / 2)
    assert found.tensors["labels"].tolist() == [*range(10)]


def test_the_child_process_reads_a_checkpoint_too(tmp_path: Path, standardized: Array) -> None:
    file = saved(tmp_path / "checkpoint_1", checkpoint(standardized))
    found = convert([file], Request("digits", "mine", 1, labels="hard", space="standardized"))
    np.testing.assert_array_equal(found.synthetic.tensors["images"], standardized)


def test_half_precision_of_accelerators_becomes_float32(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    upper = (standardized.transpose(0, 2, 3, 1).copy().view(np.uint32) >> 16).astype(np.uint16)
    params = {"x_proto": extension(upper, "bfloat16"), "y_proto": extension(LEARNED)}
    images = reading(saved(tmp_path / "checkpoint_1", {"params": params}), **HARD).synthetic.tensors["images"]
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images.view(np.uint32) & 0xFFFF, 0)
    np.testing.assert_allclose(images, standardized, rtol=2**-7)


ONE = np.ones(2, np.float32)
BAD: dict[str, tuple[Any, str]] = {
    "a complex number": ({"params": extension(ONE, code=2)}, "holds a complex number"),
    "a complex array": ({"params": extension(ONE.astype("c8"))}, "dtype 'complex64'; read are"),
    "an unknown extension": ({"params": extension(ONE, code=42)}, "the extension 42, which flax does not write"),
    "objects": ({"params": extension(ONE, "object")}, "dtype 'object'"),
    "a shape too large": ({"params": extension(ONE, shape=(2**40, 2**40))}, "are not its bytes"),
    "a negative shape": ({"params": extension(ONE, shape=(-2, -1))}, "are not its bytes"),
    "a shape of many axes": ({"params": extension(ONE, shape=(1,) * 9 + (2,))}, "are not its bytes"),
    "no bytes": ({"params": extension(ONE, body=[1, 2])}, "are not its bytes"),
    "a shape alone": ({"params": msgpack.ExtType(1, msgpack.packb([2]))}, "not written as flax does it"),
    "chunks": ({"params": {"__msgpack_chunked_array__": True, "shape": {}, "chunks": {}}}, "more than 1 GiB"),
    "bytes": ({"params": b"123"}, "holds bytes that are no array"),
    "numbers for keys": ({"params": {1: extension(ONE)}}, "is damaged, or was not written by the library"),
    "a time": ({"params": msgpack.Timestamp(1, 2), "w": extension(ONE)}, "holds a Timestamp, which flax does not"),
    "no image at all": (
        {"params": {"x_proto": extension(np.zeros((0, 8, 8, 1), "f4")), "y_proto": extension(np.zeros((0, 10), "f4"))}},
        r"the labels have shape \(0, 10\)",
    ),
    "no prototypes": ({"params": {"w": extension(ONE)}}, "no layout that is known here"),
    "no arrays": ({"params": 3}, "there is no array in it"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_flax_does_not_write_is_refused(reading: Reading, tmp_path: Path, name: str) -> None:
    tree, said = BAD[name]
    with pytest.raises(InvalidInput, match=said):
        reading(saved(tmp_path / "checkpoint_1", tree), **HARD)


def test_a_time_is_the_fault_of_the_file_in_the_child_process_too(tmp_path: Path, standardized: Array) -> None:
    file = saved(tmp_path / "checkpoint_1", checkpoint(standardized, saved_at=msgpack.Timestamp(1, 2)))
    with pytest.raises(InvalidInput, match="holds a Timestamp"):
        convert([file], Request("digits", "mine", 1, labels="hard", space="standardized"))


def test_nested_and_truncated_files_are_refused(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    whole = saved(tmp_path / "checkpoint_1", checkpoint(standardized)).read_bytes()
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    wide = {"params": [0] * (_flax_file.MAX_PARTS + 1)}
    torn = [whole[: len(whole) // 2], whole + b"\0", whole[:100]]
    for content in (msgpack.packb(deep), b"\x81\xa1a" * 5000, msgpack.packb(wide), *torn):
        (tmp_path / "checkpoint_1").write_bytes(content)
        with pytest.raises(InvalidInput, match=r"parts nested too deep|is damaged, or was not written"):
            reading(tmp_path / "checkpoint_1", **HARD)


def test_a_checkpoint_with_any_byte_changed_is_read_or_refused(tmp_path: Path, standardized: Array) -> None:
    whole = saved(tmp_path / "checkpoint_1", checkpoint(standardized)).read_bytes()
    draw, refused = np.random.default_rng(0), 0
    for place in draw.integers(0, 200, 300):  # where shapes, dtypes and lengths are
        changed = bytearray(whole)
        changed[place] = int(draw.integers(0, 256))
        try:
            _flax_file.load(bytes(changed), "checkpoint_1")
        except (InvalidInput, ValueError, msgpack.exceptions.UnpackException):
            refused += 1
    assert 50 < refused < 250


def test_a_length_that_lies_costs_no_memory(reading: Reading, tmp_path: Path) -> None:
    """A header of 2 GiB of bytes, 4 billion keys or elements, and then nothing."""
    for lie in (b"\xc6\x7f\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01"):
        (tmp_path / "checkpoint_1").write_bytes(b"\x81\xa6params" + lie)
        with pytest.raises(InvalidInput, match="is damaged, or was not written"):
            reading(tmp_path / "checkpoint_1", **HARD)


def test_the_package_that_is_missing_is_named(
    reading: Reading, tmp_path: Path, standardized: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(tmp_path / "checkpoint_1", checkpoint(standardized))
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(
        InvalidInput, match=r"the package msgpack is missing here. Fix: pip install 'distillbench\[flax\]"
    ):
        reading(file, **HARD)


def test_flax_and_safetensors_are_told_apart_by_their_first_bytes() -> None:
    assert _guards.kind_of(msgpack.packb({"params": {"x_proto": 1}}), "f") == "flax"
    assert _guards.kind_of(msgpack.packb({f"k{i}": i for i in range(20)}), "f") == "flax"
    for n in range(1, 60):  # headers of many lengths, some of whose first bytes msgpack would take for a dict
        content = tensor_file.to_bytes({"a" * 5 * n: np.zeros(1, np.uint8)})
        assert _guards.kind_of(content, "f") == "safetensors"
    assert _guards.kind_of((0xA281).to_bytes(8, "little") + b'{"a":' + b" " * 100, "f") == "safetensors"
