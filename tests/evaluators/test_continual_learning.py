"""Class-incremental evaluation: what it plans, and what its rows mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark import recipe
from benchmark.evaluator import Evaluator, Subject
from benchmark.plan import load_evaluator
from benchmark.results import Score
from benchmark.values import Budget, Cell, Made, Outcome, Real, Stored
from evaluators._memories import class_steps, companion_memories, own_memory

SET = "a" * 64
SUBJECT = Subject(Stored(SET), "digits", 10, recipe.load("standard-v1-lite"), "my-method", ipc=5, bytes=50 * 65)
SUBJECT = replace(SUBJECT, n_images=50)
ASKED = Made("dm", "lite", Real("digits", part="minus-holdout"), Budget(ipc=5), 3)
SMALL = (("orders", 2), ("initialisations", 2), ("companions", ("random-real",)), ("architecture", "mlp"))


def built(*options: tuple[str, Any]) -> Evaluator:
    return load_evaluator("continual-learning", [*dict([*SMALL, *options]).items()])


def rows(evaluator: Evaluator, subject: Subject, correct: Any = None, failing: Any = ()) -> list[Score]:
    """Scores where the network after step t of order o has `correct(label, t)` of 10 right in each class."""
    seen = {}
    for label, cell in evaluator.plan(subject).items():
        seen[label] = tuple(
            _outcome(cell, seed, probe, label, correct, (label, seed) in failing)
            for seed in cell.seeds
            for probe in cell.probes
        )
    return list(evaluator.scores(subject, seen))


def _outcome(cell: Cell, seed: int, probe: Any, label: Any, correct: Any, fails: bool) -> Outcome:
    if fails:
        return Outcome(seed, probe, "failed", reason="the loss is nan")
    stages = {f"stage-{t}": correct(label, t, seed) for t in range(len(cell.training.stages))}
    moments = stages if probe.at == ("stages",) else {"end": correct(label, (*label, 0)[4], seed)}
    value = {name: {"correct": [n] * 10, "total": [10] * 10} for name, n in moments.items()}
    return Outcome(seed, probe, "ok", value)


def test_class_orders_are_those_of_the_papers_code() -> None:
    for order in range(3):
        np.random.seed(order)
        expected = np.random.permutation(100)
        found = class_steps(100, 5, order)
        assert [set(step) for step in found] == [set(expected[20 * t : 20 * t + 20]) for t in range(5)]
    assert class_steps(10, 5, 0) == ((2, 8), (4, 9), (1, 6), (3, 7), (0, 5))


def test_from_scratch_each_step_trains_on_the_classes_seen_and_is_tested_on_them() -> None:
    planned = built(("orders", 1)).plan(SUBJECT)
    steps = class_steps(10, 5, 0)
    for t in range(5):
        cell = planned["gdumb", "joint set", 5, 0, t]
        ((images,),) = [stage.stream.images for stage in cell.training.stages]
        seen = tuple(sorted(c for step in steps[: t + 1] for c in step))
        assert images == Stored(SET, seen if t < 4 else None)
        tested = {probe.data.classes for probe in cell.probes if probe.data}
        assert tested == {seen if t < 4 else None}
        assert cell.seeds == (0, 1) and cell.training.recipe == SUBJECT.recipe
    # the last training is that of cross-architecture
    (cross,) = load_evaluator("cross-architecture", [("architectures", ("mlp",))]).plan(SUBJECT).values()
    assert planned["gdumb", "joint set", 5, 0, 4].training == cross.training


def test_rehearsal_streams_real_images_beside_the_memory_of_earlier_classes() -> None:
    planned = built(("orders", 1)).plan(SUBJECT)
    steps = class_steps(10, 5, 0)
    stages = planned["der++", "joint set", 5, 0].training.stages
    assert [stage.stream.images for stage in stages] == [(Real("digits", classes=step),) for step in steps]
    assert stages[0].memory is None
    memories = [stage.memory.images for stage in stages[1:] if stage.memory]
    seen = [tuple(sorted(c for step in steps[:t] for c in step)) for t in range(1, 5)]
    assert memories == [(Stored(SET, classes),) for classes in seen]
    kinds = {label[0]: cell.training.recipe.loss for label, cell in planned.items() if label[0] != "gdumb"}  # type: ignore[index]
    assert kinds["replay"] == kinds["fine-tuning"] == "cross-entropy" and kinds["der++"].startswith("der++:")
    assert all(stage.memory is None for stage in planned["fine-tuning", "", 5, 0].training.stages)


def test_a_set_of_our_baselines_is_made_again_for_each_step_of_its_classes_alone() -> None:
    memory = own_memory(replace(SUBJECT, made=ASKED))
    steps = class_steps(10, 5, 0)
    expected = tuple(replace(ASKED, real=replace(ASKED.real, classes=step)) for step in steps[:2])
    assert memory.name == "sets made per step" and memory.images(steps[:2]) == expected
    by_bytes = own_memory(replace(SUBJECT, made=replace(ASKED, budget=Budget(bytes=1000))))
    assert [made.budget for made in by_bytes.images(steps[:1]) if isinstance(made, Made)] == [Budget(bytes=200)]


def test_rates_and_lengths_that_a_set_carries_are_not_used() -> None:
    carrying = replace(SUBJECT, recipe=recipe.load("mtt-2022"))
    planned = built(("orders", 1)).plan(carrying).values()
    assert {cell.training.recipe.carried for cell in planned} == {"ignore"}


def test_kinds_of_sets_never_share_a_condition() -> None:
    kinds = {
        "joint": SUBJECT,
        "order-free": replace(SUBJECT, class_by_class=True, made=ASKED),
        "stated": replace(SUBJECT, class_by_class=True),
        "per step": replace(SUBJECT, made=ASKED),
    }
    names = {kind: own_memory(subject).name for kind, subject in kinds.items()}
    assert len(set(names.values())) == 4
    conditions = [
        {row.condition for row in rows(built(("companions", ())), subject, lambda *_: 5)} for subject in kinds.values()
    ]
    shared = set.intersection(*conditions)
    assert shared == {"joint training, 5 steps", "fine-tuning by rehearsal-v1, 5 steps"}


def test_companions_have_the_bytes_of_the_subject() -> None:
    (exact,) = companion_memories(SUBJECT, ("herding",), "lite")
    assert (exact.bytes, exact.n_images) == (SUBJECT.bytes, 50)
    floats = replace(SUBJECT, bytes=50 * (64 * 4 + 1))  # 12,850 bytes: 19 rounds of 650
    (more,) = companion_memories(floats, ("herding",), "lite")
    assert (more.n_images, more.bytes) == (190, 190 * 65)
    assert more.per_step and more.per_step.budget == Budget(ipc=19)
    (kept,) = companion_memories(floats, ("herding",), "lite", keeps_logits=True)
    assert kept.n_images == 140  # 12,850 and 50 logits of 40 bytes: 14 rounds of 1,050
    assert companion_memories(replace(SUBJECT, bytes=649), ("herding",), "lite") == []
    assert companion_memories(replace(SUBJECT, method="herding"), ("herding",), "lite") == []


def test_scores_are_means_over_orders_with_both_spreads() -> None:
    def correct(label: Any, t: int, seed: int) -> int:
        order: int = label[3]
        return 9 - t - 2 * order + seed  # order 1 is 20 points below order 0, seed 1 10 above seed 0

    found = [row for row in rows(built(), SUBJECT, correct) if row.condition == "gdumb, 5 steps, joint set"]
    value = {(row.metric, row.seed): row.value for row in found}
    assert [value[f"accuracy_after_step_{t + 1}", 0] for t in range(5)] == [80, 70, 60, 50, 40]
    assert value["average_incremental_accuracy", 1] == 70 and value["final_accuracy", 1] == 50
    assert value["forgetting", 0] == 25 and value["backward_transfer", 0] == -25  # falls of 40, 30, 20, 10
    assert value["final_accuracy_sd_over_orders", None] == pytest.approx(20 / 2**0.5)
    assert value["final_accuracy_sd_over_initialisations", None] == pytest.approx(10 / 2**0.5)
    assert value["memory_bytes", None] == 3250
    better = {row.metric: row.higher_is_better for row in found}
    assert not better["forgetting"] and not better["memory_bytes"] and better["backward_transfer"]


def test_der_counts_the_logits_that_it_keeps() -> None:
    found = {row.condition: row.value for row in rows(built(), SUBJECT, lambda *_: 5) if row.metric == "memory_bytes"}
    assert found["replay by rehearsal-v1, 5 steps, joint set"] == 3250
    assert found["der++ by rehearsal-v1, 5 steps, joint set"] == 3250 + 50 * 10 * 4


def test_a_failed_step_fails_its_seed_and_no_other() -> None:
    failing = {(("gdumb", "joint set", 5, 1, 2), 1)}
    found = rows(built(), SUBJECT, lambda *_: 5, failing)
    here = [row for row in found if row.condition.startswith("gdumb, 5 steps, joint set")]
    (failed,) = [row for row in here if row.status == "failed"]
    assert (failed.seed, failed.value) == (1, None) and failed.condition.endswith("; the loss is nan")
    assert {row.seed for row in here if row.status == "ok"} == {0, None}


def test_steps_that_do_not_fit_are_left_out_or_skipped() -> None:
    ten, three = built(), built(("steps", (3,)))
    assert {label[2] for label in ten.plan(SUBJECT)} == {5}  # type: ignore[index]
    hundred = replace(SUBJECT, n_classes=100, dataset="cifar100")
    assert {label[2] for label in ten.plan(hundred)} == {5, 10}  # type: ignore[index]
    assert ten.skip_reason(SUBJECT) is None
    assert "10 classes do not fall into" in str(three.skip_reason(SUBJECT))
    assert "joint training" in str(ten.skip_reason(replace(SUBJECT, method="full-data")))


def test_the_quick_form_is_one_order_and_one_companion() -> None:
    kind: Any = type(built())
    quick = load_evaluator("continual-learning", kind.quick.items())
    one = replace(SUBJECT, recipe=SUBJECT.recipe.vary(n_seeds=1))
    # gdumb and joint training: 5 steps each; two protocols of rehearsal, fine-tuning; own set and one companion
    assert sum(len(cell.seeds) for cell in quick.plan(one).values()) == 3 * 5 + 2 * 2 + 1
