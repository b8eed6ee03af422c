"""Plans carried out: made, trained, scored, resumed, and told apart when something fails."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmark import engine, making, plan, recipe, registry
from benchmark.engine.training import build_network
from benchmark.plan import Job
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training
from tests.benchmark.tiny_plan import RECIPE, jobs


def results(store: Store) -> pd.DataFrame:
    return store.results()


def test_a_plan_gives_its_rows(tmp_path: Path, plugins: Path) -> None:
    store = Store(tmp_path / "store")
    report = Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
    table = results(store)
    assert report.n_made == 9 and report.problems == []
    assert len(table) == report.n_rows == 9 * 2 * 2 + 4 * 2 * 2
    skipped = table[table["architecture"] == "vgg11"]
    assert set(skipped["status"]) == {"skipped"} and skipped["value"].isna().all()
    assert skipped["condition"].str.contains("vgg11").all()
    trained = table[table["architecture"] == "mlp"]
    assert set(trained["status"]) == {"ok"} and trained["value"].between(0, 100).all()
    full = table[table["method"] == "full-data"]
    assert set(full["recipe"]) == {"tiny/reference"} and full["ipc"].isna().all()
    ones = table[(table["method"] == "random-real") & (table["ipc"] == 1)]
    assert set(ones["bytes"]) == {10 * 64 + 10} and set(ones["distil_seed"]) == {0, 1}


def test_a_quick_form_trains_fewer_seeds_and_shares_its_networks_with_the_whole(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(plan.load_evaluator("augmentation"))
    monkeypatch.setattr(kind, "quick", {"augmentations": ("none",)})
    monkeypatch.setattr(kind, "quick_seeds", 1)
    store = Store(tmp_path / "store")
    made = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    whole = Job(made, "augmentation", "tiny", (("architecture", "mlp"),))
    report = Runner(store, "cpu", workers=1).evaluate([replace(whole, quick=True)])
    assert (report.n_trained, report.n_rows) == (1, 1)
    report = Runner(store, "cpu", workers=1).evaluate([whole])
    assert (report.n_reused, report.n_rows) == (1, 8)
    table = results(store)
    assert set(table["evaluator"]) == {"augmentation", "augmentation/quick"}
    same = table[(table["condition"] == "none") & (table["seed"] == 0)]
    assert len(same) == 2 and same["value"].nunique() == 1
    both = [whole, replace(whole, quick=True)]
    at_once = Runner(Store(tmp_path / "at-once"), "cpu", workers=1)
    assert at_once.estimate(both).n_blocks == 8  # the seed of the quick form is one of the whole one's
    trained = at_once.evaluate(both).n_trained
    assert trained == report.n_trained + 1


def test_sets_and_teachers_beside_a_subject_are_made_first(tmp_path: Path, plugins: Path) -> None:
    """The factorial on an MLP: noise under hard labels is at chance, and a second run does nothing."""
    store = Store(tmp_path / "store")
    made = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    job = Job(made, "label-disentangling", "standard-v1-lite", (("architecture", "mlp"),), quick=True)
    estimate = Runner(store, "cpu", workers=1).estimate([job])
    report = Runner(store, "cpu", workers=1).evaluate([job])
    assert report.problems == [] and estimate.n_sets == report.n_made == 3
    assert report.n_trained == 5 * 2, "of seven cells two pairs are one, and the teacher is the reference of seed 0"
    assert report.n_trained == estimate.n_blocks
    table = results(store)
    assert set(table["status"]) == {"ok"} and set(table["track"]) == {"hard"} and set(table["set"]) != {""}
    means = table[table["metric"] == "accuracy"].groupby("condition")["value"].mean()
    assert len(means) == 7 and means["noise, hard"] < 20 < 40 < means["set, hard"] < means["full data, hard"]
    assert means["set, hard"] == means["random-real, hard"], "here the set is random-real itself"
    again = Runner(store, "cpu", workers=1).evaluate([job])
    assert (again.n_made, again.n_trained) == (0, 0)


def test_a_recipe_with_a_teacher_scores_a_set_by_the_labels_that_it_gives(tmp_path: Path, plugins: Path) -> None:
    taught = RECIPE.replace("[reference]", 'teacher = "mlp"\nloss = "crd"\n[reference]')
    (plugins / "recipes" / "taught.toml").write_text(taught)
    store = Store(tmp_path / "store")
    made = Made("random-real", "default", Real("digits"), Budget(ipc=10), 0)
    full = Made("full-data", "default", Real("digits"), Budget(), 0)
    chosen = [Job(one, "cross-architecture", "taught", (("architectures", ("mlp",)),)) for one in (made, full)]
    assert Runner(store, "cpu", workers=1).estimate(chosen).n_blocks == 4
    report = Runner(store, "cpu", workers=1).evaluate(chosen)
    assert report.problems == [] and report.n_trained == 4, "the teacher is the first network of full data"
    Runner(store, "cpu", workers=1).evaluate([replace(chosen[0], recipe="tiny")])
    table = results(store)
    values = table.groupby("recipe")["value"].agg(set)
    assert set(table["status"]) == {"ok"} and set(values.index) == {"taught", "taught/reference", "tiny"}
    assert values["taught"].isdisjoint(values["tiny"]), "other labels, other networks"
    tracks = {name: set(rows["track"]) for name, rows in table.groupby("recipe")}
    assert tracks == {"taught": {"teacher"}, "taught/reference": {"hard"}, "tiny": {"hard"}}


def test_a_second_run_makes_and_trains_nothing(tmp_path: Path, plugins: Path) -> None:
    store = Store(tmp_path / "store")
    Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
    before = results(store)
    again = Runner(store, "cpu", workers=1)
    estimate = again.estimate(jobs(tmp_path))
    assert (estimate.n_sets, estimate.n_blocks, estimate.seconds) == (0, 0, 0)
    report = again.evaluate(jobs(tmp_path))
    assert (report.n_made, report.n_trained) == (0, 0) and report.n_reused > 0
    pd.testing.assert_frame_equal(before, results(store))


def test_two_empty_stores_get_the_same_rows_and_sets(tmp_path: Path, plugins: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("first", "second")]
    for store in stores:
        Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
        store.collect()
    assert stores[0].set_digests() == stores[1].set_digests()
    tables = [(store.root / "results.csv").read_bytes() for store in stores]
    assert tables[0] == tables[1]


def test_the_estimate_counts_what_will_be_done(tmp_path: Path, plugins: Path) -> None:
    store = Store(tmp_path / "store")
    estimate = Runner(store, "cpu", workers=1).estimate(jobs(tmp_path))
    assert not store.root.exists(), "an estimate writes nothing"
    runner = Runner(store, "cpu", workers=1)
    report = runner.evaluate(jobs(tmp_path))
    assert estimate.n_sets == report.n_made
    assert estimate.n_stored == 0 and estimate.seconds > 0
    # class means of one image a class do not depend on the seed: fewer trainings than the plan's worst case
    assert report.n_trained <= estimate.n_blocks


def test_presets_with_equal_values_share_what_was_made(tmp_path: Path) -> None:
    runner = Runner(Store(tmp_path), "cpu", workers=1)
    first = Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)
    found = runner.make([first])
    assert making.find(Made("random-real", "lite", Real("digits"), Budget(ipc=1), 0), runner.store) == found[first]
    assert making.find(Made("random-real", "default", Real("digits"), Budget(ipc=1), 1), runner.store) is None


def test_a_set_carries_its_provenance(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = Made("random-real", "default", Real("digits", part="minus-holdout"), Budget(ipc=1), 3)
    digest = Runner(store, "cpu", workers=1).make([made])[made]
    card = store.read_card(digest)
    assert (card.method, card.preset, card.distil_seed, card.ipc) == ("random-real", "default", 3, 1)
    assert card.distilled_on == "train-minus-holdout"
    assert card.source and card.licence and card.citation
    assert card.cost["numerics"] == engine.numerics(torch.device("cpu"))
    assert store.preview(digest) is not None


def test_a_fault_of_the_machine_becomes_an_error_row_and_is_tried_again(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "benchmark.engine.blocks.build_network"
    real_build = build_network

    def sometimes(architecture: str, *rest: Any) -> Any:
        if architecture == "mlp":
            raise RuntimeError("out of memory")
        return real_build(architecture, *rest)

    store = Store(tmp_path / "store")
    monkeypatch.setattr(target, sometimes)
    report = Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
    assert report.problems
    broken = results(store)[results(store)["architecture"] == "mlp"]
    assert set(broken["status"]) == {"error"} and broken["condition"].str.contains("out of memory").all()
    monkeypatch.setattr(target, real_build)
    assert Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path)).problems == []
    assert "error" not in set(results(store)["status"])


def test_a_baseline_that_diverges_fails_alone(tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.errors import TrainingDiverged

    def diverges(*_: Any) -> Any:
        raise TrainingDiverged("the learned images hold NaN")

    monkeypatch.setattr(registry.load("baseline", "class-mean"), "distill", diverges)
    store = Store(tmp_path / "store")
    report = Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
    assert len(report.problems) == 4 and "class-mean" in report.problems[0]
    assert set(results(store)["method"]) == {"random-real", "full-data"}


def test_a_set_that_a_machine_cannot_make_is_told_and_the_rest_goes_on(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory\nlong trace")

    monkeypatch.setattr(registry.load("baseline", "class-mean"), "distill", no_memory)
    store = Store(tmp_path / "store")
    runner, asked = Runner(store, "cpu", workers=1), jobs(tmp_path)
    runner.make(dict.fromkeys(job.images for job in asked if isinstance(job.images, Made)))
    report = runner.evaluate(asked)  # which does not try again what has just failed
    assert len(report.problems) == 4 and report.problems[0].endswith("OutOfMemoryError: out of memory")
    assert set(results(store)["method"]) == {"random-real", "full-data"}


def test_a_set_is_not_made_from_networks_that_a_machine_could_not_train(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training((Stage(Data((Real("digits"),))),), "mlp", recipe.load("tiny"))
    monkeypatch.setattr(making, "needs", lambda made: [Cell(training, (made.seed,), (Probe("weights"),))])
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=1)
    monkeypatch.setattr(runner, "train", lambda *given, **how: {(training, 1): "no memory"})
    asked = [Made("class-mean", "default", Real("digits"), Budget(ipc=1), seed) for seed in (0, 1)]
    assert list(runner.make(asked)) == asked[:1]
    assert runner.report.problems == [
        "class-mean, 1 per class, seed 1: a network that it needs could not be trained: no memory"
    ]


COMPANIONS = """\"\"\"Scores what stands beside the set.\"\"\"
from dataclasses import dataclass
from benchmark.evaluator import Evaluator, accuracy_score
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Training
VERSION = 1
@dataclass(frozen=True)
class Beside(Evaluator):
    def plan(self, subject):
        found = {}
        for ipc in (1, 1000):
            made = Made("random-real", "default", Real("digits", classes=(3, 7)), Budget(ipc=ipc), 0)
            stages = (Stage(Data((Real("digits", part="holdout"),)), memory=Data((made,))),)
            training = Training(stages, "mlp", subject.recipe)
            found[ipc] = Cell(training, subject.recipe.seeds(), (Probe("accuracy", subject.test),))
        return found
    def scores(self, subject, seen):
        for ipc, outcomes in seen.items():
            for outcome in outcomes:
                yield accuracy_score(outcome, "mlp", condition=f"beside {ipc}")
