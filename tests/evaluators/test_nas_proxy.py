"""`nas-proxy`: what it plans, what its scores say of planted rankings, and the spaces with their truth."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.errors import EnvironmentFault, InvalidInput, UsageError
from benchmark.evaluator import Label, Seen, Subject
from benchmark.plan import Job
from benchmark.rank_statistics import spearman
from benchmark.recipe import Recipe
from benchmark.results import Score
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Budget, Cell, Data, Made, Outcome, Real, Stored
from evaluators import _nas_spaces as spaces
from evaluators.nas_proxy import TRUTH, NasProxy

RECIPE = Recipe("r", epochs=30, n_seeds=2)
SUBJECT = Subject(Stored("a" * 64), "digits", 10, RECIPE, "m", ipc=10)
SPACE = spaces.read_space("convnet-digits")
TRUE = {one.architecture: one.truth for one in SPACE.networks}
TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "nasbench201_accuracy.csv.gz"
Guess = Callable[[str, int], float | str]
"""A network's architecture and a seed to an accuracy in percent, or to a status."""


def outcome(cell: Cell, found: float | str) -> Outcome:
    if isinstance(found, str):
        return Outcome(cell.seeds[0], cell.probes[0], found, reason="the reason")
    counts = {"correct": [found * 10], "total": [1000]}
    return Outcome(cell.seeds[0], cell.probes[0], "ok", {"end": counts}, numerics="cpu")


def the_truth(spec: str, seed: int) -> float:
    return TRUE[spec]


def seen(guesses: Mapping[str, Guess]) -> Seen:
    """Outcomes that follow a guess for each condition, the truth where none is given."""
    found: dict[Label, tuple[Outcome, ...]] = {}
    for label, cell in NasProxy().plan(SUBJECT).items():
        assert isinstance(label, tuple)
        condition, network, *rest = label
        if condition == "untrained":
            number = float(len(network))
            values = {"parameters": {"count": number}, "synflow": {"log_score": -number}}
            found[label] = tuple(Outcome(0, one, "ok", {"end": values[one.name]}) for one in cell.probes)
        else:
            guess = guesses.get(condition.replace("-", "_"), the_truth)
            found[label] = (outcome(cell, guess(network, *rest)),)
    return found


def scores(evaluated: Subject = SUBJECT, **guesses: Guess) -> dict[tuple[str, str], Score]:
    found = list(NasProxy().scores(evaluated, seen(guesses)))
    assert len({(one.condition, one.metric) for one in found}) == len(found)
    return {(one.condition.partition(";")[0], one.metric): one for one in found}


def value(found: dict[tuple[str, str], Score], metric: str, condition: str = "subject") -> float:
    number = found[condition, metric].value
    assert number is not None
    return number


def stream(cell: Cell) -> Data:
    (stage,) = cell.training.stages
    return stage.stream


def test_every_network_trains_on_the_set_and_on_each_reference() -> None:
    planned = NasProxy().plan(SUBJECT)
    assert len(planned) == 36 * (4 * 2 + 1)
    spec = next(iter(TRUE))
    rest = Real("digits", part="minus-holdout")
    assert stream(planned["subject", spec, 1]) == Data((SUBJECT.images,))
    for name, preset in (("random-real", "default"), ("herding", "standard")):
        (made,) = stream(planned[name, spec, 1]).images
        assert isinstance(made, Made)
        assert (made.baseline, made.preset, made.real, made.budget.ipc, made.seed) == (name, preset, rest, 10, 1)
    trained = [cell for label, cell in planned.items() if isinstance(label, tuple) and label[0] != "untrained"]
    assert {probe.data for cell in trained for probe in cell.probes} == {Real("digits", part="holdout")}
    assert all(len(cell.seeds) == 1 for cell in trained)
    untrained = planned["untrained", spec]
    assert untrained.training.stages == () and [one.name for one in untrained.probes] == ["parameters", "synflow"]


def test_early_stopping_has_the_subjects_image_passes() -> None:
    spec = next(iter(TRUE))
    early = NasProxy().plan(SUBJECT)["early-stopping", spec, 0]
    assert stream(early) == Data((Real("digits", part="minus-holdout"),))
    assert early.training.recipe.passes == 30 * 100
    assert early.training.recipe.n_epochs(900) == 3


def test_image_passes_are_those_of_the_images_that_are_trained_on() -> None:
    """A decoder makes four images of one, say."""
    spec = next(iter(TRUE))
    early = NasProxy().plan(replace(SUBJECT, n_images=400))["early-stopping", spec, 0]
    assert early.training.recipe.passes == 30 * 400


def test_what_stands_beside_a_decoded_set_costs_its_own_passes() -> None:
    found = scores(evaluated=replace(SUBJECT, n_images=400))
    assert value(found, "cost") == pytest.approx(4 * value(found, "cost", "random-real"))
    assert value(found, "cost", "herding") == value(found, "cost", "random-real") == value(scores(), "cost")


def test_rates_and_lengths_that_a_set_carries_are_not_used() -> None:
    carrying = replace(SUBJECT, recipe=replace(SUBJECT.recipe, carried="use"))
    trained = [cell for cell in NasProxy().plan(carrying).values() if cell.training.stages]
    assert {cell.training.recipe.carried for cell in trained} == {"ignore"}


