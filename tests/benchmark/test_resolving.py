"""Sets that evaluators want beside their subject: found in every place of a plan, made by the runner, and replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.errors import TrainingDiverged
from benchmark.plan import Job
from benchmark.recipe import Recipe
from benchmark.resolving import resolved, wanted
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training

FIRST, SECOND = (Made("random-real", "default", Real("digits"), Budget(ipc=1), seed) for seed in (0, 1))
EVALUATOR = '''
"""Trains on random-real beside the subject."""
from dataclasses import dataclass
from benchmark.evaluator import Evaluator, accuracy_score
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
VERSION = 1
@dataclass(frozen=True)
class Beside(Evaluator):
    def plan(self, subject):
        made = Made("random-real", "default", Real("digits", part="minus-holdout"), Budget(ipc=1), 7)
        training = Training((Stage(Data((made,))),), "mlp", subject.recipe)
        return {"beside": Cell(training, (0,), (Probe("accuracy", subject.test),)), "own": subject.cell("mlp")}
    def scores(self, subject, seen):
        for label in ("beside", "own"):
            for outcome in seen[label]:
                yield accuracy_score(outcome, "mlp", label)
'''


def test_every_place_of_a_training_is_looked_at() -> None:
    recipe = Recipe("r")
    teacher = Training((Stage(Data((SECOND,))),), "mlp", recipe)
    stage = Stage(Data((FIRST, Stored("a" * 64)), labels=teacher), memory=Data((FIRST,)))
    cell = Cell(Training((stage,), "mlp", recipe), (0,), ())
    assert wanted([cell, cell]) == [FIRST, SECOND]
    done = resolved(cell, {FIRST: "b" * 64, SECOND: "c" * 64})
    assert wanted([done]) == []
    assert done.training.stages[0].memory == Data((Stored("b" * 64),))
    assert wanted([resolved(cell, {FIRST: "b" * 64})]) == [SECOND]
    untrained = Cell(Training((), "mlp", recipe), (0,), (Probe("parameters", Real("digits")),))
    assert resolved(untrained, {}) == untrained


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty store, with the evaluator above in force."""
    (tmp_path / "evaluators").mkdir()
    (tmp_path / "evaluators" / "beside.py").write_text(EVALUATOR)
    monkeypatch.setenv("DISTILLBENCH_PLUGINS", str(tmp_path))
    registry._files.cache_clear()
    yield Store(tmp_path / "store")
    monkeypatch.delenv("DISTILLBENCH_PLUGINS")
    registry._files.cache_clear()


def test_an_evaluator_gets_sets_made_beside_its_subject(store: Store) -> None:
    jobs = [Job(FIRST, "beside", "standard-v1-lite")]
    runner = Runner(store, "cpu", workers=1)
    estimate = runner.estimate(jobs)
    assert (estimate.n_sets, estimate.n_blocks) == (2, 6)
    report = runner.evaluate(jobs)
    assert (report.n_made, report.n_trained, report.problems) == (2, 6, [])
    assert set(store.results()["condition"]) == {"beside", "own"}
    again = Runner(store, "cpu", workers=1)
    assert (again.estimate(jobs).n_sets, again.estimate(jobs).n_blocks) == (0, 0)
    assert again.evaluate(jobs).n_trained == 0


def test_a_set_that_cannot_be_made_is_an_error_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = registry.load("baseline", "random-real")
    distil = kind.distill

    def diverges(self: Any, real: Real, budget: Budget, run: Any) -> Any:
        if run.seed == 7:
            raise TrainingDiverged("the learned images hold NaN")
        return distil(self, real, budget, run)

    monkeypatch.setattr(kind, "distill", diverges)
    report = Runner(store, "cpu", workers=1).evaluate([Job(FIRST, "beside", "standard-v1-lite")])
    assert len(report.problems) == 1 and report.n_trained == 5
    (row,) = store.results().query("status != 'ok'").to_dict("records")
    assert row["status"] == "error" and "could not be made" in row["condition"]
