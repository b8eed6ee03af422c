"""The trust battery: every number against a value computed by hand or by a library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from benchmark.errors import UsageError
from benchmark.evaluator import Seen, Subject
from benchmark.plan import load_evaluator
from benchmark.recipe import Recipe
from benchmark.values import Budget, Cell, Data, Made, Outcome, Probe, Real, Stored
from evaluators import (
    calibration,
    label_disentangling,
    membership_inference,
    optimism,
    protocol_sensitivity,
)

RECIPE = Recipe("r", n_seeds=2, epochs=20, reference=(("epochs", 2),))
MADE = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
SUBJECT = Subject(Stored("a" * 64), "digits", 10, RECIPE, "random-real", ipc=1, distil_seed=0, made=MADE, n_images=10)
TEST = Real("digits", "test")
PARTS = (None, "minus-holdout")


def counted(share: float, cell: Cell, seed: int = 0) -> tuple[Outcome, ...]:
    """What the probes of a cell give a network that is right on a share of every class."""
    counts = {"correct": [round(100 * share)] * 10, "total": [100] * 10}
    return tuple(
        Outcome(seed, probe, "ok", {at if at == "end" else f"epoch-{at}": counts for at in probe.at})
        for probe in cell.probes
    )


# Calibration


def test_ece_of_two_bins_equals_what_is_computed_by_hand() -> None:
    """Confidences .6 .6 .9 .9 with one, then two right: |.5 - .6| / 2 + |1 - .9| / 2 = 0.1."""
    probabilities = np.array([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 1])
    assert calibration.calibration_error(np.log(probabilities), labels, 15) == pytest.approx(0.1)
    assert calibration.adaptive_error(np.log(probabilities), labels, 2) == pytest.approx(0.1)
    assert calibration.adaptive_error(np.log(probabilities), labels, 1) == pytest.approx(abs(0.75 - 0.75))


def test_ece_agrees_with_a_histogram_of_numpy() -> None:
    draws = np.random.default_rng(1)
    logits, labels = draws.normal(size=(500, 10)) * 3, draws.integers(0, 10, 500)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    top, right = probabilities.max(axis=1), (probabilities.argmax(axis=1) == labels).astype(float)
    edges = np.linspace(0, 1, 16)
    sums = [np.histogram(top, edges, weights=weights)[0] for weights in (top, right)]
    assert calibration.calibration_error(logits, labels, 15) == pytest.approx(np.abs(sums[0] - sums[1]).sum() / 500)


def test_the_log_loss_equals_that_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    draws = np.random.default_rng(2)
    logits, labels = draws.normal(size=(50, 4)), draws.integers(0, 4, 50)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert calibration.log_loss(logits, labels) == pytest.approx(log_loss(labels, probabilities, labels=range(4)))


def test_the_temperature_that_made_the_logits_is_found_again() -> None:
    draws = np.random.default_rng(3)
    logits = draws.normal(size=(40_000, 5)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (draws.random((40_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert calibration.fitted_temperature(2.5 * logits, labels) == pytest.approx(2.5, rel=0.02)


def test_calibration_fits_on_the_holdout_and_measures_on_test() -> None:
    evaluator = load_evaluator("calibration")
    (cell,) = evaluator.plan(SUBJECT).values()
    assert [probe.data for probe in cell.probes] == [Real("digits", part="holdout"), TEST]
    confident = np.array([[4.0, 0.0], [0.0, 4.0]] * 50)
    labels = np.array([0, 1, 1, 0] * 25)
    value = {"end": {"logits": confident, "labels": labels}}
    scores = list(evaluator.scores(SUBJECT, {"all": tuple(Outcome(0, probe, "ok", value) for probe in cell.probes)}))
    told = {(score.metric, score.condition): score.value for score in scores}
    before, after = told["ece", "as trained"], told["ece", "temperature-scaled"]
    assert before == pytest.approx(100 * (1 / (1 + np.exp(-4.0)) - 0.5)) and after is not None
    assert after < 10, "half are right, so the fitted temperature is hot"


def test_calibration_tells_the_bins_of_all_seeds_together() -> None:
    evaluator = load_evaluator("calibration")
    (cell,) = evaluator.plan(SUBJECT).values()
    logits, labels = np.log([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55]]), np.array([0, 1, 1])
    value = {"end": {"logits": logits, "labels": labels}}
    seen = tuple(Outcome(seed, probe, "ok", value) for seed in (0, 1) for probe in cell.probes)
    scores = [one for one in evaluator.scores(SUBJECT, {"all": seen}) if one.metric.startswith("bin_")]
    told = {one.metric: one.value for one in scores}
    assert len(told) == len(scores) == 45 and {one.seed for one in scores} == {None}
    # 0.55 lies in (8/15, 9/15], 0.9 twice in (13/15, 14/15], of which one is wrong; nothing lies in the first
    assert [told[f"bin_images_{k}"] for k in (1, 9, 14)] == [0, 2, 4]
    assert [told[f"bin_right_{k}"] for k in (1, 9, 14)] == [0, 2, 2]
    assert [told[f"bin_confidence_{k}"] for k in (1, 9, 14)] == pytest.approx([100 / 30, 55, 90])


# Membership


def test_auc_and_tpr_equal_those_of_scikit_learn() -> None:
    draws = np.random.default_rng(4)
    members, others = draws.normal(0.7, 1, 900).round(1), draws.normal(0, 1, 700).round(1)  # with ties
    truth, scores = np.r_[np.ones(900), np.zeros(700)], np.r_[members, others]
    assert membership_inference.area(members, others) == pytest.approx(roc_auc_score(truth, scores))
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    for alarms in (0.01, 0.1):
        assert membership_inference.share_found(members, others, alarms) == pytest.approx(tpr[fpr <= alarms].max())


def test_auc_and_tpr_of_a_few_equal_what_is_counted_by_hand() -> None:
    members, others = np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0])
    assert membership_inference.area(members, others) == pytest.approx((2 + 1.5 + 1) / 6)
    assert membership_inference.share_found(members, others, 0.0) == pytest.approx(1 / 3)
    assert membership_inference.share_found(members, others, 0.5) == 1.0


@pytest.mark.parametrize(("found", "n"), [(0, 10), (3, 10), (10, 10), (17, 1000)])
def test_the_interval_is_that_of_scipy(found: int, n: int) -> None:
    expected = binomtest(found, n).proportion_ci(method="exact")
    assert membership_inference.clopper_pearson(found, n) == pytest.approx((expected.low, expected.high))


def test_likelihood_ratios_find_members_and_nothing_where_there_is_nothing() -> None:
    draws = np.random.default_rng(5)
    members = draws.random((16, 2000)) < 0.5
    noise = draws.normal(size=(16, 2000)) + draws.normal(size=2000) * 3
    for shift, low, high in ((2.0, 0.85, 0.97), (0.0, 0.47, 0.53)):
        ratios = membership_inference.likelihood_ratios(noise + shift * members, members)
        areas = [membership_inference.area(r[m], r[~m]) for r, m in zip(ratios, members, strict=True)]
        assert low < np.mean(areas) < high


def test_members_are_the_images_that_the_set_was_made_of() -> None:
    asked = {part: load_evaluator("membership-inference").plan(replace(SUBJECT, part=part)) for part in PARTS}
    assert [cells["own"].probes[0].data for cells in asked.values()] == [Real("digits", part=part) for part in PARTS]


def test_lira_speaks_of_a_method_once() -> None:
    again = replace(SUBJECT, distil_seed=1, made=replace(MADE, seed=1))
    assert list(load_evaluator("membership-inference").plan(again)) == ["own"]


def test_lira_runs_only_for_sets_that_a_baseline_made() -> None:
    evaluator = load_evaluator("membership-inference")
    cells = evaluator.plan(SUBJECT)
    halves = [cell.training.stages[0].stream.images[0] for label, cell in cells.items() if label != "own"]
    assert [one.real.part for one in halves if isinstance(one, Made)] == [f"half-{k:02}" for k in range(16)]
    assert list(evaluator.plan(Subject(Stored("a" * 64), "digits", 10, RECIPE, "mine", ipc=1))) == ["own"]
    assert list(load_evaluator("membership-inference", quick=True).plan(SUBJECT)) == ["own"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("membership-inference", [("halves", 2)]),
        ("protocol-sensitivity", [("runs", 12)]),
        ("protocol-sensitivity", [("architectures", ("mlp",))]),
        ("optimism", [("rates", (0.5, 2.0))]),
    ],
)
def test_options_that_cannot_be_are_refused(name: str, options: list[tuple[str, Any]]) -> None:
    with pytest.raises(UsageError, match=options[0][0]):
        load_evaluator(name, options).plan(SUBJECT)


# The factorial


def test_planted_effects_are_recovered_exactly() -> None:
    image, label = {"set": 40.0, "random-real": 25.0, "noise": 5.0}, {"hard": 0.0, "teacher": 7.0}
    planted = {("set", "teacher"): 3.0}
    accuracy = {f"{i}, {k}": image[i] + label[k] + planted.get((i, k), 0.0) for i in image for k in label}
    found = label_disentangling.effects({**accuracy, "full data, hard": 90.0, "set, own": 55.0})
    assert found == {
        "labels: teacher - hard": pytest.approx(8.0),
        "images: set - random-real": pytest.approx(16.5),
        "images: set - noise": pytest.approx(36.5),
        "interaction: set - random-real": pytest.approx(3.0),
        "interaction: set - noise": pytest.approx(3.0),
        "hlr: full data - set": pytest.approx(50.0),
        "ior: set - random-real": pytest.approx(23.0),  # both under labels of a teacher
    }
    assert label_disentangling.effects({**accuracy, "full data, hard": 90.0})["ior: set - random-real"] == 15.0


def test_the_factorial_has_six_cells_one_teacher_and_the_reference() -> None:
    evaluator = load_evaluator("label-disentangling")
    cells = evaluator.plan(SUBJECT)
    assert list(cells) == [
        *(f"{i}, {k}" for i in ("set", "random-real", "noise") for k in ("hard", "teacher")),
        "full data, hard",
    ]
    teacher = cells["full data, hard"].training
    assert {cell.training.stages[0].stream.labels for cell in cells.values()} == {"own", teacher}
    assert cells["set, hard"] == load_evaluator("cross-architecture").plan(SUBJECT)["convnet"]  # trained once for both
    soft = Subject(Stored("a" * 64), "digits", 10, RECIPE, "mine", ipc=1, track="soft")
    of_soft = evaluator.plan(soft)
    labels = [of_soft[name].training.stages[0].stream.labels for name in ("set, hard", "set, own")]
    assert labels == ["hard", "own"]
    assert evaluator.skip_reason(Subject(Stored("a" * 64), "digits", 10, RECIPE, "full-data")) is not None


def test_what_stands_beside_a_whitened_set_is_whitened_and_nothing_carried_is_used() -> None:
    recipe = replace(RECIPE, carried="use", loss="crd")
    cells = load_evaluator("label-disentangling").plan(replace(SUBJECT, recipe=recipe, space="zca"))
    found = {name: cell.training.recipe for name, cell in cells.items()}
    assert {(one.statistics, one.carried) for one in found.values()} == {("zca", "ignore")}
    losses = {name: one.loss for name, one in found.items()}  # no teacher gives hard labels
    assert set(losses.values()) == {"crd", "cross-entropy"}
    assert all((loss == "crd") == ("teacher" in str(name)) for name, loss in losses.items())
    plain = load_evaluator("label-disentangling").plan(replace(SUBJECT, space="standardized"))
    assert {cell.training.recipe.statistics for cell in plain.values()} == {"dataset"}


def test_a_lower_hlr_is_better() -> None:
    evaluator = load_evaluator("label-disentangling")
    seen: Seen = {name: counted(0.5, cell) for name, cell in evaluator.plan(SUBJECT).items()}
    better = {score.condition: score.higher_is_better for score in evaluator.scores(SUBJECT, seen)}
    assert [name for name, higher in better.items() if not higher] == ["hlr: full data - set"]


def test_a_cell_that_failed_takes_its_effects_with_it() -> None:
    evaluator = load_evaluator("label-disentangling")
    cells = evaluator.plan(SUBJECT)
    seen: dict[Any, Any] = {name: counted(0.5, cell) for name, cell in cells.items()}
    seen["noise, teacher"] = (Outcome(0, Probe("accuracy", TEST), "failed", reason="the loss is nan"),)
    scores = list(evaluator.scores(SUBJECT, seen))
    assert {score.status for score in scores if score.metric == "effect"} == {"failed"}
    assert sum(score.value is not None for score in scores) == 6


# Protocols


@pytest.mark.parametrize(("runs", "resolution"), [(16, 4), (8, 3)])
def test_the_design_is_balanced_and_of_its_resolution(runs: int, resolution: int) -> None:
    signs = 2 * np.array(protocol_sensitivity.design(runs)) - 1
    assert len({tuple(row) for row in signs}) == runs
    gram = signs.T @ signs
    assert (gram == runs * np.eye(6)).all(), "main effects are orthogonal"
    pairs = np.array([signs[:, i] * signs[:, j] for i in range(6) for j in range(i)])
    mixed = np.abs(pairs @ signs).max()
    assert (mixed == 0) if resolution == 4 else (mixed == runs)


def test_planted_main_effects_are_recovered_exactly_despite_interactions() -> None:
    planted = np.array([1.0, -2.0, 0.5, 3.0, 0.0, -4.0])
    runs = protocol_sensitivity.design(16)
    values = [50 + float(planted @ run) + 2.0 * (run[0] ^ run[1]) for run in runs]
    assert protocol_sensitivity.main_effects(runs, values) == pytest.approx(list(planted))


def test_protocols_change_what_their_condition_says() -> None:
    evaluator = load_evaluator("protocol-sensitivity")
    cells = evaluator.plan(SUBJECT)
    assert len(cells) == 16 and len({cell.training.recipe.digest for cell in cells.values()}) == 16
    cell = cells["adamw, rate x2, epochs x2, mean-squared-error, dsa, mlp"]
    recipe = cell.training.recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.epochs) == ("adamw", 0.004, 40)
    assert (recipe.loss, recipe.augmentation, cell.training.architecture) == ("mean-squared-error", "dsa", "mlp")
    seen: Seen = {name: counted(0.5 if "mlp" in str(name) else 0.75, cell) for name, cell in cells.items()}
    told = {(score.metric, score.condition): score.value for score in evaluator.scores(SUBJECT, seen)}
    assert told["accuracy_over_protocols", "worst of 16 protocols"] == 50.0
    assert told["accuracy_over_protocols", "median of 16 protocols"] == 62.5
    assert (
        told["effect", "architecture: mlp - convnet"] == -25.0
        and told["effect", "epochs: epochs x2 - epochs x0.5"] == 0
    )


def test_decays_move_with_the_epochs_and_carried_rates_are_left_out() -> None:
    recipe = replace(RECIPE, epochs=301, schedule="step", decay_epochs=(152,), carried="use", passes=3010)
    cells = load_evaluator("protocol-sensitivity").plan(replace(SUBJECT, recipe=recipe))
    found = {(one.passes, one.decay_epochs, one.carried) for one in (cell.training.recipe for cell in cells.values())}
    assert found == {(1505, (76,), "ignore"), (6020, (304,), "ignore")}


# Optimism


def test_the_first_best_of_the_holdout_is_chosen_however_outcomes_are_stored() -> None:
    evaluator = load_evaluator("optimism", [("rates", (1.0, 0.3)), ("n_moments", 2)])

    def added(order: int) -> list[float | None]:
        shares = {"epoch-10": 0.6, "end": 0.7}
        seen = {}
        for rate, cell in evaluator.plan(SUBJECT).items():
            names = list(shares)[::order]
            test = {at: {"correct": [shares[at]], "total": [1]} for at in names}
            holdout = {at: {"correct": [0.5], "total": [1]} for at in names}
            seen[rate] = tuple(
                Outcome(0, probe, "ok", value) for probe, value in zip(cell.probes, (test, holdout), strict=True)
            )
        return [score.value for score in evaluator.scores(SUBJECT, seen)]

    assert added(1) == added(-1) == [0, pytest.approx(10)]  # epoch 10 comes first


def test_optimism_measures_at_the_epochs_of_what_is_trained_on() -> None:
    recipe = replace(RECIPE, epochs=1, min_steps=40, batch_size=10)
    (probe, _) = load_evaluator("optimism").plan(replace(SUBJECT, recipe=recipe, n_images=40))[1.0].probes
    assert probe.at == (1, 2, 3, 4, 5, 6, 7, 8, 9, "end")  # 40 images are 4 steps an epoch
    assert load_evaluator("optimism").skip_reason(replace(SUBJECT, recipe=replace(RECIPE, carried="use"))) is not None


def test_optimism_is_never_negative_and_zero_without_a_choice() -> None:
    draws = np.random.default_rng(6)
    moments = [(rate, at) for rate in ("0.3", "1.0", "3.0") for at in ("epoch-5", "epoch-10", "end")]
    for _ in range(200):
        test, holdout = ({moment: float(draws.random()) for moment in moments} for _ in range(2))
        added = optimism.added_by_choice(test, holdout, ("1.0", "end"))
        assert min(added) >= 0
        only = {("1.0", "end"): test["1.0", "end"]}
        assert optimism.added_by_choice(only, only, ("1.0", "end")) == (0, 0)


def test_optimism_by_hand() -> None:
    test = {("0.3", "end"): 60.0, ("1.0", "epoch-5"): 72.0, ("1.0", "end"): 70.0}
    holdout = {("0.3", "end"): 80.0, ("1.0", "epoch-5"): 75.0, ("1.0", "end"): 80.0}
    assert optimism.added_by_choice(test, holdout, ("1.0", "end")) == (2.0, 12.0)


def test_one_epoch_and_one_rate_leave_no_optimism() -> None:
    options = [("rates", (1.0,)), ("n_moments", 1)]
    evaluator = load_evaluator("optimism", options)
    cells = evaluator.plan(SUBJECT)
    seen: Seen = {label: counted(0.5, cell) for label, cell in cells.items()}
    assert [score.value for score in evaluator.scores(SUBJECT, seen)] == [0, 0]
    (cell,) = cells.values()
    assert all(probe.at == ("end",) for probe in cell.probes)
    assert {probe.at for probe in load_evaluator("optimism").plan(SUBJECT)[1.0].probes} == {
        (2, 4, 6, 8, 10, 12, 14, 16, 18, "end")
    }


# Robustness and fairness


def test_fairness_asks_for_nothing_beyond_the_accuracy_of_cross_architecture() -> None:
    cross = load_evaluator("cross-architecture", [("architectures", ("convnet",))])
    assert list(load_evaluator("fairness").plan(SUBJECT).values()) == list(cross.plan(SUBJECT).values())
    counts = {"end": {"correct": [9, 1, 5], "total": [10, 10, 10]}}
    outcome = Outcome(0, Probe("accuracy", TEST), "ok", counts)
    lowest, gap = load_evaluator("fairness").scores(SUBJECT, {"all": (outcome,)})
    assert (lowest.value, gap.value, gap.higher_is_better) == (10.0, 80.0, False)


def test_corruption_means_are_over_families_and_severities() -> None:
    options = [("families", ("contrast", "jpeg")), ("severities", (1, 5))]
    evaluator = load_evaluator("corruption", options)
    (cell,) = evaluator.plan(SUBJECT).values()
    shares = [0.9, 0.8, 0.4, 0.6, 0.2]  # none, contrast 1 and 5, jpeg 1 and 5
    outcomes = tuple(
        counted(share, Cell(cell.training, (0,), (p,)))[0] for share, p in zip(shares, cell.probes, strict=True)
    )
    told = {score.condition: score.value for score in evaluator.scores(SUBJECT, {"all": outcomes})}
    expected = {"none": 90, "all": 50, "contrast": 60, "jpeg": 40, "severity 1": 70, "severity 5": 30}
    assert told == {name: pytest.approx(value) for name, value in expected.items()}


def test_attacks_are_named_by_method_and_bound() -> None:
    evaluator = load_evaluator("adversarial")
    (cell,) = evaluator.plan(SUBJECT).values()
    names = [score.condition for score in evaluator.scores(SUBJECT, {"all": counted(0.5, cell)})]
    assert names == ["none", "fgsm 2/255", "pgd-10 2/255", "fgsm 8/255", "pgd-10 8/255"]
    assert all(dict(probe.options)["subset"] == 1000 for probe in cell.probes)


def test_the_teacher_of_the_factorial_is_an_ordinary_training() -> None:
    cell = load_evaluator("label-disentangling").plan(SUBJECT)["full data, hard"]
    assert cell.training.recipe.epochs == 2 and isinstance(cell.training.stages[0].stream, Data)
