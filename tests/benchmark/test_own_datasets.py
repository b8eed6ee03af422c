"""A user's own data: .npz files, image folders, TOML files, and the names that they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark import datasets, keys, registry
from benchmark.errors import EnvironmentFault, InvalidInput, UsageError
from benchmark.recipe import Recipe
from benchmark.values import Budget, Data, Made, Real, Stage, Training

pytestmark = pytest.mark.usefixtures("own_data_root")

Arrays = dict[str, np.ndarray[Any, Any]]


def some_arrays(seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        "x_train": generator.integers(0, 256, (12, 4, 5, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": generator.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }


def write_npz(file: Path, arrays: Arrays) -> Path:
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


def write_folder(folder: Path, arrays: Arrays, names: tuple[str, ...] = ("ant", "bee", "cat")) -> Path:
    for split in ("train", "test"):
        for number, (image, label) in enumerate(zip(arrays[f"x_{split}"], arrays[f"y_{split}"], strict=True)):
            file = folder / split / names[label] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    return folder


TOML = """
format = 1
title = "My insects"
summary = "Three insects."
source = "https://example.org/insects"
licence = "CC0"
citation = "Me (2026)."
redistributable = true
flip = true
loader = "npz"

[options]
path = "mine.npz"
"""


# .npz


def test_an_npz_path_is_a_dataset_whose_facts_come_from_the_data(tmp_path: Path) -> None:
    arrays = some_arrays()
    facts = datasets.facts(str(write_npz(tmp_path / "My insects.npz", arrays)))
    dataset = datasets.load(tmp_path / "My insects.npz")
    assert dataset.facts == facts
    assert facts.name == f"my-insects-{facts.digest[:8]}"
    assert facts.shape == (3, 4, 5)
    assert (facts.n_train, facts.n_test, facts.classes) == (12, 6, ("0", "1", "2"))
    assert facts.statistics["dataset"].mean == pytest.approx((arrays["x_train"] / 255).mean(axis=(0, 1, 2)))
    assert facts.statistics["dataset"].std == pytest.approx((arrays["x_train"] / 255).std(axis=(0, 1, 2)))
    assert not facts.flip and not facts.redistributable
    sent = {image.tobytes() for image in arrays["x_train"].transpose(0, 3, 1, 2)}
    assert {image.tobytes() for image in dataset.train.images} == sent


def test_grey_images_may_come_without_a_channel(tmp_path: Path) -> None:
    arrays = some_arrays()
    grey = {key: array[..., 0] if key.startswith("x") else array for key, array in arrays.items()}
    with_channel = {key: array[..., :1] if key.startswith("x") else array for key, array in arrays.items()}
    first = datasets.load(write_npz(tmp_path / "a.npz", grey))
    second = datasets.load(write_npz(tmp_path / "b.npz", with_channel))
    assert first.facts.shape == (1, 4, 5)
    assert first.facts.digest == second.facts.digest


def test_class_names_may_be_in_the_file(tmp_path: Path) -> None:
    arrays = {**some_arrays(), "class_names": np.array(["ant", "bee", "cat"])}
    assert datasets.facts(write_npz(tmp_path / "a.npz", arrays)).classes == ("ant", "bee", "cat")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x_train": np.zeros((12, 4, 5, 3), np.float32)}, "x_train has dtype float32; images must be uint8"),
        ({"x_test": np.zeros((6, 60), np.uint8)}, r"x_test has shape \(6, 60\)"),
        ({"x_train": np.zeros((12, 3, 32, 32), np.uint8)}, r"looks like \(N, C, H, W\): transpose"),
        ({"x_train": np.zeros((12, 0, 5, 3), np.uint8)}, "need as many, and some"),
        ({"x_test": np.zeros((6, 5, 4, 3), np.uint8)}, r"test images have .* \(3, 5, 4\), not \(3, 4, 5\)"),
        ({"y_train": np.arange(12) % 3 / 1}, "y_train is float64"),
        ({"y_train": np.eye(12, 3, dtype=np.int64)}, r"y_train is int64 \(12, 3\)"),
        ({"y_train": np.arange(11) % 3}, r"train images \(12, 3, 4, 5\) and 11 labels"),
        ({"y_test": np.array([0, 1, 2, 0, 1, -1])}, "label -1 is out of range"),
        ({"y_test": np.array([0, 1, 2, 0, 1, 3])}, r"class '3' \(label 3\) has no training image"),
        ({"x_train": np.array([None] * 12)}, "Python objects, which are never loaded"),
        ({"class_names": np.array(["a", None, "c"], dtype=object)}, "Python objects"),
        ({"class_names": np.array([1, 2, 3])}, "class_names is int64"),
        ({"class_names": np.array(["a", "b", "a"])}, "name twice"),
        ({"class_names": np.array(["a", "b"])}, "label 2 is out of range; 2 classes"),
    ],
)
def test_arrays_that_are_no_dataset_are_refused(tmp_path: Path, change: Arrays, says: str) -> None:
    file = write_npz(tmp_path / "bad.npz", {**some_arrays(), **change})
    with pytest.raises(InvalidInput, match=rf"bad.npz.*{says}"):
        datasets.load(file)
    assert not (tmp_path / "data-root").exists()


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    arrays = some_arrays()
    del arrays["y_test"]
    with pytest.raises(InvalidInput, match="array 'y_test' is missing"):
        datasets.load(write_npz(tmp_path / "a.npz", arrays))


@pytest.mark.parametrize("kept", [0, 1, 100, 700, 0.9])
def test_a_truncated_npz_is_refused(tmp_path: Path, kept: float) -> None:
    file = write_npz(tmp_path / "a.npz", some_arrays())
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(InvalidInput, match=r"a\.npz"):
        datasets.load(file)


def test_a_flipped_byte_in_an_npz_is_noticed(tmp_path: Path) -> None:
    arrays = some_arrays()
    file = write_npz(tmp_path / "a.npz", arrays)
    content = bytearray(file.read_bytes())
    content[content.index(arrays["x_train"].tobytes()) + 5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"truncated or no \.npz file"):
        datasets.load(file)


@pytest.mark.parametrize("content", [b"<!doctype html><html>", b"\x80\x04K\x01."])
def test_what_is_no_npz_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"a\.npz"):
        datasets.load(tmp_path / "a.npz")


def test_a_single_array_under_the_name_of_an_npz_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(InvalidInput, match="holds one array"):
        datasets.load(tmp_path / "a.npz")


# Image folders


def test_an_image_folder_and_an_npz_of_the_same_images_have_one_digest(tmp_path: Path) -> None:
    arrays = some_arrays()
    (tmp_path / "insects").mkdir()
    folder = write_folder(tmp_path / "insects", arrays)
    (folder / "train" / ".hidden").touch()
    by_folder = datasets.load(str(folder))
    by_file = datasets.load(write_npz(tmp_path / "insects.npz", arrays))
    assert by_folder.facts.classes == ("ant", "bee", "cat")
    assert by_folder.facts.digest == by_file.facts.digest
    assert by_folder.facts.name == f"insects-{by_folder.facts.digest[:8]}"
    assert np.array_equal(by_folder.test.images, by_file.test.images)


def test_a_folder_of_grey_images_has_one_channel_and_one_of_both_has_three(tmp_path: Path) -> None:
    grey = {key: array[..., 0] if key.startswith("x") else array for key, array in some_arrays().items()}
    folder = write_folder(tmp_path / "grey", grey)
    assert datasets.facts(folder).shape == (1, 4, 5)
    Image.fromarray(some_arrays()["x_train"][0]).save(folder / "train" / "ant" / "colour.png")
    assert datasets.facts(folder).shape == (3, 4, 5)


def test_strange_things_in_an_image_folder_are_named(tmp_path: Path) -> None:
    arrays = some_arrays()

    def refused(change: str, says: str) -> None:
        folder = write_folder(tmp_path / change, arrays)
        target = folder / "train" / "ant" / "0.png"
        if change == "text":
            target.with_suffix(".txt").write_text("notes")
        elif change == "size":
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(target)
        elif change == "alpha":
            Image.fromarray(np.zeros((4, 5, 4), np.uint8)).save(target)
        elif change == "deep":
            Image.fromarray(np.zeros((4, 5), np.uint16)).save(target)
        elif change == "cut":
            target.write_bytes(target.read_bytes()[:-30])
        elif change == "empty":
            target.write_bytes(b"")
        elif change == "class":
            (folder / "test" / "ant").rename(folder / "test" / "dog")
        elif change == "file":
            (folder / "train" / "readme.png").touch()
        elif change == "none":
            for file in (folder / "test").rglob("*.png"):
                file.unlink()
        with pytest.raises(InvalidInput, match=says):
            datasets.load(folder)

    refused("text", r"0\.txt is no image that is read here")
    refused("size", r"3\.png has \(height, width\) \(4, 5\), .*0\.png has \(4, 4\)")
    refused("alpha", "mode 'RGBA' or is transparent")
    refused("deep", "mode 'I;16'")
    refused("cut", r"0\.png is truncated or broken")
    refused("empty", r"0\.png cannot be read as an image")
    refused("class", r"dog: train/ has no class")
    refused("file", r"readme\.png: expected a folder named after a class")
    refused("none", "test holds no image")
    (tmp_path / "void").mkdir()
    with pytest.raises(InvalidInput, match=r"train is missing\. An image folder holds train/<class>"):
        datasets.load(tmp_path / "void")


# TOML


def test_a_toml_path_adds_prose_to_the_data(tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", some_arrays())
    (tmp_path / "insects.toml").write_text(TOML)
    facts = datasets.facts(tmp_path / "insects.toml")
    assert facts.name == f"insects-{facts.digest[:8]}"
    assert (facts.title, facts.licence, facts.flip) == ("My insects", "CC0", True)
    assert facts.shape == (3, 4, 5)
    assert facts.digest == datasets.facts(tmp_path / "mine.npz").digest


def test_a_toml_that_states_all_is_believed_until_the_data_are_read(tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", some_arrays())
    stated = "\n".join(
        [
            TOML.replace("[options]", 'shape = [3, 4, 5]\nn_train = 12\nn_test = 6\nclasses = ["a", "b", "c"]'),
            "[statistics.dataset]\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]",
        ]
    ).replace('path = "mine.npz"', f'digest = "{"0" * 64}"\noptions.path = "mine.npz"')
    (tmp_path / "insects.toml").write_text(stated)
    facts = datasets.facts(tmp_path / "insects.toml")
    assert facts.name == "insects-00000000"
    with pytest.raises(InvalidInput, match="is not My insects: its digest is"):
        datasets.load(tmp_path / "insects.toml")
    right = datasets.facts(tmp_path / "mine.npz").digest
    (tmp_path / "insects.toml").write_text(stated.replace("0" * 64, right))
    assert datasets.load(tmp_path / "insects.toml").facts.statistics["dataset"].std == (0.25, 0.25, 0.25)


def test_a_toml_in_a_folder_of_plug_ins_has_its_plain_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets").mkdir()
    write_npz(tmp_path / "datasets" / "mine.npz", some_arrays())
    (tmp_path / "datasets" / "my_insects.toml").write_text(TOML)
    monkeypatch.setenv("DISTILLBENCH_PLUGINS", str(tmp_path))
    registry._files.cache_clear()
    try:
        facts = datasets.facts("my-insects")
        assert facts.name == "my-insects"
        assert facts == datasets.load("my-insects").facts
        assert registry.summary("dataset", "my-insects") == "Three insects."
    finally:
        monkeypatch.undo()
        registry._files.cache_clear()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('loader = "npz"', 'loader = "npy"', "unknown loader 'npy'. Did you mean 'npz'"),
        ('path = "mine.npz"', "", r"needs options\.path"),
        ('path = "mine.npz"', "path = 3", r"needs options\.path"),
        ('path = "mine.npz"', 'path = "gone.npz"', r"gone\.npz: there is no such file"),
        ('loader = "npz"', 'loader = "torchvision"', r"needs options\.class"),
        ('path = "mine.npz"', 'class = "KMNIST"\nloader', "not valid TOML"),
    ],
)
def test_a_toml_that_leads_nowhere_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    write_npz(tmp_path / "mine.npz", some_arrays())
    (tmp_path / "insects.toml").write_text(TOML.replace(old, new))
    with pytest.raises(InvalidInput, match=says):
        datasets.load(tmp_path / "insects.toml")


# Names and paths


def test_own_data_are_found_again_by_their_stored_name(tmp_path: Path) -> None:
    facts = datasets.facts(write_npz(tmp_path / "mine.npz", some_arrays()))
    assert datasets.facts(facts.name) == facts
    assert datasets.load(facts.name).facts == facts
    recorded = json.loads((tmp_path / "data-root" / "own" / f"{facts.name}.json").read_text())
    assert recorded["path"] == str(tmp_path / "mine.npz")


def test_own_data_that_changed_are_not_taken_for_the_old_ones(tmp_path: Path) -> None:
    file = write_npz(tmp_path / "mine.npz", some_arrays())
    old = datasets.load(file).facts
    write_npz(file, some_arrays(seed=1))
    new = datasets.load(file).facts
    assert new.name != old.name
    with pytest.raises(InvalidInput, match=f"is not dataset '{old.name}' any more"):
        datasets.load(old.name)
    file.unlink()
    with pytest.raises(UsageError, match="which is gone"):
        datasets.load(new.name)


def test_a_broken_record_of_own_data_is_named(tmp_path: Path) -> None:
    facts = datasets.facts(write_npz(tmp_path / "mine.npz", some_arrays()))
    (tmp_path / "data-root" / "own" / f"{facts.name}.json").write_text("{")
    with pytest.raises(InvalidInput, match="Delete it and name the data by their path again"):
        datasets.facts(facts.name)


def test_a_stored_name_that_is_unknown_here_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Your own data are named by a path"):
        datasets.load("insects-0a1b2c3d")


def test_a_registered_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "digits", some_arrays())
    assert datasets.facts("digits").shape == (1, 8, 8)
    assert datasets.facts("./digits").shape == (3, 4, 5)
    assert datasets.facts(Path("digits")).shape == (3, 4, 5)


def test_paths_that_cannot_be_a_dataset_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        datasets.load(tmp_path / "gone.npz")
    (tmp_path / "data.csv").touch()
    with pytest.raises(UsageError, match=r"neither an \.npz file, nor a \.toml file"):
        datasets.load(str(tmp_path / "data.csv"))


def test_a_data_root_that_cannot_be_written_is_the_environments_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault, match="Set DISTILLBENCH_DATA"):
        datasets.load(write_npz(tmp_path / "mine.npz", some_arrays()))


def test_the_data_root_is_a_cache_folder_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILLBENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.data_root() == tmp_path / "distillbench" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.data_root() == tmp_path / ".cache" / "distillbench" / "data"
    monkeypatch.setenv("DISTILLBENCH_DATA", "~/here")
    assert datasets.data_root() == tmp_path / "here"


def test_what_a_toml_says_of_own_data_moves_the_names_of_what_was_trained_on_them(tmp_path: Path) -> None:
    """It may be edited, where the digest of the data stays."""
    write_npz(tmp_path / "mine.npz", some_arrays())

    def names(text: str) -> tuple[str, str]:
        (tmp_path / "mine.toml").write_text(text)
        real = Real(datasets.load(tmp_path / "mine.toml").facts.name)
        training = Training((Stage(Data((real,))),), "mlp", Recipe("x"))
        made = Made("random-real", "default", real, Budget(ipc=1), 0)
        return keys.training_key(training), keys.made_key(made, {}, [])

    first, again = names(TOML), names(TOML.replace("My insects", "My beetles"))
    assert first == again
    flipped = names(TOML.replace("flip = true", "flip = false"))
    assert all(one != other for one, other in zip(first, flipped, strict=True))
