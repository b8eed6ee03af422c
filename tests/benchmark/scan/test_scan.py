"""The scan: what it refuses, flags and passes, what the store keeps of it, and what the commands say."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from benchmark import datasets, tensor_file
from benchmark.datasets import Dataset
from benchmark.errors import InvalidInput, PolicyRefusal, UsageError
from benchmark.plan import Job
from benchmark.runner import Runner
from benchmark.scan import Pair, Scan, draw, scan, stored
from benchmark.scan.scanning import _chance
from benchmark.space import PIXEL, Space
from benchmark.store import Store
from benchmark.synthetic_set import Array, Card, Decoder, SyntheticSet
from benchmark.values import Budget, Made, Real

DIGITS = datasets.load("digits")
TEST, TRAIN = DIGITS.test.images, DIGITS.train.images


def a_set(images: Array, dataset: Dataset = DIGITS, **card: Any) -> SyntheticSet:
    known: dict[str, Any] = {"dataset": dataset.facts.name, "dataset_digest": dataset.facts.digest, "space": PIXEL}
    labels = np.arange(len(images)) % len(dataset.facts.classes)
    return SyntheticSet({"images": images, "labels": labels}, Card(**{**known, "method": "by-hand", **card}))


def scanned(images: Array, **card: Any) -> Scan:
    return scan(a_set(images, **card), DIGITS)


def noisy(images: Array, levels: float, seed: int = 0) -> Array:
    """Images with normal noise, in pixels of 0..1."""
    draws = np.random.default_rng(seed).normal(0, levels, images.shape)
    return np.clip((images + draws) / 255, 0, 1).astype(np.float32)


# Copies


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda images: images, id="as they are"),
        pytest.param(lambda images: images[..., ::-1].copy(), id="mirrored"),
        pytest.param(lambda images: images[..., ::-1, ::-1].copy(), id="half turn"),
        pytest.param(lambda images: np.where(images < 255, images + 1, images).astype(np.uint8), id="a level off"),
        pytest.param(lambda images: (images / 255).astype(np.float16), id="as half floats"),
    ],
)
def test_test_images_are_refused_however_they_are_turned(changed: Callable[[Array], Array]) -> None:
    found = scanned(changed(TEST[:30]))
    assert (found.state, found.code, found.copies, found.images) == ("refused", "E601", 30, 30)
    assert [pair.test for pair in found.pairs] == list(range(20)), "the first twenty pairs are named"


def test_one_copy_among_training_images_is_found_and_named() -> None:
    found = scanned(np.concatenate([TRAIN[:60], TEST[411:412, :, ::-1].copy(), TRAIN[60:99]]))
    assert (found.state, found.copies) == ("refused", 1)
    assert found.pairs[0] == Pair(image=60, test=411, turn="upside down", ratio=0.0, levels=0)
    assert found.reason.startswith("1 of 100 images")


def test_images_are_led_back_to_pixels_before_they_are_compared() -> None:
    for space in (Space("standardized", (0.3,), (0.4,)), Space("zca", variant="kornia", eps=0.1)):
        images = space.bound(DIGITS).from_pixel(TEST[:10].astype(np.float32) / 255)
        assert scanned(images, space=space).copies == 10
        assert scanned(images, space=PIXEL).copies == 0


def test_an_image_that_both_splits_hold_is_the_dataset_s_own_duplicate(tmp_path: Path) -> None:
    draws = np.random.default_rng(3)
    train, test = (draws.integers(0, 256, (n, 12, 12, 3), dtype=np.uint8) for n in (60, 40))
    train[5] = test[7]
    np.savez(tmp_path / "mine.npz", x_train=train, y_train=np.arange(60) % 2, x_test=test, y_test=np.arange(40) % 2)
    dataset = datasets.load(tmp_path / "mine.npz")
    shared = np.flatnonzero((dataset.test.images == test[7].transpose(2, 0, 1)).all(axis=(1, 2, 3)))
    found = scan(a_set(dataset.test.images[shared], dataset), dataset)
    assert (found.state, found.copies, found.duplicates_in_train) == ("clean", 0, 1)
    assert scan(a_set(dataset.test.images[:3], dataset), dataset).state == "refused"


# Neighbours


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(noisy(TEST[::8], 16), id="noise of 16 levels"),
        pytest.param((0.2 * TEST[::8] / 255 + 0.5).astype(np.float32), id="a fifth of the contrast"),
        pytest.param(((0.5 * (TEST[::8] / 255) - 0.25) / 255 + 0.5).astype(np.float32), id="below one level"),
        pytest.param(np.concatenate([noisy(TEST[:2], 12), TRAIN[:8] / np.float32(255)]), id="two of ten"),
    ],
)
def test_changed_test_images_are_flagged(images: Array) -> None:
    found = scanned(images)
    assert (found.state, found.code, found.copies) == ("flagged", "E602", 0), found.reason
    assert found.near_test > 1


def test_a_set_that_knows_the_test_split_is_flagged_by_where_its_neighbours_stand() -> None:
    """Blurred test images are not near enough one by one, but too many have a test image as their neighbour."""
    moves = ((0, 2), (1, 2), (-1, 2), (1, 3), (-1, 3))
    blurred = np.mean([np.roll(TEST[::4].astype(np.float32), shift, axis) for shift, axis in moves], axis=0)
    found = scanned(blurred / 255)
    assert found.state == "flagged" and binom.sf(found.near_test - 1, found.images_searched, 0.01) > 0.1
    n = found.nearest_in_test + found.nearest_in_train
    assert "nearest neighbours are test images; 45 % would be" in found.reason
    assert binom.sf(found.nearest_in_test - 1, n, found.share_in_test_by_chance) < 0.001


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(TRAIN[::5], id="training images"),
        pytest.param(noisy(TRAIN[::5], 40), id="noisy training images"),
        pytest.param(np.random.default_rng(0).random((200, 1, 8, 8), dtype=np.float32), id="noise"),
        pytest.param(np.full((100, 1, 8, 8), 0.5, dtype=np.float32), id="grey"),
        pytest.param(np.stack([TRAIN[k::40].mean(axis=0) / 255 for k in range(40)]).astype(np.float32), id="means"),
    ],
)
def test_honest_sets_are_clean(images: Array) -> None:
    found = scanned(images)
    assert (found.state, found.code) == ("clean", ""), found.reason


def test_many_equal_images_count_once() -> None:
    """Else a single image that happens to lie nearer to test, repeated, would look like a habit."""
    nearer = next(k for k in range(200) if scanned(noisy(TEST[k : k + 1], 30)).pairs)
    found = scanned(np.repeat(noisy(TEST[nearer : nearer + 1], 30), 100, axis=0))
    assert (found.nearest_in_test, found.near_test) in {(1, 0), (1, 1)} and found.state == "clean"


def test_the_chance_is_that_of_scipy() -> None:
    for k, n, share in ((0, 10, 0.01), (2, 10, 0.01), (9, 100, 0.05), (60, 100, 0.45)):
        assert _chance(k, n, share) == pytest.approx(binom.sf(k - 1, n, share))


def test_sets_of_indices_name_training_images_and_hold_no_test_image() -> None:
    tensors = {"indices": np.arange(10), "labels": np.arange(10)}
    synthetic = replace(a_set(TRAIN[:10]), tensors=tensors)
    found = scan(replace(synthetic, card=replace(synthetic.card, decoder=Decoder("indices"))), DIGITS)
    assert (found.state, found.images, found.images_searched) == ("clean", 10, 0)
    assert "names training images" in found.reason


def test_a_space_that_leads_nowhere_back_is_said_to_be_not_scanned() -> None:
    found = scanned(TEST[:10].astype(np.float32) / 255, space=Space("zca", variant="kip", eps=0.1))
    assert found.state == "not-scanned" and not found.is_suspect


# What is kept


def test_a_record_survives_json_and_damage_is_refused() -> None:
    found = scanned(np.concatenate([TEST[:2], noisy(TEST[2:6], 12)]).astype(np.float32))
    text = json.dumps(found.to_json())
    assert Scan.from_json(json.loads(text)) == found
    broken: list[Any] = [
        None,
        [],
        {},
        {**found.to_json(), "format": 2},
        {**found.to_json(), "state": "fine"},
        {**found.to_json(), "copies": "3"},
        {**found.to_json(), "copies": True},
        {**found.to_json(), "unknown": 1},
        {**found.to_json(), "pairs": [{"image": 1}]},
        {**found.to_json(), "pairs": [[1]]},
        {**found.to_json(), "pairs": 7},
    ]
    for one in broken:
        with pytest.raises(InvalidInput, match=r"record of a scan|a scan's state"):
            Scan.from_json(one)


def test_the_picture_shows_set_test_and_training_image_side_by_side() -> None:
    synthetic = a_set(np.concatenate([TEST[5:6, :, :, ::-1].copy(), (noisy(TEST[7:8], 12) * 255).astype(np.uint8)]))
    found = scan(synthetic, DIGITS)
    drawn = draw(found, synthetic, DIGITS)
    assert drawn is not None
    picture = np.asarray(Image.open(io.BytesIO(drawn)))
    assert picture.shape == (2 * 68, 3 * 68)
    tile = picture[:64:8, :64:8]
    assert (tile == picture[:64:8, 68:132:8]).all() and (tile == TEST[5, 0]).all(), (
        "turned as it lies over the test image"
    )
    assert (picture[:64, 136:200] == 128).all(), "of a copy no training image is looked for"
    assert (picture[68:132:8, 136:200:8] == TRAIN[found.pairs[1].train, 0]).all()
    assert draw(replace(found, pairs=()), synthetic, DIGITS) is None


def test_a_stored_set_is_scanned_once_and_held_by_a_status_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    digest = store.write_set(a_set(noisy(TEST[::8], 12)))
    first = stored.of_stored(digest, store)
    assert first == store.read_scan(digest) and store.scan_picture(digest) is not None
    state = store.state(digest)
    assert (state.state, state.is_ranked, state.by) == ("needs-review", False, "DistillBench")
    assert state.reason.startswith("E602: ") and state.evidence["near_test"] == first.near_test
    assert "needs-review, E602" in capsys.readouterr().err
    (tmp_path / "scans" / f"{digest}.json").write_text("{")
    assert stored.of_stored(digest, store) == first, "a damaged record is made again"
    assert len(store.state(digest).history) == 1, "and the same is not said twice"


def test_a_review_takes_the_finding_back_for_good(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.write_set(a_set(TEST[:10]))
    assert stored.refusal_of(digest, store).startswith("E601 set ")
    assert store.state(digest).state == "refused"
    after = stored.accept(digest, "a wrong test split, mended", "J. Doe", store)
    assert (after.state, after.reason) == ("received", "a wrong test split, mended")
    assert stored.refusal_of(digest, store) == "" and store.state(digest).state == "received"
    with pytest.raises(UsageError, match="nothing of ours holds set"):
        stored.accept(digest, "again", "", store)


def test_a_clean_set_leaves_no_status_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.write_set(a_set(TRAIN[:10]))
    assert stored.of_stored(digest, store).state == "clean" and stored.refusal_of(digest, store) == ""
    assert store.state(digest).history == ()


# The commands


def test_scan_reads_folders_and_stored_sets_and_exits_with_4_where_one_is_refused(
    command: Any, set_folder: Callable[..., Path], tmp_path: Path
) -> None:
    store = ("--store", tmp_path / "store")
    tensors = {"images": TEST[:10], "labels": np.arange(10)}
    folder = set_folder("bad", tensors=tensors)
    answer = command("scan", folder, *store)
    assert answer.code == 4 and "E601" in answer.out and not (tmp_path / "store" / "scans").exists()
    digest = Store(tmp_path / "store").write_set(
        SyntheticSet(tensor_file.read(folder / "tensors.safetensors"), a_set(TEST[:10]).card)
    )
    answer = command("scan", digest[:8], "--json", *store)
    (told,) = json.loads(answer.out)
    assert (answer.code, told["state"], told["copies"]) == (4, "refused", 10)
    assert f"{digest}.png" in answer.err
    good = set_folder("good")
    answer = command("scan", good, *store)
    assert (answer.code, "clean" in answer.out) == (0, True)
    answer = command("check", good, "--scan", "--json", *store)
    assert (answer.code, json.loads(answer.out)["scan"]["state"]) == (0, "clean")
    assert "scan     clean No copy" in command("check", good, "--scan", *store).out
    answer = command("check", folder, "--scan", *store)
    assert answer.code == 4 and answer.err.startswith("E601 ") and command("check", folder, *store).code == 0


def test_evaluate_refuses_a_set_of_test_images_until_a_review_accepts_it(command: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.write_set(a_set(TEST[:10], ipc=1))
    ask = ("evaluate", digest[:8], "--architecture", "mlp", "--store", tmp_path)
    answer = command(*ask)
    assert answer.code == 4 and "error: E601 set" in answer.err and not len(store.results())
    assert command("scan", digest[:8], "--accept", "  ", "--store", tmp_path).code == 2
    answer = command("scan", digest[:8], "--accept", "they are ours", "--by", "J. Doe", "--store", tmp_path)
    assert answer.code == 4, "what was found stays found"
    assert command(*ask, "--dry-run").code == 0 and store.state(digest).state == "received"
    assert stored.refusal_of(digest, store) == ""


def test_a_baseline_that_makes_sets_of_test_images_is_reported_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Made("random-real", "default", Real("digits"), Budget(ipc=1), seed) for seed in (0, 1)]
    runner = Runner(Store(tmp_path), "cpu", 1)
    bad = runner.make(made)[made[0]]
    monkeypatch.setattr(stored, "refusal_of", lambda digest, store: "E601 set" if digest == bad else "")
    jobs = [Job(one, "cross-architecture", "standard-v1-lite") for one in made]
    assert runner._without_test_images(jobs, runner.make(made)) == [jobs[1]]
    assert runner.report.problems == ["E601 set"]
    with pytest.raises(PolicyRefusal, match="E601 set"):
        runner._without_test_images([replace(jobs[0], images=bad)], {})


def test_the_docs_name_every_field_of_the_record() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scan.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", page.split("## The record")[1]))
    assert {"format", *Scan.__dataclass_fields__, *Pair.__dataclass_fields__} <= named
