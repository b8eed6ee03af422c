"""HaBa's files, written as its code writes them, become bases and styles of the decoder `hallucinator`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from benchmark import datasets, factorization, registry
from benchmark.convert import Converted, Request, layouts, write
from benchmark.convert._sandbox import Loaded
from benchmark.errors import InvalidInput, UsageError
from benchmark.plan import Job
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.submission import submit

Array = npt.NDArray[Any]
Reading = Callable[..., Converted]
DIGITS = datasets.load("digits")
PARTS = {
    "enc.weight": (3, 1, 3, 3),
    "enc.bias": (3,),
    "scale": (1, 3, 6, 6),
    "shift": (1, 3, 6, 6),
    "dec.weight": (3, 1, 3, 3),
    "dec.bias": (1,),
}
STANDARDIZED = {"space": "standardized"}


def states(n_styles: int = 2) -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return [{name: torch.randn(shape) for name, shape in PARTS.items()} for _ in range(n_styles)]


def saved(place: Path, value: Any) -> Path:
    torch.save(value, place)
    return place


def run_of(folder: Path, n_bases: int = 10, n_styles: int = 2) -> list[Path]:
    """`torch.save(image_save.cpu(), …)` and `torch.save(styles.state_dict(), …)` of distill_fac.py."""
    modules = {f"{i}.{name}": value for i, state in enumerate(states(n_styles)) for name, value in state.items()}
    torch.manual_seed(1)
    bases = saved(folder / "images_best.pt", torch.randn(n_bases, 1, 8, 8))
    return [bases, saved(folder / "weights_best.pt", modules)]


def test_bases_and_styles_as_published(reading: Reading, tmp_path: Path) -> None:
    found = reading(*run_of(tmp_path), **STANDARDIZED)
    tensors, card = found.synthetic.tensors, found.synthetic.card
    torch.manual_seed(1)
    np.testing.assert_array_equal(tensors["bases"], torch.randn(10, 1, 8, 8).numpy())
    for i, state in enumerate(states()):
        for name, value in state.items():
            stored = tensors[name.replace(".", "_")][i]
            np.testing.assert_array_equal(stored, value[0] if name in ("scale", "shift") else value)
    assert set(tensors) == set(factorization.TENSORS)
    assert tensors["labels"].tolist() == [*range(10)] * 2, "style by style, class by class"
    assert (card.decoder.name, card.ipc, card.space.kind) == ("hallucinator", None, "standardized")
    mean, std = (dict(card.decoder.options)[name] for name in ("mean", "std"))
    assert (mean, std) == pytest.approx((0, 1), abs=1e-6)
    assert found.layout == "HaBa (bases and styles)" and "20 in all" in found.remarks[1]


def test_a_list_of_states_numbered_files_labels_and_a_rate_are_read_too(reading: Reading, tmp_path: Path) -> None:
    published = reading(*run_of(tmp_path), **STANDARDIZED).synthetic
    (tmp_path / "images_best.pt").rename(tmp_path / "images_15000.pt")
    files = [tmp_path / "images_15000.pt", saved(tmp_path / "styles_15000.pt", states())]
    assert reading(*files, **STANDARDIZED).synthetic.digest == published.digest
    files += [saved(tmp_path / "labels_15000.pt", torch.arange(9, -1, -1)), saved(tmp_path / "lr_15000.pt", 0.02)]
    found = reading(*files, **STANDARDIZED).synthetic
    assert found.tensors["labels"].tolist() == [*range(9, -1, -1)] * 2
    assert found.card.schedule == {"learning_rate": 0.02}


def test_the_label_of_a_base_follows_from_ipc(reading: Reading, tmp_path: Path) -> None:
    files = run_of(tmp_path, n_bases=20, n_styles=1)
    assert (
        reading(*files, ipc=2, **STANDARDIZED).synthetic.tensors["labels"].tolist() == np.repeat(range(10), 2).tolist()
    )
    with pytest.raises(UsageError, match=r"20 bases are not --ipc 1 for each of the 10 classes of 'digits'"):
        reading(*files, **STANDARDIZED)


def test_the_space_is_asked_for_and_decides_where_decoded_images_stand(reading: Reading, tmp_path: Path) -> None:
    files = run_of(tmp_path)
    with pytest.raises(UsageError, match=r"zca:kornia where it ran with --zca.*Add --space"):
        reading(*files)
    pixel = reading(*files, space="pixel").synthetic
    assert dict(pixel.card.decoder.options)["std"] == pytest.approx(DIGITS.train.images.std() / 255, rel=1e-4)
    white = reading(*files, space="zca:kornia").synthetic
    real = white.card.space.bound(DIGITS).from_pixel((DIGITS.train.images / 255).astype(np.float32))
    assert factorization.of_set(white, DIGITS.facts).std() == pytest.approx(real.std(), rel=1e-3)
    with pytest.raises(InvalidInput, match="cannot be undone"):
        reading(*files, space="zca:kip")


def test_half_precision_halves_the_bytes_and_bytes_are_refused(reading: Reading, tmp_path: Path) -> None:
    files = run_of(tmp_path)
    whole = reading(*files, **STANDARDIZED).synthetic.ledger["total"]
    half = reading(*files, dtype="float16", **STANDARDIZED)
    assert half.synthetic.ledger["total"] - 20 == (whole - 20) / 2 and "rounded to float16" in half.remarks[-1]
    smaller = [saved(tmp_path / "images_2.pt", torch.load(files[0]).half())]
    smaller.append(saved(tmp_path / "styles_2.pt", {name: part.half() for name, part in torch.load(files[1]).items()}))
    assert reading(*smaller, **STANDARDIZED).synthetic.digest == half.synthetic.digest, "kept as they come"
    with pytest.raises(UsageError, match="bases and styles are no pixels"):
        reading(*files, dtype="uint8", **STANDARDIZED)
    with pytest.raises(UsageError, match="--factor: bases are made into images by styles"):
        reading(*files, factor=2, **STANDARDIZED)


def without(name: str, style: int = 1) -> Any:
    changed = states()
    del changed[style][name]
    return changed


@pytest.mark.parametrize(
    ("styles", "said"),
    [
        ([{**state, "dec.0.bias": torch.ones(1)} for state in states()], "'dec.0.bias' is none of enc.weight"),
        (without("dec.bias"), "not every style has all of them"),
        ({f"{2 * i}.{n}": v for i, s in enumerate(states()) for n, v in s.items()}, "numbered 0, 1, 2"),
        (
            {f"{i}.{n}": v for i, s in zip(("0", "1", "01"), states(3), strict=True) for n, v in s.items()},
            "'01.enc.weight' is there twice",
        ),
        ([states()[0], {**states()[1], "scale": torch.ones(1, 3, 5, 5)}], "scale differs in shape or dtype"),
        ([{**state, "scale": [1.0]} for state in states()], "'scale' is none of enc.weight"),
    ],
    ids=[
        "a further layer",
        "a part missing",
        "a number missing",
        "a number twice",
        "styles of two sizes",
        "a list for an array",
    ],
)
def test_styles_of_another_form_are_refused_with_the_reason(
    reading: Reading, tmp_path: Path, styles: Any, said: str
) -> None:
    bases = run_of(tmp_path)[0]
    with pytest.raises(InvalidInput, match=f"not those of HaBa's published code .*{said}"):
        reading(bases, saved(tmp_path / "weights_best.pt", styles), **STANDARDIZED)


def test_styles_of_another_size_than_the_bases_are_refused(reading: Reading, tmp_path: Path) -> None:
    large = [{**s, "scale": torch.ones(1, 3, 30, 30), "shift": torch.ones(1, 3, 30, 30)} for s in states()]
    with pytest.raises(InvalidInput, match=r"E214 .*'scale' has shape \(2, 3, 30, 30\).*need \(2, 3, 6, 6\)"):
        reading(run_of(tmp_path)[0], saved(tmp_path / "weights_best.pt", large), **STANDARDIZED)


def test_bases_of_whole_numbers_are_not_guessed_at(reading: Reading, tmp_path: Path) -> None:
    bases = saved(tmp_path / "images_1.pt", torch.ones(10, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(InvalidInput, match=r"bases holds uint8; bases and styles are floats"):
        reading(bases, run_of(tmp_path)[1], **STANDARDIZED)


def test_one_half_of_the_pair_asks_for_the_other(reading: Reading, tmp_path: Path) -> None:
    bases, styles = run_of(tmp_path)
    with pytest.raises(UsageError, match=r"HaBa's styles need their bases, and one file of each"):
        reading(styles, **STANDARDIZED)
    with pytest.raises(UsageError, match=r"holds images without labels"):
        reading(bases, **STANDARDIZED)
    with pytest.raises(UsageError, match="several files hold images"):
        reading(bases, saved(tmp_path / "images_100.pt", torch.zeros(10, 1, 8, 8)), styles, **STANDARDIZED)


def test_styles_of_two_runs_under_one_name_are_asked_about() -> None:
    """Files are told apart by what they hold; to compare them would compare arrays."""
    runs = [{name: value.numpy() for name, value in states(1)[0].items()} for _ in range(2)]
    bases = Loaded("images_best.pt", "torch", np.zeros((10, 1, 8, 8), np.float32))
    styles = [Loaded("weights_best.pt", "torch", parts) for parts in runs]
    with pytest.raises(UsageError, match=r"HaBa's styles need their bases, and one file of each"):
        layouts.find([bases, *styles], Request("digits", "mine", 1))


RECIPE = """
summary = "for tests"
source = "here"
epochs = 40
n_seeds = 1
[reference]
epochs = 1
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> None:
    """A recipe of seconds, in force for this process."""
    folder = tmp_path / "plugins" / "recipes"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(RECIPE)
    monkeypatch.setenv(registry.ENVIRONMENT, str(folder.parent))
    registry._files.cache_clear()


