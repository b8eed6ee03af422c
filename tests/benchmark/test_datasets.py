"""Facts, canonical order and digests of the datasets that come with the benchmark."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import datasets, registry
from benchmark.datasets import _loading
from benchmark.datasets._canonical import Raw, build, canonical_order, measure
from benchmark.datasets._facts import DatasetFacts, from_table, to_table
from benchmark.errors import InvalidInput, UsageError

pytestmark = pytest.mark.usefixtures("own_data_root")

NAMES = ("cifar10", "cifar100", "digits", "fashion-mnist", "mnist", "svhn")


def some_images(n: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)


def facts_of(**changes: Any) -> DatasetFacts:
    prose = {key: key for key in ("name", "title", "summary", "source", "licence", "citation", "loader")}
    return DatasetFacts(**{**prose, "flip": False, "redistributable": False, **changes})


def test_these_datasets_are_registered() -> None:
    assert set(NAMES) <= set(registry.names("dataset"))


@pytest.mark.parametrize("name", registry.names("dataset"))
def test_every_dataset_states_everything_in_its_file(name: str) -> None:
    facts = datasets.facts(name)
    assert facts.name == name
    assert facts.is_complete
    for text in (facts.title, facts.summary, facts.source, facts.licence, facts.citation):
        assert text.strip()
    assert "\n" not in facts.summary
    assert facts.source.startswith(("http://", "https://"))
    assert facts.digest == "" or len(facts.digest) == 64
    assert all(len(numbers.mean) == len(numbers.std) == facts.shape[0] for numbers in facts.statistics.values())
    assert all(0 < value < 1 for numbers in facts.statistics.values() for value in numbers.mean + numbers.std)
    assert facts.n_train > facts.n_test > len(facts.classes)


@pytest.mark.parametrize("field", ["title", "summary", "source", "licence", "citation"])
@pytest.mark.parametrize("value", ["", " ", None])
def test_a_file_that_leaves_its_origin_empty_is_refused(field: str, value: str | None) -> None:
    table = to_table(datasets.facts("digits"))
    if value is None:
        del table[field]
    else:
        table[field] = value
    with pytest.raises(InvalidInput, match=f"some.toml.*{field}"):
        from_table(table, "digits", "some.toml")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("format", 2, "the format that this version reads"),
        ("flip", "no", "true or false"),
        ("flip", 0, "true or false"),
        ("shape", [8, 8], "channels, height, width"),
        ("n_train", 0, "above 0"),
        ("n_train", True, "above 0"),
        ("classes", ["a", "a"], "no two alike"),
        ("digest", "abc", "64 hex digits"),
        ("statistics", {"dataset": {"mean": [0.5], "std": [0.0]}}, "above 0"),
        ("statistics", {"dataset": {"mean": [0.5]}}, "mean and a std"),
        ("statistics", {"dataset": {"mean": [0.5, 0.5], "std": [1.0, 1.0]}}, "2 channels, shape 1"),
        ("flipp", False, "Did you mean 'flip'"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(field: str, value: object, says: str) -> None:
    table = {**to_table(datasets.facts("digits")), field: value}
    with pytest.raises(InvalidInput, match=says):
        from_table(table, "digits", "some.toml")


@pytest.mark.parametrize("name", NAMES)
def test_facts_survive_being_written_as_a_table(name: str) -> None:
    facts = datasets.facts(name)
    assert from_table(to_table(facts), name, "x") == facts
    assert hash(from_table(to_table(facts), name, "x")) == hash(facts)


def test_the_dc_family_normalises_cifar10_by_another_deviation_than_its_own() -> None:
    statistics = datasets.facts("cifar10").statistics
    assert statistics["vico"].std == (0.2023, 0.1994, 0.2010)
    assert statistics["dataset"].std == (0.247032, 0.243485, 0.261588)


def test_mirrored_numerals_do_not_keep_their_label() -> None:
    flips = {name: datasets.facts(name).flip for name in NAMES}
    assert flips == {
        "cifar10": True,
        "cifar100": True,
        "digits": False,
        "fashion-mnist": True,
        "mnist": False,
        "svhn": False,
    }


def test_an_unknown_name_says_the_nearest_and_how_own_data_are_named() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'cifar10'.*\.npz"):
        datasets.facts("cifar-10")


def test_a_dataset_is_read_once_and_kept() -> None:
    assert datasets.load("digits") is datasets.load("digits")


# Canonical order and digest


def test_images_stand_by_label_and_then_by_hash() -> None:
    images = some_images(6)
    labels = np.array([1, 0, 1, 0, 1, 0])
    by_hand = sorted(range(6), key=lambda i: (labels[i], hashlib.sha256(images[i].tobytes()).digest()))
    order, hashes = canonical_order(images, labels)
    assert order.tolist() == by_hand
    assert hashes[0].tobytes() == hashlib.sha256(images[by_hand[0]].tobytes()).digest()


def test_the_digest_is_what_the_docs_say() -> None:
    images, labels = some_images(4), np.array([1, 0, 1, 0])
    raw = Raw("here", (images, images[2:]), (labels, labels[2:]))
    built = build(facts_of(), raw)
    expected = hashlib.sha256(b"distillbench dataset 1, 2 classes")
    for split in (built.train, built.test):
        expected.update(f", ({len(split)}, 3, 4, 5)".encode())
        expected.update(split.labels.tobytes())
        for image in split.images:
            expected.update(hashlib.sha256(image.tobytes()).digest())
    assert built.facts.digest == expected.hexdigest()


def test_two_shuffles_of_one_dataset_give_one_digest_and_one_order() -> None:
    images, labels = some_images(40), np.arange(40) % 4
    images[7] = images[3]  # the same image twice in one class
    images[8] = images[4 + 1]  # and in two classes
    test_images, test_labels = some_images(12, seed=1), np.arange(12) % 4
    built = []
    for seed in (1, 2):
        shuffle, again = np.random.default_rng(seed).permutation(40), np.random.default_rng(seed).permutation(12)
        raw = Raw("x", (images[shuffle], test_images[again]), (labels[shuffle], test_labels[again]))
        built.append(build(facts_of(), raw))
    assert built[0].facts == built[1].facts
    for split in ("train", "test"):
        assert np.array_equal(built[0].split(split).images, built[1].split(split).images)
        assert np.array_equal(built[0].split(split).labels, built[1].split(split).labels)


@pytest.mark.parametrize("change", ["pixel", "label", "swap"])
def test_the_digest_moves_with_every_pixel_and_label(change: str) -> None:
    images, labels = some_images(6), np.array([0, 0, 0, 1, 1, 1])
    changed_images, changed_labels = images.copy(), labels.copy()
    if change == "pixel":
        changed_images[0, 0, 0, 0] ^= 1
    elif change == "label":
        changed_labels[0] = 1
    else:
        changed_labels[[0, 3]] = changed_labels[[3, 0]]
    before = build(facts_of(), Raw("x", (images, images), (labels, labels)))
    after = build(facts_of(), Raw("x", (changed_images, images), (changed_labels, labels)))
    assert after.facts.digest != before.facts.digest


def test_a_class_without_training_images_is_refused() -> None:
    images, labels = some_images(2), np.array([0, 2])
    with pytest.raises(InvalidInput, match=r"class 'b' \(label 1\) has no training image"):
        build(facts_of(classes=("a", "b", "c")), Raw("x", (images, images), (labels, labels)))


def test_images_in_memory_cannot_be_written_to() -> None:
    images, labels = some_images(4), np.array([0, 1, 0, 1])
    built = build(facts_of(), Raw("x", (images, images), (labels, labels)))
    with pytest.raises(ValueError, match="read-only"):
        built.train.images[0] = 0
    built.train.images[built.indices("train", classes=[1])][:] = 0  # a selection is a copy


def test_statistics_are_the_mean_and_deviation_of_the_pixels() -> None:
    images = some_images(50)
    scaled = images / 255
    measured = measure(images)
    assert measured.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), rel=1e-12)
    assert measured.std == pytest.approx(scaled.std(axis=(0, 2, 3)), rel=1e-12)
    by_hand = measure(np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1))
    assert (by_hand.mean, by_hand.std) == ((0.5,), (0.5,))
    assert measure(np.full((2, 1, 1, 1), 7, dtype=np.uint8)).std == (1.0,)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": (3, 5, 4)}, r"\(3, 4, 5\), not \(3, 5, 4\)"),
        ({"n_train": 7}, "6 train images; title has 7"),
        ({"n_test": 7}, "6 test images; title has 7"),
        ({"classes": ("a",)}, "label 1 is out of range; 1 classes have labels 0 to 0"),
        ({"digest": "0" * 64}, "here is not title: its digest is"),
        ({"statistics": {"vico": datasets.Statistics((0.5,), (0.5,))}}, "vico has 1 channels"),
    ],
)
def test_data_that_are_not_what_the_facts_say_are_refused(changes: dict[str, Any], says: str) -> None:
    images, labels = some_images(6), np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(InvalidInput, match=says):
        build(facts_of(**changes), Raw("here", (images, images), (labels, labels)))


def test_labels_below_zero_and_other_class_names_are_refused() -> None:
    images, labels = some_images(2), np.array([-1, 0])
    with pytest.raises(InvalidInput, match="label -1 is out of range"):
        build(facts_of(), Raw("here", (images, images), (labels, labels)))
    with pytest.raises(InvalidInput, match=r"class names \(b, a\) are not the dataset's \(a, b\)"):
        build(facts_of(classes=("a", "b")), Raw("here", (images, images), (labels, labels), ("b", "a")))
    with pytest.raises(InvalidInput, match="2 labels; need as many"):
        build(facts_of(classes=("a",)), Raw("here", (some_images(3), images), (labels[1:].repeat(2), labels * 0)))


# Real data


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_the_real_data_have_the_committed_digest(
    name: str, real_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLBENCH_DATA", str(real_data(name)))
    dataset = datasets.load(name)
    assert dataset.facts == datasets.facts(name)
    measured = measure(dataset.train.images)
    assert measured.mean == pytest.approx(dataset.facts.statistics["dataset"].mean, abs=1e-6)
    assert measured.std == pytest.approx(dataset.facts.statistics["dataset"].std, abs=1e-6)
    assert (
        np.bincount(dataset.train.labels[dataset.indices("train", "holdout")]).tolist()
        == [len(dataset.train) // 100] * 10
    )


# Without torch


def test_datasets_load_with_torch_blocked() -> None:
    code = """
import sys
import tomllib

class Blocked:  # None in sys.modules would do for us, but scipy looks there to see whether torch is in use
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from benchmark import datasets, registry
for name in registry.names("dataset"):
    datasets.facts(name)
assert len(datasets.load("digits").train) == 1000
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# The page


def test_the_page_names_every_dataset_field_loader_and_part() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    fields = [name for name in to_table(datasets.facts("digits")) if name not in ("options", "statistics")]
    for word in (*NAMES, *fields, *_loading.LOADERS, "holdout", "minus-holdout", "half-00", "half-15"):
        assert f"`{word}`" in page, word
    assert "`[options]`" in page and "`[statistics.NAME]`" in page


def test_the_page_ends_with_a_file_that_is_a_dataset() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    block = page.rpartition("```toml\n")[2]
    assert block.endswith("```\n")
    facts = from_table(tomllib.loads(block.removesuffix("```\n")), "insects", "docs/datasets.md")
    assert facts.is_complete
    assert facts.loader in _loading.LOADERS
