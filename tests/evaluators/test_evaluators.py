"""Every evaluator: its plan and its scores, and the example of the docs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import contract, registry
from benchmark.evaluator import Seen, Subject
from benchmark.plan import load_evaluator
from benchmark.recipe import Recipe
from benchmark.values import Outcome, Probe, Real, Stored, Training

DOCS = Path(__file__).parents[2] / "docs"
SUBJECT = Subject(Stored("a" * 64), "digits", 10, Recipe("r", n_seeds=2), "m", ipc=1)
PROBE = Probe("accuracy", Real("digits", "test"))


def ok(seed: int, correct: int) -> Outcome:
    return Outcome(seed, PROBE, "ok", {"end": {"correct": [correct] * 10, "total": [20] * 10}})


def test_cross_architecture_asks_for_one_training_an_architecture() -> None:
    evaluator = load_evaluator("cross-architecture", [("architectures", ("mlp", "convnet:width=64"))])
    planned = evaluator.plan(SUBJECT)
    assert [cell.training.architecture for cell in planned.values()] == ["mlp", "convnet:width=64"]
    assert all(cell.seeds == (0, 1) and cell.probes == (PROBE,) for cell in planned.values())


def test_cross_architecture_scores_accuracy_in_percent() -> None:
    evaluator = load_evaluator("cross-architecture", [("architectures", ("mlp",))])
    failed = Outcome(1, PROBE, "failed", reason="the loss is nan")
    seen: Seen = {"mlp": (ok(0, 5), failed)}
    first, second = evaluator.scores(SUBJECT, seen)
    assert (first.value, first.unit, first.metric, first.seed, first.status) == (25.0, "percent", "accuracy", 0, "ok")
    assert (second.value, second.status, second.condition) == (None, "failed", "the loss is nan")


def test_the_augmentation_study_changes_nothing_but_the_augmentation() -> None:
    evaluator = load_evaluator("augmentation", [("augmentations", ("none", "dsa"))])
    planned = evaluator.plan(SUBJECT)
    none, dsa = (cell.training.recipe for cell in planned.values())
    assert none.digest == SUBJECT.recipe.digest
    changed = {k for k, v in dsa.canonical().items() if none.canonical()[k] != v}
    assert changed == {"augmentation"}
    scores = list(evaluator.scores(SUBJECT, {"none": (ok(0, 5),), "dsa": (ok(0, 10),)}))
    assert [(score.condition, score.value) for score in scores] == [("none", 25.0), ("dsa", 50.0)]


TAUGHT = Recipe("taught", n_seeds=2, teacher="convnet:width=64", loss="crd", reference=(("epochs", 2),))


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_under_a_recipe_with_a_teacher_its_labels_are_used_wherever_it_may_know_what_it_does(name: str) -> None:
    """Where it would have seen what is measured, the evaluator says so."""
    subject, evaluator = replace(SUBJECT, recipe=TAUGHT, n_images=10), load_evaluator(name)
    why = evaluator.skip_reason(subject)
    if why is not None:
        assert "teacher" in why
        return
    trainings = {cell.training for cell in evaluator.plan(subject).values()}
    taught = [one for one in trainings if isinstance(one.stages[0].stream.labels, Training)]
    assert taught and all(one.recipe.loss != "crd" for one in trainings if one not in taught)
    teachers = {one.stages[0].stream.labels for one in taught}
    (teacher,) = teachers
    assert isinstance(teacher, Training)
    assert teacher.recipe.teacher == "" and teacher.recipe.loss == "cross-entropy" and teacher.recipe.epochs == 2
    own = "convnet" if name == "label-disentangling" else "convnet:width=64"
    assert teacher.architecture == own


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_every_evaluator_keeps_the_contract(name: str) -> None:
    problems = {check: problem for check, problem in contract.run("evaluator", name) if problem}
    assert problems == {}


def test_the_docs_list_every_evaluator() -> None:
    text = (DOCS / "evaluators.md").read_text().partition("## What")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| [^|]* \|$", text, re.M)) == set(registry.names("evaluator"))


def test_the_example_of_the_docs_is_a_whole_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(\"\"\"Accuracy of the class.*?)```", (DOCS / "evaluators.md").read_text(), re.S)
    (tmp_path / "evaluators").mkdir()
    (tmp_path / "evaluators" / "worst_class.py").write_text(code)
    monkeypatch.setenv("DISTILLBENCH_PLUGINS", str(tmp_path))
    registry._files.cache_clear()
    try:
        assert all(problem is None for _, problem in contract.run("evaluator", "worst-class"))
        counts = {"end": {"correct": [9, 1], "total": [10, 10]}}
        evaluator = load_evaluator("worst-class")
        (score,) = evaluator.scores(SUBJECT, {"all": (Outcome(0, PROBE, "ok", counts),)})
        assert (score.metric, score.value) == ("worst_class_accuracy", 10.0)
    finally:
        monkeypatch.delenv("DISTILLBENCH_PLUGINS")
        registry._files.cache_clear()