def passing(factor: float) -> dict[str, torch.Tensor]:
    """A style that gives a base back, times a number."""
    state = {name: torch.zeros(shape) for name, shape in PARTS.items()}
    state["enc.weight"][0, 0, 1, 1] = state["dec.weight"][0, 0, 1, 1] = 1
    return {**state, "scale": torch.full((1, 3, 6, 6), factor)}


def test_files_of_haba_reach_a_score_that_only_their_images_give(reading: Reading, tmp_path: Path, tiny: None) -> None:
    """Bases are ten real digits of each class, which the styles leave as they are but for contrast and border."""
    order = np.concatenate([np.flatnonzero(DIGITS.train.labels == label)[:10] for label in range(10)])
    real = (DIGITS.train.images[order] / np.float32(255) - np.float32(0.305205)) / np.float32(0.376097)
    bases = saved(tmp_path / "images_best.pt", torch.from_numpy(real))
    styles = saved(tmp_path / "weights_best.pt", [passing(1.0), passing(0.8)])
    card = {"licence": "CC0", "title": "Bases and styles"}
    folder = write(reading(bases, styles, ipc=10, card=card, **STANDARDIZED), tmp_path / "my-set")
    store = Store(tmp_path / "store")
    receipt = submit(folder, store)
    assert (store.root / "sets" / receipt.digest / "preview.png").exists()
    job = Job(receipt.digest, "cross-architecture", "tiny", (("architectures", ("mlp",)),))
    assert Runner(store, "cpu", workers=1).evaluate([job]).problems == []
    (row,) = store.results().to_dict("records")
    assert (row["status"], row["method"], row["bytes"]) == ("ok", "my-method", receipt.ledger["total"])
    assert pd.isna(row["ipc"]) and row["value"] > 50, "10 is chance"
