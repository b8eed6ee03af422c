"""Facts, canonical order, digests and parts of the datasets that come with the benchmark."""

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
from benchmark.datasets._parts import draw, members, quota
from benchmark.datasets._place import locate
from benchmark.errors import InvalidInput, UsageError

NAMES = ("cifar10", "cifar100", "digits", "fashion-mnist", "mnist", "svhn")

DIGITS_PARTS = {
    "holdout": "ab89dc6eedd1d624efb8247185e38831e0e9ed42317a1adf71f84e4434358460",
    "minus-holdout": "1ae059bc42f3f044642513265ea5d31ec8e647d373f84783f7cb649f63e4e577",
    "fold-0": "31be8bb37dc22206e8a52e27a5c17f8a2f04a2881e4c52408f827e5731f542c3",
    "fold-1": "58b24cd62edb30389a92e253d6c8edecb2ff130e0b5646f506a100b10d423c19",
    "fold-2": "527fce94baea0b58efd41c372e48bec89d4854c64a25ca7558efa2a2678b0a29",
    "fold-3": "9c6dbd7463a6216786dee238078fcea657f147f8dddbe19ec40e686a57dc06dc",
    "fold-4": "6b6cd23178f34b60f666c0c7cfdb8511f4953b870aef059bbd53c9e021242c32",
    "minus-fold-0": "880c139175ded204ccbab00faf3513a6d3056fe4abd172dada8d2b1722b37316",
    "minus-fold-1": "fe2a85b65087fe7cb2b0ac7fd8ae42c8b04471e0b21f1b98ce03d530cadebf6f",
    "minus-fold-2": "d9aae2050b67eb71a6c2351685924311ddf1ad7a896ccdc19fdb9c71f19445d9",
    "minus-fold-3": "9153381acde558066ae9619279d58e14af62b38a0b2332826d60f2340628f2da",
    "minus-fold-4": "122e90005d03c7351940d60583b0aab743f79b18ea08c1d9951a2520639867e1",
    "half-00": "6cdf6643a0ac86120612e46a11826ffedb233ea1b94a3a99954a472ac0233c8b",
    "half-01": "50efa060937a5c14cdb6b633560e71dba4eba6ddc1b4bf6fa5fce06a9123ed0b",
    "half-02": "b443008eed95f75e4d900913f873a37deef055037b274efd1af697f6a3a7d5cc",
    "half-03": "d6e4c1e3e9629ad61e4483e5659f218c9e77cabfbafa2798a86a9cf6eb47fdef",
    "half-04": "0428a5d21969adb07f19c744297a2a21928a707dbdc9cd5082269bbf8c31fae3",
    "half-05": "1bc94064a479a01767dfb6f325bab017bffdfc6eba5a28564015f9c76b3c6597",
    "half-06": "0753c70914f472209cf55e23a8c1caa2444fa8883c1ca90b071ffca9dd23e08e",
    "half-07": "b1c982b3a2f79d09ba535e3bd4e86b8a3588f5614f5f584861bc464bea29cd3f",
    "half-08": "856887678a89776ebcc587f17474b1e8ced579b74528fb7f1b2cb2c908ebbc53",
    "half-09": "f8d53b0d30e9dfb3ff10dc28e8de269248c1f8643995a78f95edb36bfead570d",
    "half-10": "83805a0c6cc4699f0b6ef26656e6a65cabc5ceb93745237e3f401782ed731926",
    "half-11": "77f1dede577e0457426c547951399451b552b235bf6bcc24b9a396712614b918",
    "half-12": "f1bbdd7e903c315e3aa9c067e502510ccf6d63ba7345e984be0bd524c06c9023",
    "half-13": "02560520df302116db3b1ea7965c9518fcc03f164960d40f290bcc7e376d7cc5",
    "half-14": "19bb469ddd4bf0ae23fb5c0512a83002c2485adf151ce9005fc23ee6acf4cdd2",
    "half-15": "3d46f54d82907898c001d39f397916724b21265ce2a872370b733ffc960d6022",
}
"""sha256 of the positions in canonical order, as little-endian int64: moving one moves published results."""


@pytest.fixture(autouse=True)
def _own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "data-root"))


def sha256(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


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


# Parts


def test_the_holdout_is_a_tenth_of_every_class_and_the_rest_is_the_rest() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [100, 94, 95, 2, 1])
    holdout, rest = members("holdout", labels), members("minus-holdout", labels)
    assert np.bincount(labels[holdout], minlength=5).tolist() == [10, 9, 10, 1, 0]
    assert sorted([*holdout, *rest]) == list(range(len(labels)))
    assert holdout.dtype == rest.dtype == np.int64


def test_halves_hold_half_of_every_class_and_are_sixteen_different_draws() -> None:
    labels = np.repeat([0, 1], [40, 5])
    halves = [members(part, labels) for part in datasets.PARTS if part.startswith("half-")]
    assert len({half.tobytes() for half in halves}) == 16
    for number, half in enumerate(halves):
        assert np.bincount(labels[half]).tolist() == [20, 2 + number % 2]
        assert np.all(np.diff(half) > 0)
    held_by = np.bincount(np.concatenate(halves), minlength=45)
    assert held_by[:40].mean() == 8
    assert held_by.min() >= 2 and held_by.max() <= 14  # each image is in and out often enough to be attacked