def test_early_stopping_within_the_first_epoch_sees_a_draw_once() -> None:
    tiny = replace(SUBJECT, ipc=1)
    early = NasProxy().plan(tiny)["early-stopping", next(iter(TRUE)), 1]
    (made,) = stream(early).images
    assert isinstance(made, Made) and (made.baseline, made.budget.ipc, made.seed) == ("random-real", 30, 1)
    assert early.training.recipe.n_epochs(300) == 1


def test_the_truth_itself_ranks_perfectly() -> None:
    found = scores()
    for metric in ("spearman", "kendall", "precision@10%", "spearman_top_quarter", "kendall_top_quarter"):
        assert value(found, metric) == pytest.approx(100 if "%" in metric else 1)
    assert [value(found, f"regret@{k}") for k in (1, 5, 10)] == [0, 0, 0]
    assert value(found, "spearman_share_of_ceiling") == pytest.approx(100 / SPACE.ceiling)
    assert value(found, "cost") == pytest.approx(100 * 2 * 3000 / 40_000)
    assert value(found, "cost", "early-stopping") == pytest.approx(100 * 2 * 2700 / 40_000)
    assert value(found, "cost", "parameter-count") == 0


def test_a_table_with_early_accuracies_has_them_as_one_more_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = tuple(replace(one, early=-one.truth) for one in SPACE.networks)
    listed = {one.architecture: one for one in networks}
    early = replace(SPACE, networks=networks, top=tuple(listed[one.architecture] for one in SPACE.top))
    monkeypatch.setattr(NasProxy, "_space", lambda self, subject: early)
    found = scores()
    assert value(found, "spearman", "epochs-12") == pytest.approx(-1)
    assert value(found, "cost", "epochs-12") == pytest.approx(6)


def test_every_network_is_told_with_what_it_reaches_on_the_set_and_in_truth() -> None:
    found = scores(subject=lambda spec, seed: TRUE[spec] / 2 + seed)
    for k, network in enumerate(SPACE.networks, 1):
        assert value(found, f"network_truth_{k}") == network.truth
        assert value(found, f"network_accuracy_{k}") == pytest.approx(network.truth / 2 + 0.5), "the mean of two seeds"
    assert ("subject", f"network_truth_{len(SPACE.networks) + 1}") not in found


def test_negative_stays_negative() -> None:
    found = scores(subject=lambda spec, seed: 100 - TRUE[spec])
    assert value(found, "spearman") == pytest.approx(-1) and value(found, "kendall") == pytest.approx(-1)
    assert value(found, "regret@1") == pytest.approx(max(TRUE.values()) - min(TRUE.values()))
    assert value(found, "spearman_share_of_ceiling") < -100
    assert value(found, "spearman", "herding") == pytest.approx(1)


def test_what_always_stands_beside_is_there() -> None:
    conditions = {condition for condition, _ in scores()}
    trained = {"subject", "random-real", "herding", "early-stopping"}
    assert conditions == trained | {"parameter-count", "synflow"}
    found = scores()
    assert value(found, "spearman", "synflow") == -value(found, "spearman", "parameter-count")
    assert ("parameter-count", "spearman_given_parameters") not in found


def test_a_diverged_network_ranks_last_and_an_error_leaves_no_score() -> None:
    best = max(TRUE, key=lambda spec: TRUE[spec])
    found = scores(
        subject=lambda spec, seed: "failed" if spec == best and seed == 1 else TRUE[spec],
        herding=lambda spec, seed: "error" if spec == best else TRUE[spec],
        random_real=lambda spec, seed: "failed",
    )
    assert 0.7 < value(found, "spearman") < 1 and value(found, "regret@1") > 0
    place = 1 + [one.architecture for one in SPACE.networks].index(best)
    assert found["subject", f"network_accuracy_{place}"].status == "failed"
    for condition, status in (("herding", "error"), ("random-real", "failed")):
        (only,) = [one for (name, _), one in found.items() if name == condition]
        assert (only.value, only.status, only.condition) == (None, status, f"{condition}; the reason")


def test_equal_guesses_are_no_ranking() -> None:
    found = scores(subject=lambda spec, seed: 50.0)
    assert found["subject", "spearman"].status == "skipped" and found["subject", "spearman"].value is None
    assert value(found, "regret@1") > 0, "a draw at random"


def test_a_shuffled_ranking_lies_within_the_null_interval() -> None:
    bound = value(scores(), "spearman_of_chance")
    inside = 0
    for number in range(200):
        order = np.random.default_rng(number).permutation(len(TRUE))
        guess = dict(zip(TRUE, order, strict=True))
        rho = spearman(np.array(list(guess.values()), dtype=np.float64), np.array(list(TRUE.values())))
        inside += abs(float(rho)) <= bound
    assert 180 <= inside <= 198