"""
BESIDE = """
[[make]]
dataset = "digits"
baselines = ["random-real"]
ipc = 2
[[evaluate]]
evaluator = "beside"
recipe = "tiny"
"""


def test_sets_that_a_plan_asks_for_are_made_and_what_cannot_be_made_is_skipped(tmp_path: Path, plugins: Path) -> None:
    from benchmark import registry

    (plugins / "evaluators").mkdir()
    (plugins / "evaluators" / "beside.py").write_text(COMPANIONS)
    registry._files.cache_clear()
    (tmp_path / "beside.toml").write_text(BESIDE)
    todo = plan.load(str(tmp_path / "beside.toml")).jobs
    store = Store(tmp_path / "store")
    estimate = Runner(store, "cpu", workers=1).estimate(todo)
    assert (estimate.n_sets, estimate.n_blocks) == (3, 4) and not store.root.exists()
    report = Runner(store, "cpu", workers=1).evaluate(todo)
    table = results(store)
    assert report.n_made == 2 and report.problems == []
    done = table[table["condition"] == "beside 1"]
    assert set(done["status"]) == {"ok"} and len(done) == 2
    lacking = table[table["condition"] != "beside 1"]
    assert set(lacking["status"]) == {"skipped"} and lacking["value"].isna().all()
    assert lacking["condition"].str.contains("beside 1000; class '3' has .* fewer than 1000").all()
    cards = [store.read_card(digest) for digest in store.set_digests()]
    assert sorted((card.classes or ()) for card in cards) == [(), (3, 7)]
    assert all(card.class_by_class for card in cards)
    assert Runner(store, "cpu", workers=1).evaluate(todo).n_trained == 0


def test_teardown_leaves_no_checkpoints(tmp_path: Path, plugins: Path) -> None:
    store = Store(tmp_path / "store")
    Runner(store, "cpu", workers=1).evaluate(jobs(tmp_path))
    assert list(store.root.glob("work/*")) == [] and list(store.root.glob("tmp/*")) == []
    hashes = {f: hashlib.sha256(f.read_bytes()).hexdigest() for f in store.root.glob("sets/*/*")}
    assert len(hashes) == 3 * len(store.set_digests())


def test_what_is_left_of_a_plan_is_computed_as_the_whole_was(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table counts the work of all blocks, those that are done included."""
    seen: list[int] = []

    def assign(blocks: list[engine.Block], *given: Any, **named: Any) -> list[engine.Block]:
        seen.append(len(blocks))
        return blocks

    monkeypatch.setattr(engine, "assign", assign)
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=1)
    stored = Stored(runner.make([Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)]).popitem()[1])
    training = Training((Stage(Data((stored,))),), "mlp", recipe.load("tiny"))
    whole = [engine.Block(training, seed, ()) for seed in range(5)]
    seen.clear()
    assert runner.train(whole[3:], "the rest", whole) == {}
    assert seen == [5] and runner.report.n_trained + runner.report.n_reused == 2


@pytest.mark.parametrize("told", [float("nan"), float("inf"), -1.0])
def test_a_time_that_no_set_takes_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: float) -> None:
    monkeypatch.setattr("benchmark.baseline.Baseline.seconds", lambda *_: told)
    runner = Runner(Store(tmp_path / "store"), "cpu", workers=1)
    estimate = runner.estimate([], [Made("random-real", "default", Real("digits"), Budget(ipc=1), 0)])
    assert estimate.distil_seconds == 0.0 and "about 0 s" in str(estimate)
