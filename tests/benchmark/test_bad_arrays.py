"""Arrays that do not fit their card or dataset: each refused with its code, all independent ones at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import codecs, datasets, tensor_file
from benchmark._set_check import budget
from benchmark.errors import InvalidInput
from benchmark.store import Store
from benchmark.submission import check
from benchmark.synthetic_set import Array, SyntheticSet
from tests.benchmark.bad_inputs import IMAGES, LABELS, Spoil, check_refusal, fine, judged, problems_of, with_tensors

SetMaker = Callable[..., SyntheticSet]
STATISTICS = datasets.facts("digits").statistics["dataset"]
STANDARDIZED = {"kind": "standardized", "mean": list(STATISTICS.mean), "std": list(STATISTICS.std)}
SOFT = np.eye(10, dtype=np.float32)
PROBABILITIES = {"labels": {"kind": "probabilities"}, "label_origin": {"by": "method"}}
LOGITS = {"labels": {"kind": "logits"}, "label_origin": {"by": "method"}}
TWO = {"images": np.concatenate([IMAGES, IMAGES[::-1]]), "labels": np.repeat(LABELS, 2)}
INDICES: dict[str, Any] = {"decoder": {"name": "indices"}}


def spotted(value: float, dtype: str = "f4") -> Array:
    images = IMAGES.astype(dtype)
    images[3, 0, 0, 0] = value
    return images


def relabelled(**new: int) -> Array:
    """Two labels each, with some replaced: `_0=9` makes the first a 9."""
    labels = TWO["labels"].copy()
    for place, label in new.items():
        labels[int(place[1:])] = label
    return labels


def whitened() -> Array:
    """Decorrelated as in KIP: mean 0, far from pixels."""
    flat = IMAGES.reshape(10, -1) - IMAGES.reshape(10, -1).mean(axis=1, keepdims=True)
    u, _, v = np.linalg.svd(flat, full_matrices=False)
    images: Array = (u @ v * 8).reshape(IMAGES.shape).astype(np.float32)
    return images


BAD: dict[str, tuple[Spoil, str]] = {
    "18 NaN": (with_tensors(images=spotted(np.nan)), "E201"),
    "18 infinity": (with_tensors(images=spotted(-np.inf)), "E201"),
    "18 infinity of float16": (with_tensors(images=spotted(np.inf, "f2")), "E201"),
    "18 NaN in soft labels": (with_tensors(labels=SOFT * np.float32(np.nan), card=PROBABILITIES), "E201"),
    "19 a label of -1": (with_tensors(labels=LABELS - 1), "E202"),
    "19 a label of 10": (with_tensors(labels=LABELS + 1), "E202"),
    "19 a label of 255": (with_tensors(labels=np.r_[LABELS[:-1], 255].astype(np.uint8)), "E202"),
    "19 an index beyond the data": (
        with_tensors(images=None, indices=np.r_[LABELS[:-1], 1000], card=INDICES),
        "E202",
    ),
    "19 an index below 0": (with_tensors(images=None, indices=LABELS - 1, card=INDICES), "E202"),
    "20 labels with fractions": (with_tensors(labels=LABELS + np.float32(0.5)), "E203"),
    "20 labels as whole floats": (with_tensors(labels=LABELS.astype("f4")), "E203"),
    "20 one-hot as hard labels": (with_tensors(labels=np.eye(10, dtype=np.int64)), "E203"),
    "20 one-hot floats as hard labels": (with_tensors(labels=SOFT), "E203"),
    "20 class ids as probabilities": (with_tensors(labels=LABELS, card=PROBABILITIES), "E203"),
    "20 a row too short": (with_tensors(labels=SOFT[:, :9].copy(), card=PROBABILITIES), "E203"),
    "20 ids that were wrapped": (with_tensors(labels=(LABELS - 1).astype(np.uint8)), "E202"),
    "20 signed bytes": (with_tensors(labels=LABELS.astype(np.int8)), "E112"),
    "21 10, 10, 9, 11": (with_tensors(images=TWO["images"], labels=relabelled(_0=1), card={"ipc": 2}), "E204"),
    "21 a class missing": (with_tensors(images=IMAGES[1:], labels=LABELS[1:]), "E204"),
    "22 fewer images than classes times ipc": (with_tensors(card={"ipc": 2}), "E205"),
    "22 fewer images than labels": (with_tensors(images=IMAGES[:9]), "E205"),
    "22 more images than labels": (with_tensors(images=TWO["images"]), "E205"),
    "22 fewer soft labels": (with_tensors(labels=SOFT[:9], card=PROBABILITIES), "E205"),
    "23 NHWC": (with_tensors(images=np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))), "E206"),
    "23 no channel": (with_tensors(images=IMAGES[:, 0].copy()), "E206"),
    "23 colour for grey": (with_tensors(images=np.repeat(IMAGES, 3, axis=1)), "E206"),
    "23 another size": (with_tensors(images=np.zeros((10, 1, 28, 28), np.float32)), "E206"),
    "23 flat": (with_tensors(images=IMAGES.reshape(10, 64)), "E206"),
    "23 no images": (with_tensors(images=IMAGES[:0]), "E206"),
    "23 no labels": (with_tensors(labels=LABELS[:0]), "E206"),
    "24 0 to 255": (with_tensors(images=IMAGES * 255), "E207"),
    "24 standardized, declared pixels": (with_tensors(images=(IMAGES - 0.3) / np.float32(0.37)), "E207"),
    "24 whitened, declared pixels": (with_tensors(images=whitened()), "E207"),
    "24 pixels, declared standardized": (with_tensors(card={"space": STANDARDIZED}), "E207"),
    "24 uint8, declared standardized": (
        with_tensors(images=(IMAGES * 255).astype(np.uint8), card={"space": STANDARDIZED}),
        "E207",
    ),
    "24 three means for one channel": (
        with_tensors(card={"space": {"kind": "standardized", "mean": [0.5] * 3, "std": [0.5] * 3}}),
        "E207",
    ),
    "24 undeclared": (with_tensors(card={"space": ...}), "E307"),
    "24 huge numbers": (with_tensors(images=IMAGES * np.float32(1e38)), "E207"),
    "26 more bytes than the dataset": (
        with_tensors(
            images=np.random.default_rng(0).random((1200, 1, 8, 8), dtype=np.float32),
            labels=np.repeat(LABELS, 120),
            card={"ipc": 120},
        ),
        "E209",
    ),
    "26 float64 where float32 is scored": (with_tensors(images=IMAGES.astype("f8")), "E112"),
    "26 float64 soft labels": (with_tensors(labels=SOFT.astype("f8"), card=PROBABILITIES), "E112"),
    "26 many soft labels for each image": (
        with_tensors(labels=np.repeat(SOFT[:, None], 100, axis=1).reshape(10, 100, 10), card=PROBABILITIES),
        "E203",
    ),
    "27 rows that sum to 2": (with_tensors(labels=SOFT * 2, card=PROBABILITIES), "E211"),
    "27 negative rows": (with_tensors(labels=SOFT * 3 - np.float32(0.2), card=PROBABILITIES), "E211"),
    "27 logits far out": (with_tensors(labels=SOFT * np.float32(1e5), card=LOGITS), "E211"),
    "28 black images": (with_tensors(images=np.zeros_like(IMAGES)), "E212"),
    "28 one image for all": (with_tensors(images=np.repeat(IMAGES[:1], 10, axis=0)), "E212"),
    "28 all labels 0": (with_tensors(labels=np.zeros_like(LABELS), card={"ipc": None}), "E212"),
    "28 the same soft label": (with_tensors(labels=np.full((10, 10), 0.1, np.float32), card=PROBABILITIES), "E212"),
    "28 one index for all": (
        with_tensors(images=None, indices=np.zeros(10, np.int64), card=INDICES),
        "E212",
    ),
}


@pytest.mark.parametrize(("spoil", "code"), BAD.values(), ids=BAD)
def test_bad_arrays_are_3_with_their_code(stored: Path, tmp_path: Path, spoil: Spoil, code: str) -> None:
    folder = fine(tmp_path / "my-set")
    spoil(folder)
    check_refusal(folder, stored, code, 3)


@pytest.mark.parametrize("dtype", [">f4", ">f2"])
def test_arrays_in_another_byte_order_are_converted_by_value(make_set: SetMaker, stored: Path, dtype: str) -> None:
    images = IMAGES.astype(dtype)
    digest = Store(stored).write_set(make_set(tensors={"images": np.asfortranarray(images), "labels": LABELS[::1]}))
    again = Store(stored).read_set(digest).tensors["images"]
    assert np.array_equal(again, images) and again.dtype.isnative


@pytest.mark.parametrize("thing", [IMAGES.tolist(), np.array([None]), memoryview(b"x"), "images"])
def test_what_is_no_plain_array_is_refused_from_python(make_set: SetMaker, thing: Any) -> None:
    code, problems, _ = problems_of(lambda: make_set(tensors={"images": thing, "labels": LABELS}).validate())
    assert (code, [problem.code for problem in problems]) == (3, ["E213"])


def test_a_sparse_array_is_refused_from_python(make_set: SetMaker) -> None:
    from scipy.sparse import csr_array

    code, problems, _ = problems_of(
        lambda: make_set(tensors={"images": csr_array(np.eye(3)), "labels": LABELS}).validate()
    )
    assert (code, [problem.code for problem in problems]) == (3, ["E213"])


CODED = codecs.encode((IMAGES * 255).astype(np.uint8), "jpeg", 90)
JPEG: dict[str, Any] = {"decoder": {"name": "jpeg"}}


def coded(stream: bytes) -> Spoil:
    return with_tensors(images=None, stream=np.frombuffer(stream, np.uint8), card=JPEG)


@pytest.mark.parametrize(
    "stream",
    [
        b"x",
        b"\xff\xd8\xff",
        CODED[: len(CODED) // 2],
        codecs.encode((IMAGES[:4] * 255).astype(np.uint8), "jpeg", 90),
        codecs.encode((IMAGES * 255).astype(np.uint8), "webp", 90),
        CODED[:20] + b"\xff\xda" * 50 + CODED[20:],
    ],
    ids=["no picture", "a beginning", "half a picture", "a picture of four", "another codec", "many scans"],
)
def test_a_picture_that_its_decoder_cannot_read_is_3(stored: Path, tmp_path: Path, stream: bytes) -> None:
    folder = fine(tmp_path / "my-set")
    coded(stream)(folder)
    check_refusal(folder, stored, "E214", 3)


def styled(**changes: Any) -> Spoil:
    """Bases under two styles of one channel, with some tensors changed."""
    draw = np.random.default_rng(0)
    shapes = {"enc_weight": (2, 1, 1, 3, 3), "enc_bias": (2, 1), "scale": (2, 1, 6, 6), "shift": (2, 1, 6, 6)}
    shapes |= {"dec_weight": (2, 1, 1, 3, 3), "dec_bias": (2, 1)}
    parts: dict[str, Any] = {name: draw.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    card = {"decoder": {"name": "hallucinator"}, "space": STANDARDIZED, "ipc": None, **changes.pop("card", {})}
    known = {"images": None, "bases": IMAGES, "labels": np.tile(LABELS, 2), **parts}
    return with_tensors(card=card, **{**known, **changes})


STYLES: dict[str, tuple[Spoil, str]] = {
    "labels of the bases alone": (styled(labels=LABELS), "E214"),
    "maps of another size": (styled(scale=np.ones((2, 1, 8, 8), np.float32)), "E214"),
    "a third style's bias": (styled(dec_bias=np.ones((3, 1), np.float32)), "E214"),
    "bases as bytes": (styled(bases=(IMAGES * 255).astype(np.uint8)), "E214"),
    "a scalar": (styled(shift=np.float32(1).reshape(())), "E214"),
    "styles that give one grey": (
        styled(dec_weight=np.zeros((2, 1, 1, 3, 3), np.float32), dec_bias=np.ones((2, 1), "f4")),
        "E214",
    ),
    "images per class": (styled(card={"ipc": 1}), "E214"),
    "a scale of pixels": (styled(card={"decoder": {"name": "hallucinator", "options": {"std": 0.1}}}), "E214"),
    "an option of text": (styled(card={"decoder": {"name": "hallucinator", "options": {"std": "1"}}}), "E214"),
    "an option that there is not": (styled(card={"decoder": {"name": "hallucinator", "options": {"x": 1}}}), "E307"),
    "no styles": (styled(scale=None), "E110"),
    "images beside the bases": (styled(images=IMAGES), "E110"),
    "infinity in a style": (styled(shift=np.full((2, 1, 6, 6), np.inf, np.float32)), "E201"),
    "one base for all": (styled(bases=np.repeat(IMAGES[:1], 10, axis=0)), "E212"),
    "more labels than training images": (styled(labels=np.tile(LABELS, 200)), "E209"),
}


def test_bases_and_styles_that_fit_are_fine(tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    styled()(folder)
    assert judged(folder) == ""


@pytest.mark.parametrize("name", STYLES)
def test_bases_and_styles_that_do_not_fit_are_3(stored: Path, tmp_path: Path, name: str) -> None:
    folder, (spoil, code) = fine(tmp_path / "my-set"), STYLES[name]
    spoil(folder)
    check_refusal(folder, stored, code, 3)


def test_styles_with_any_byte_changed_are_read_or_refused_and_never_a_bug(tmp_path: Path) -> None:
    folder, draw, codes = fine(tmp_path / "my-set"), np.random.default_rng(0), set()
    styled()(folder)
    file = folder / "tensors.safetensors"
    whole = file.read_bytes()
    for place in draw.integers(len(whole) - 400 * 4, len(whole), 60):  # the values of styles and labels
        changed = bytearray(whole)
        changed[place] ^= int(draw.integers(1, 256))
        file.write_bytes(changed)
        codes.add(judged(folder))
    assert codes <= {"", "E201", "E202", "E214"}


def test_a_picture_with_any_byte_changed_is_read_or_refused_and_never_a_bug(tmp_path: Path) -> None:
    folder, draw, codes = fine(tmp_path / "my-set"), np.random.default_rng(0), set()
    coded(CODED)(folder)
    assert judged(folder) == ""
    for place in draw.integers(0, len(CODED), 60):
        changed = bytearray(CODED)
        changed[place] ^= int(draw.integers(1, 256))
        coded(bytes(changed))(folder)
        codes.add(judged(folder))
    assert codes == {"", "E214"}


def test_all_independent_problems_are_told_at_once(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    card = {"dataset_digest": "0" * 64, "method": "=x", "title": "\u202e", "more": 1, "licence": ""}
    with_tensors(images=IMAGES * 255, labels=LABELS + 1, card=card)(folder)
    text = check_refusal(folder, stored, "E307", 3)
    codes = sorted(line.split()[0] for line in text.splitlines())
    assert codes == ["E202", "E207", "E303", "E304", "E307", "E309", "E608"]


def test_a_card_that_is_broken_does_not_hide_what_is_wrong_with_the_tensors(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    with_tensors(images=spotted(np.nan), card={"space": "raw"})(folder)
    text = check_refusal(folder, stored, "E201", 3)
    assert [line.split()[0] for line in text.splitlines()] == ["E307", "E201"]


def test_no_more_than_twenty_problems_are_told(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    with_tensors(labels=LABELS + 1, card={f"field{i}": i for i in range(300)})(folder)
    assert len(check_refusal(folder, stored, "E307", 3).splitlines()) == 21


def test_a_set_may_be_as_large_as_its_dataset_and_no_larger(stored: Path, tmp_path: Path) -> None:
    facts = datasets.facts("digits")
    assert budget(facts) == 1000 * 4 * (64 + 10)
    folder = fine(tmp_path / "my-set")
    images = np.random.default_rng(0).random((1000, 1, 8, 8), dtype=np.float32)
    labels = np.tile(LABELS, 100)
    with_tensors(images=images, labels=np.eye(10, dtype=np.float32)[labels], card={"ipc": 100, **PROBABILITIES})(folder)
    assert check(folder, Store(stored)).ledger["total"] == budget(facts)
    more = np.concatenate([images, images[:10]])
    with_tensors(images=more, labels=np.tile(LABELS, 101), card={"ipc": 101})(folder)
    with pytest.raises(InvalidInput, match=r"E209 .*:labels: more labels than .* \(got 1,010, limit 1,000\)"):
        check(folder, Store(stored))
    more = np.concatenate([images, images[:200]])
    with_tensors(images=more, labels=labels, card={"ipc": 100})(folder)
    with pytest.raises(InvalidInput, match=r"E209 .*\(got images 307,200, labels 8,000, limit 296,000 in all\)"):
        check(folder, Store(stored))


def test_a_large_set_is_checked_within_twice_its_size(tmp_path: Path) -> None:
    """Beside the arrays themselves only chunks: 40 MB of images of CIFAR-10's shape, all refused for one NaN."""
    import tracemalloc

    facts = datasets.facts("cifar10")
    folder = fine(tmp_path / "my-set")
    images = np.zeros((3300, *facts.shape), np.float32)
    images[-1, 0, 0, 0] = np.nan
    card = {"dataset": "cifar10", "dataset_digest": facts.digest, "ipc": 330}
    with_tensors(tensor_file.to_bytes({"images": images, "labels": np.tile(LABELS, 330)}), card=card)(folder)
    size = images.nbytes
    del images
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="E201"):
        check(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * size
