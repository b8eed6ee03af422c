"""The reference store: packed small, read back whole, the same twice, without what may not be passed on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark import codecs, datasets, packed, packing
from benchmark.errors import InvalidInput, PolicyRefusal, UsageError
from benchmark.recipe import Recipe
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import Card, Decoder, SyntheticSet
from benchmark.values import Data, Outcome, Probe, Real, Stage, Stored, Training, to_json

SHIPPED = Path(__file__).resolve().parents[2] / "artifacts" / "reference"
Command = Callable[..., Any]
SetMaker = Callable[..., SyntheticSet]
PLAN = """
[[make]]
dataset = "digits"
baselines = ["random-real", "class-mean"]
preset = "lite"
ipc = 1
[[evaluate]]
evaluator = ["fairness", "calibration"]
recipe = "standard-v1-lite"
quick = true
architecture = "mlp"
"""
PROBE = Probe("accuracy", Real("digits", "test"))


def training(digest: str) -> Any:
    return to_json(Training((Stage(Data((Stored(digest),))),), "mlp", Recipe("r")))


def name_of(number: int) -> str:
    return f"{number:064x}-0-accuracy-{number:016x}"


def outcome(numerics: str = "cpu", correct: int = 3, **value: Any) -> Outcome:
    return Outcome(0, PROBE, "ok", {"end": {"correct": [correct], **value}}, "", numerics, "a cpu")


@pytest.fixture
def source(tmp_path: Path, make_set: SetMaker) -> Store:
    store = Store(tmp_path / "source")
    digest = store.write_set(make_set(), b"a drawing")
    store.write_outcome(name_of(1), training(digest), outcome(), {"seconds": 1.5})
    store.write_outcome(name_of(1), training(digest), outcome("cuda"), {"seconds": 0.5})
    store.write_outcome(name_of(2), training("f" * 64), outcome(), {"seconds": 2.5})
    store.write_outcome(name_of(3), training(digest), outcome(logits=np.zeros(3, np.float32)), {})
    return store


def test_packed_outcomes_are_read_behind_a_store_with_their_costs(tmp_path: Path, source: Store) -> None:
    done = packing.pack(source, tmp_path / "reference")
    assert (done.n_sets, done.n_outcomes, done.n_left_out) == (1, 3, 1)
    store = Store(tmp_path / "own", [tmp_path / "reference"])
    assert store.read_outcome(name_of(1)) == outcome()
    assert store.read_cost(name_of(1)) == {"seconds": 1.5}
    assert store.read_outcome(name_of(2)) == outcome() and store.read_cost(name_of(2)) == {"seconds": 2.5}
    assert store.read_outcome(name_of(3)) is None and store.read_cost(name_of(3)) == {}
    assert store.read_outcome(name_of(4)) is None
    (digest,) = source.set_digests()
    assert sorted(file.stem for file in (tmp_path / "reference" / packed.FOLDER).iterdir()) == sorted(
        [digest, "f" * 64]
    )
    assert store.read_set(digest).digest == digest and store.preview(digest) is not None


def test_a_packed_store_is_whole_by_the_store_s_own_check(tmp_path: Path, source: Store, command: Command) -> None:
    packing.pack(source, tmp_path / "reference")
    (tmp_path / "reference" / "README.md").write_text("# A page", encoding="utf-8")
    for preview in (tmp_path / "reference").glob("sets/*/preview.png"):
        preview.unlink()  # this test's is no picture
    answer = command("store", "fsck", "--store", tmp_path / "reference")
    assert answer.code == 0 and "nothing wrong" in answer.out + answer.err, answer.out + answer.err


def test_what_ships_is_whole_small_and_of_no_foreign_images(tmp_path: Path, command: Command) -> None:
    shipped = shutil.copytree(SHIPPED, tmp_path / "reference")
    files = [file for file in shipped.rglob("*") if file.is_file()]
    assert len(files) <= packing.MOST_FILES and sum(file.stat().st_size for file in files) <= packing.MOST_BYTES
    answer = command("store", "fsck", "--store", shipped)
    assert answer.code == 0 and "nothing wrong" in answer.out + answer.err, answer.out + answer.err
    cards = [Store(shipped).read_card(digest) for digest in Store(shipped).set_digests()]
    real = [card for card in cards if card.dataset != "digits" and card.method in ("random-real", "k-means-real")]
    assert real and {card.decoder.name for card in real} == {"indices"}


def test_a_store_s_own_outcome_comes_before_a_packed_one(tmp_path: Path, source: Store) -> None:
    packing.pack(source, tmp_path / "reference")
    store = Store(tmp_path / "own", [tmp_path / "reference"])
    store.write_outcome(name_of(1), training("f" * 64), outcome(correct=4), {"seconds": 9})
    assert store.read_outcome(name_of(1)) == outcome(correct=4) and store.read_cost(name_of(1)) == {"seconds": 9}


def test_a_damaged_row_or_file_counts_as_absent(tmp_path: Path, source: Store) -> None:
    packing.pack(source, tmp_path / "reference")
    file = tmp_path / "reference" / packed.FOLDER / f"{'f' * 64}.parquet"
    table = pd.read_parquet(file)
    table["record"] = table["record"].str.replace("[3]", "[4]")
    table.to_parquet(file)
    store = Store(tmp_path / "own", [tmp_path / "reference"])
    assert store.read_outcome(name_of(2)) is None
    for place in (tmp_path / "reference" / packed.FOLDER).iterdir():
        place.write_bytes(b"PAR1 no more")
    assert store.read_outcome(name_of(1)) is None


def test_packing_again_replaces_what_was_there_and_keeps_the_page(tmp_path: Path, source: Store, listing: Any) -> None:
    place = tmp_path / "reference"
    place.mkdir()
    (place / "README.md").write_text("# A page", encoding="utf-8")
    packing.pack(source, place)
    before = listing(place)
    (place / packed.FOLDER / "old.parquet").write_bytes(b"")
    packing.pack(source, place)
    assert listing(place) == before and (place / "README.md").exists()


def test_a_folder_of_something_else_and_a_store_too_large_are_left_alone(
    tmp_path: Path, source: Store, listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UsageError, match="neither empty nor a store"):
        packing.pack(source, tmp_path / "letters")
    packing.pack(source, tmp_path / "reference")
    before = listing(tmp_path / "reference")
    monkeypatch.setattr(packing, "MOST_FILES", 3)
    with pytest.raises(InvalidInput, match="the store would take 6 files"):
        packing.pack(source, tmp_path / "reference")
    assert listing(tmp_path / "reference") == before


def of_cifar(decoder: str, tensors: dict[str, Any]) -> SyntheticSet:
    card = Card("cifar10", datasets.facts("cifar10").digest, PIXEL, "by-hand", decoder=Decoder(decoder))
    return SyntheticSet({**tensors, "labels": np.arange(10)}, card)


def test_of_a_dataset_that_may_not_be_passed_on_no_real_image_is_packed(tmp_path: Path) -> None:
    store = Store(tmp_path / "source")
    indices = store.write_set(of_cifar("indices", {"indices": np.arange(10)}), b"real images")
    learned = store.write_set(of_cifar("identity", {"images": np.full((10, 3, 32, 32), 0.5, np.float32)}), b"a drawing")
    packing.pack(store, tmp_path / "reference")
    shipped = Store(tmp_path / "reference")
    assert shipped.preview(indices) is None and shipped.read_set(indices).digest == indices
    assert shipped.preview(learned) is not None


def test_a_set_that_holds_such_images_is_not_packed_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "source")
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)
    stream = np.frombuffer(codecs.encode(images, "jpeg", 25), np.uint8)
    store.write_set(of_cifar("jpeg", {"stream": stream}))
    with pytest.raises(PolicyRefusal, match="holds images of 'cifar10', which may not be passed on"):
        packing.pack(store, tmp_path / "reference")
    assert not (tmp_path / "reference" / "sets").exists()


def deterministic(place: Path) -> dict[str, Any]:
    """A packed store without the seconds that things took."""
    found: dict[str, Any] = {}
    for file in sorted(path for path in place.rglob("*") if path.is_file()):
        name = str(file.relative_to(place))
        if file.suffix == ".parquet":
            found[name] = pd.read_parquet(file)[["name", "record", "sha256", "device"]].to_dict("list")
        elif file.name == "card.json" or file.parts[-3] == "made":
            stored = json.loads(file.read_text(encoding="utf-8"))
            stored["cost"].pop("seconds", None)
            stored.pop("sha256", None)
            found[name] = stored
        else:
            found[name] = file.read_bytes()
    return found


def test_the_command_builds_the_same_store_twice(tmp_path: Path, command: Command) -> None:
    plan = tmp_path / "tiny.toml"
    plan.write_text(PLAN, encoding="utf-8")
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        answer = command(
            "reproduce", "--reference", "--plan", plan, "--store", f"{place}-work", "--out", place, "--json"
        )
        assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["n_sets"] == 2 and told["n_outcomes"] == 10 and told["n_left_out"] > 0
    first, second = map(deterministic, places)
    assert first.keys() == second.keys() and all(first[name] == second[name] for name in first)
    assert sum(name.startswith("sets/") for name in first) == 6
    table = Store(tmp_path / "own", [places[0]]).results()
    assert set(table["evaluator"]) == {"fairness", "calibration/quick"}
    dry = command("reproduce", "--reference", "--plan", plan, "--store", f"{places[0]}-work", "--dry-run", "--json")
    assert json.loads(dry.out)["n_blocks"] == 0


@pytest.mark.parametrize(
    "arguments", [("selection", "--reference"), ("--reference", "--write"), ("selection", "--plan", "demo")]
)
def test_options_that_do_not_go_together_are_2(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert command("reproduce", *arguments, "--store", tmp_path).code == 2
