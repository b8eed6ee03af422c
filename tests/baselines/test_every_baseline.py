"""What holds for every registered baseline, and the page that lists them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines._coded import Coded
from benchmark import baseline, registry
from benchmark.baseline import Baseline, Source
from benchmark.errors import UsageError
from benchmark.run import Run
from benchmark.synthetic_set import labels_array
from benchmark.values import Budget, Real

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "baselines.md").read_text(encoding="utf-8")
NAMES = registry.names("baseline")
BUDGETED = [name for name in NAMES if registry.load("baseline", name).takes_budget]
UNCODED = [name for name in BUDGETED if not issubclass(registry.load("baseline", name), Coded)]
"""Those whose images all take as many bytes; how the coded ones fill a budget, test_coded.py says."""

RunMaker = Callable[..., Run]
Small = Callable[[str], Baseline]


@pytest.mark.parametrize("name", BUDGETED)
def test_a_baseline_makes_a_valid_set_with_as_many_images_of_each_class_as_asked_for(
    name: str, small: Small, new_run: RunMaker
) -> None:
    made = small(name).distill(Real("digits"), Budget(ipc=2), new_run(seed=3))
    made.validate()
    assert np.bincount(labels_array(made)).tolist() == [2] * 10
    assert made.card.ipc == 2 and made.card.distilled_on == "train"


@pytest.mark.parametrize("name", BUDGETED)
def test_a_baseline_keeps_to_the_classes_and_the_part_it_is_given(name: str, small: Small, new_run: RunMaker) -> None:
    real = Real("digits", part="minus-holdout", classes=(3, 7))
    made = small(name).distill(real, Budget(ipc=2), new_run(real=real))
    assert labels_array(made).tolist() == [3, 3, 7, 7]
    assert made.card.distilled_on == "train-minus-holdout"
    if "indices" in made.tensors:
        assert set(made.tensors["indices"]) <= set(new_run(real=real).rows())


@pytest.mark.parametrize("name", UNCODED)
def test_bytes_buy_as_many_images_as_fit_and_no_more(name: str, small: Small, new_run: RunMaker) -> None:
    one_each = small(name).distill(Real("digits"), Budget(ipc=1), new_run()).ledger["total"]
    made = small(name).distill(Real("digits"), Budget(bytes=3 * one_each - 1), new_run())
    assert made.card.ipc == 2
    assert made.ledger["total"] == 2 * one_each
    with pytest.raises(UsageError, match=f"Ask for {one_each} or more"):
        small(name).distill(Real("digits"), Budget(bytes=one_each - 1), new_run())


@pytest.mark.parametrize("name", BUDGETED)
def test_asking_for_more_images_than_a_class_has_is_refused(name: str, small: Small, new_run: RunMaker) -> None:
    with pytest.raises(UsageError, match=r"class '8' has 97 images, fewer than 98\."):
        small(name).distill(Real("digits"), Budget(ipc=98), new_run())


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_states_where_it_comes_from(name: str) -> None:
    source: Source = registry.load("baseline", name).source
    assert source.title and source.citation and source.licence
    assert source.url.startswith("https://")


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_can_be_loaded(name: str) -> None:
    for preset in baseline.presets(name):
        assert isinstance(baseline.load(name, preset), Baseline)


def test_what_learns_or_trains_has_a_lite_preset() -> None:
    assert [name for name in NAMES if "lite" in baseline.presets(name)] == [
        "datadam",
        "dc",
        "dm",
        "dsa",
        "herding",
        "k-center",
        "mtt",
    ]


def rows_of_the_page() -> dict[str, list[str]]:
    """Name -> the other columns of the table of baselines."""
    table = PAGE.partition("## What there is")[2].partition("\n\nA baseline")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|(.*)\|$", table, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def test_the_page_lists_every_baseline_with_its_summary_source_and_presets() -> None:
    listed = rows_of_the_page()
    assert sorted(listed) == NAMES
    for name, (summary, source, presets) in listed.items():
        assert summary == registry.summary("baseline", name).rstrip(".")
        assert registry.load("baseline", name).source.url in source
        assert [preset.strip("` ") for preset in presets.split(",")] == list(baseline.presets(name))


@pytest.mark.parametrize("name", ["datadam", "dc", "dm", "mtt"])
def test_the_page_says_what_each_preset_is_for(name: str) -> None:
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert section
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section[1], re.MULTILINE) == list(baseline.presets(name))


def test_the_page_tells_what_differs_from_each_source() -> None:
    for name in NAMES:
        section = re.search(rf"^### `{name}`\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
        assert section, f"no section on {name}"
        told = "Differs" in (registry.module("baseline", name).__doc__ or "")
        assert ("Differs:" in section[1]) == told, name


def test_the_file_at_the_end_of_the_page_is_a_baseline(own_registry: None, tmp_path: Path, new_run: RunMaker) -> None:
    *_, code, presets = re.findall(r"^```(?:python|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "baselines"
    folder.mkdir()
    (folder / "mean_of_few.py").write_text(code, encoding="utf-8")
    (folder / "mean_of_few.toml").write_text(presets, encoding="utf-8")
    registry.add_folder(tmp_path)
    assert registry.version("baseline", "mean-of-few") == 1
    for preset in baseline.presets("mean-of-few"):
        made = baseline.load("mean-of-few", preset).distill(Real("digits"), Budget(ipc=3), new_run())
        made.validate()
        assert len(labels_array(made)) == 30


def test_a_budget_in_bytes_counts_values_and_labels(new_run: RunMaker) -> None:
    facts, real = new_run().facts, Real("digits")
    # 8 x 8 float32 values and one byte of label are 257 bytes; ten classes take 2,570.
    assert baseline.images_per_class(Budget(bytes=25_700), real, facts, 4) == 10
    assert baseline.images_per_class(Budget(bytes=25_699), real, facts, 4) == 9
    assert baseline.images_per_class(Budget(bytes=25_699), real, facts, 1) == 39  # 650 bytes a round
    assert baseline.images_per_class(Budget(bytes=2_570), Real("digits", classes=(1, 2)), facts, 4) == 5
    with pytest.raises(UsageError, match="2569 bytes hold no image of each of 10 classes"):
        baseline.images_per_class(Budget(bytes=2_569), real, facts, 4)


def test_no_budget_and_an_empty_one_are_refused(new_run: RunMaker) -> None:
    with pytest.raises(UsageError, match="needs a budget"):
        baseline.images_per_class(Budget(), Real("digits"), new_run().facts, 4)
    with pytest.raises(UsageError, match="0 images per class"):
        baseline.images_per_class(Budget(ipc=0), Real("digits"), new_run().facts, 4)


def test_no_set_is_made_of_test_data(new_run: RunMaker) -> None:
    with pytest.raises(UsageError, match="never of 'test'"):
        new_run(real=Real("digits", split="test"))


def test_the_page_says_which_keep_classes_apart() -> None:
    (told,) = re.findall(r"\*\*Classes apart\.\*\* In (.*?) the images", PAGE, re.DOTALL)
    assert re.findall(r"`([a-z-]+)`", told) == [n for n in NAMES if registry.load("baseline", n).class_by_class]