def test_the_quick_form_trains_one_seed_and_no_long_reference() -> None:
    quick = NasProxy(**NasProxy.quick)
    assert NasProxy.quick_seeds == 1 and quick.herding_preset == "lite"
    assert len(quick.plan(replace(SUBJECT, recipe=RECIPE.vary(n_seeds=1)))) == 24 * 5


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (replace(SUBJECT, dataset="mnist"), "no space of networks for mnist"),
        (replace(SUBJECT, ipc=None), "no images per class"),
        (replace(SUBJECT, dataset="cifar10"), f"the truth of nasbench201 is a file of yours; name it in {TRUTH}"),
    ],
)
def test_what_it_cannot_rank_it_skips_with_the_reason(
    subject: Subject, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRUTH, raising=False)
    assert reason in (NasProxy().skip_reason(subject) or "")
    assert NasProxy().skip_reason(SUBJECT) is None


def test_it_runs_end_to_end_and_a_second_run_trains_nothing_and_scores_the_same(tmp_path: Path) -> None:
    made = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    few = (("herding_preset", "lite"), ("n_networks", 4), ("n_seeds", 1))
    jobs, store = [Job(made, "nas-proxy", "standard-v1-lite", few)], Store(tmp_path / "store")
    report = Runner(store, "cpu", workers=1).evaluate(jobs)
    # Subject, random-real, herding; four networks under four conditions and untrained; the network herding looks with.
    assert (report.n_made, report.n_trained, report.problems) == (3, 4 * 5 + 1, [])
    table = store.results()
    assert len(table) == report.n_rows and set(table["architecture"]) == {"convnet-digits"}
    rho = table[table["metric"] == "spearman"]
    assert rho["value"].between(-1, 1).all() and len(rho) == 6
    again = Runner(store, "cpu", workers=1)
    assert (again.estimate(jobs).n_sets, again.estimate(jobs).n_blocks) == (0, 0)
    assert again.evaluate(jobs).n_trained == 0
    pd.testing.assert_frame_equal(table, store.results())


# Spaces


def test_the_shipped_slice_is_whole_and_its_truth_is_known_twice() -> None:
    stored = json.loads((spaces.LISTS / "convnet_digits.json").read_text())
    assert tuple(stored["networks"]) == spaces.convnet_digits() and len(TRUE) == 36
    assert stored["seeds"] == [0, 1] and (stored["trained_on"], stored["measured_on"]) == ("train", "test")
    assert len(SPACE.top) == 9 and SPACE.top_name == "top_quarter"
    assert min(one.truth for one in SPACE.top) >= sorted(TRUE.values())[-9]
    assert 0.95 < SPACE.ceiling < 1 and 0.7 < SPACE.top_ceiling < 1


def test_the_grid_has_the_720_networks_of_the_publication() -> None:
    specs = spaces.convnet_grid()
    assert len(set(specs)) == 720 and sum("width=64" in spec for spec in specs) == 180


def test_the_first_networks_are_a_smaller_space() -> None:
    few = SPACE.first(12)
    assert few.networks == SPACE.networks[:12]
    assert [one.truth for one in few.top] == sorted((one.truth for one in few.networks), reverse=True)[:3]
    assert SPACE.first(0) is SPACE.first(36) is SPACE


def test_a_wrong_truth_is_refused_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv.gz"
    file.write_bytes(gzip.compress(b"index,arch_str\n0,x\n"))
    ours = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(InvalidInput, match=r"has the sha256 .* Fix"):
        spaces.read_space("nasbench201", str(file))
    with pytest.raises(InvalidInput, match="a column is missing"):
        spaces.read_space("nasbench201", str(file), ours)
    with pytest.raises(InvalidInput, match="the truth of convnet-grid"):
        spaces.read_space("convnet-grid", str(file), ours)
    with pytest.raises(EnvironmentFault, match="cannot be read"):
        spaces.read_space("nasbench201", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="give its path"):
        spaces.read_space("nasbench201")
    with pytest.raises(UsageError, match="unknown space"):
        spaces.read_space("darts")


@pytest.mark.skipif(
    not TABLE.exists(), reason="the table of NAS-Bench-201 is not beside this checkout (../shared/data)"
)
def test_the_published_list_is_drawn_from_the_table() -> None:
    rows = spaces.read_nasbench201(spaces.bytes_of(str(TABLE), spaces.NASBENCH201_SHA256))
    listed = [line.split(",") for line in (spaces.LISTS / "nasbench201.csv").read_text().splitlines()[1:]]
    assert [(stratum, int(index)) for stratum, index, _ in listed] == spaces.draw_nasbench201(rows)
    by_index = {row["index"]: row for row in rows}
    chosen = [by_index[index] for _, index, _ in listed]
    assert len({row["iso_class"] for row in chosen}) == 300 and all(row["connected"] == "1" for row in chosen)
    space = spaces.read_space("nasbench201", str(TABLE))
    assert (len(space.networks), len(space.top), space.top_name) == (200, 100, "top_decile")
    assert min(one.truth for one in space.top) > np.quantile([float(row["c10_test_200"]) for row in rows], 0.9) - 0.1
    assert space.ceiling == pytest.approx(math.sqrt(0.985), abs=0.002) and 0.6 < space.top_ceiling < 0.8