def test_a_draw_follows_from_its_text_alone() -> None:
    labels = np.array([5, 3, 5, 5])
    numbers = np.frombuffer(hashlib.shake_256(b"distillbench part try, label 5").digest(24), dtype="<u8")
    assert draw(labels, {5: 1}, "try").tolist() == [[0, 2, 3][int(numbers.argmin())]]


def test_a_quota_gives_the_largest_remainders_first() -> None:
    assert quota(np.repeat([0, 1, 2], [5, 3, 2]), 4) == {0: 2, 1: 1, 2: 1}  # shares 2.0, 1.2, 0.8
    assert quota(np.repeat([0, 1], [3, 3]), 3) == {0: 2, 1: 1}  # equal remainders: the lower label


def test_indices_take_a_part_and_classes_together() -> None:
    dataset = datasets.load("digits")
    both = dataset.indices("train", "holdout", (3, 7))
    assert set(dataset.train.labels[both]) == {3, 7}
    assert set(both) == set(dataset.indices("train", "holdout")) & set(dataset.indices("train", None, (7, 3)))
    assert dataset.indices().tolist() == list(range(1000))
    assert dataset.indices("test", classes=()).size == 0
    assert both.dtype == np.int64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tset", None, None), "unknown split 'tset'. Did you mean 'test'"),
        (("train", "holdot", None), "unknown part 'holdot'. Did you mean 'holdout'"),
        (("train", "half-16", None), "unknown part"),
        (("test", "holdout", None), "the test split has no parts"),
        (("train", None, (10,)), "classes 0 to 9; there is no 10"),
        (("train", None, (-1,)), "there is no -1"),
    ],
)
def test_indices_that_cannot_be_had_are_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        datasets.load("digits").indices(*arguments)


# digits


def test_digits_are_a_thousand_and_797_images_without_loss() -> None:
    from sklearn.datasets import load_digits

    dataset = datasets.load("digits")
    assert dataset.train.images.shape == (1000, 1, 8, 8)
    assert dataset.test.images.shape == (797, 1, 8, 8)
    assert dataset.train.images.dtype == np.uint8
    assert np.bincount(dataset.train.labels).tolist() == [99, 101, 98, 102, 101, 101, 101, 100, 97, 100]
    counts = np.rint(np.concatenate([dataset.train.images, dataset.test.images]) * (16 / 255))
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    ours = sorted((int(label), image.astype(int).tolist()) for label, image in zip(labels, counts[:, 0], strict=True))
    found = load_digits()
    theirs = sorted(
        (int(label), image.astype(int).tolist()) for label, image in zip(found.target, found.images, strict=True)
    )
    assert ours == theirs


def test_the_digits_never_change() -> None:
    dataset = datasets.load("digits")
    assert dataset.facts == datasets.facts("digits")
    assert dataset.facts.digest == "262c2dea57bb4eeb9dcc4b8a2ec1da1ac6736d8142eff0116695f9489a816dc2"
    assert dataset.facts.options["split"] == "43b8f634caaf0d14d5e269d30d58f0cd16b6d52ba7714f52547b05e8393ec36c"
    assert sha256(dataset.train.images) == "2ac3c0a92374d692633041e70e5c5bec2df420ac267c09a68805bd11c3442f2d"
    numbers = measure(dataset.train.images)
    assert numbers.mean == pytest.approx(dataset.facts.statistics["dataset"].mean, abs=1e-6)
    assert numbers.std == pytest.approx(dataset.facts.statistics["dataset"].std, abs=1e-6)


@pytest.mark.parametrize("part", datasets.PARTS)
def test_the_parts_of_the_digits_never_change(part: str) -> None:
    assert sha256(datasets.load("digits").indices("train", part).astype("<i8")) == DIGITS_PARTS[part]


def test_a_changed_digits_split_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    found = sklearn.datasets.load_digits()
    found.images = found.images.copy()
    found.images[0, 0, 0] = 16
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: found)
    with pytest.raises(InvalidInput, match="scikit-learn's load_digits is not scikit-learn digits: its digest is"):
        _loading.read(locate("digits"))


def test_a_dataset_is_read_once_and_kept() -> None:
    assert datasets.load("digits") is datasets.load("digits")


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


def test_folds_are_a_stratified_partition() -> None:
    labels = np.repeat(np.arange(3), (10, 11, 14))
    folds = [members(f"fold-{k}", labels) for k in range(5)]
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(35))
    for fold in folds:
        assert set(np.bincount(labels[fold], minlength=3)) <= {2, 3}
    rest = members("minus-fold-2", labels)
    assert np.array_equal(np.sort(np.concatenate([rest, folds[2]])), np.arange(35))
