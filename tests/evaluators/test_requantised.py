"""The evaluator `requantised`: its plan, its arithmetic, and a planted signal that no eye can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark import datasets
from benchmark.evaluator import Label, Seen, Subject
from benchmark.plan import Job, load_evaluator
from benchmark.recipe import Recipe
from benchmark.runner import Runner
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import Card, SyntheticSet
from benchmark.values import Outcome, Outcomes, Probe, Real, Requantised, Stored
from evaluators.requantised import in_standard_errors

SUBJECT = Subject(Stored("a" * 64), "digits", 10, Recipe("r", n_seeds=3), "m", ipc=1)
PROBE = Probe("accuracy", Real("digits", "test"))


def right(seed: int, correct: int) -> Outcome:
    return Outcome(seed, PROBE, "ok", {"end": {"correct": [correct] * 10, "total": [100] * 10}})


def seen(before: list[int], after: list[int]) -> Seen:
    found: dict[Label, Outcomes] = {"as it is": tuple(right(seed, n) for seed, n in enumerate(before))}
    return {**found, **{("requantised", seed): (right(seed, n),) for seed, n in enumerate(after)}}


def test_each_seed_trains_on_the_set_as_it_is_and_on_a_draw_of_its_own() -> None:
    planned = load_evaluator("requantised").plan(SUBJECT)
    assert planned["as it is"] == SUBJECT.cell()
    changed = [(cell.seeds, cell.training.stages[0].stream.images) for cell in list(planned.values())[1:]]
    assert changed == [((seed,), (Requantised(SUBJECT.images, seed),)) for seed in range(3)]


def test_the_fall_is_counted_in_standard_errors() -> None:
    """80 82 84 against 70 71 72: a fall of 11 points; variances 4 and 1, so its error is the root of 5/3."""
    evaluator = load_evaluator("requantised")
    scores = list(evaluator.scores(SUBJECT, seen([80, 82, 84], [70, 71, 72])))
    assert [score.value for score in scores if score.metric == "fall"] == [10, 11, 12]
    told = [score for score in scores if score.metric == "fall_in_standard_errors"]
    assert [(one.seed, one.unit) for one in told] == [(None, "standard errors")]
    assert told[0].value == pytest.approx(11 / (5 / 3) ** 0.5)
    assert {score.condition for score in scores if score.metric == "accuracy"} == {"as it is", "requantised"}
    code, reason = evaluator.suspicion(scores) or ("", "")
    assert code == "E605" and reason.startswith("Accuracy falls by 11.0 points, 8.5 standard errors")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([80, 82, 84], [78, 80, 82], id="less than three errors"),
        pytest.param([70, 71, 72], [80, 82, 84], id="a rise"),
        pytest.param([80, 80, 80], [80, 80, 80], id="no spread"),
        pytest.param([80, 82], [10, 11], id="two seeds say nothing"),
    ],
)
def test_what_is_no_fall_raises_no_suspicion(before: list[int], after: list[int]) -> None:
    evaluator = load_evaluator("requantised")
    assert evaluator.suspicion(list(evaluator.scores(SUBJECT, seen(before, after)))) is None


def test_a_training_that_failed_leaves_no_verdict() -> None:
    evaluator, found = load_evaluator("requantised"), dict(seen([80, 82, 84], [10, 10, 10]))
    found["requantised", 1] = (Outcome(1, PROBE, "failed", reason="the loss is nan"),)
    scores = list(evaluator.scores(SUBJECT, found))
    assert evaluator.suspicion(scores) is None
    assert {score.status for score in scores if score.metric == "fall_in_standard_errors"} == {"failed"}
    assert in_standard_errors([1.0, 2.0], [1.0, 2.0, 3.0]) is None


def test_the_full_data_are_left_out() -> None:
    full = Subject(SUBJECT.images, "digits", 10, SUBJECT.recipe, "full-data")
    assert load_evaluator("requantised").skip_reason(full) and not load_evaluator("requantised").skip_reason(SUBJECT)


@pytest.mark.slow
def test_digits_hidden_below_one_level_teach_and_are_found_out(tmp_path: Path) -> None:
    """Images that are grey to the eye: no pixel is further than half a level from the mean of the dataset."""
    dataset, store = datasets.load("digits"), Store(tmp_path)
    rows = np.concatenate([np.flatnonzero(dataset.train.labels == c)[:3] for c in range(10)])
    mean = np.float32(dataset.facts.statistics["dataset"].mean[0])
    hidden = mean + (dataset.train.images[rows] / np.float32(255) - mean) / 255
    assert len(np.unique(np.rint(255 * hidden))) <= 2
    tensors = {"images": hidden, "labels": dataset.train.labels[rows]}
    digest = store.write_set(SyntheticSet(tensors, Card("digits", dataset.facts.digest, PIXEL, "hidden", ipc=3)))
    option = (("architecture", "convnet:width=16"),)
    Runner(store, "cpu", 1).evaluate([Job(digest, "requantised", "standard-v1-lite", option)])
    table = store.results()
    means = table[table["metric"] == "accuracy"].groupby("condition")["value"].mean()
    assert means["as it is"] > means["requantised"] + 10, "the network sees what nobody else does"
    (fall,) = table[table["metric"] == "fall_in_standard_errors"]["value"]
    assert fall > 3
    state = store.state(digest)
    assert (state.state, state.is_ranked) == ("needs-review", False)
    assert state.reason.startswith("E605: Accuracy falls by")
