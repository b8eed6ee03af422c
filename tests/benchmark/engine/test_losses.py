"""Zipf's label smoothing and contrastive distillation, against sums written out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from benchmark import engine, phases
from benchmark.engine.losses import contrast, contrast_level, losses_of, zipf
from benchmark.errors import UsageError
from benchmark.recipe import Recipe
from benchmark.runner import Runner
from benchmark.values import Cell, Data, Probe, Real, Stage, Stored, Training

TEST = Probe("accuracy", Real("digits", "test"))
SHORT = Recipe("short", epochs=2, batch_size=12)
OUTPUTS = torch.tensor([[2.0, 0.5, -1.0, 1.0], [0.0, 3.0, 0.2, -0.4]], dtype=torch.float64)
CLASSES = torch.tensor([0, 2])


def by_hand(row: list[float], label: int, power: float) -> float:
    """The divergence of one image, class by class."""
    others = sorted((value for k, value in enumerate(row) if k != label), reverse=True)
    whole: float = sum(math.exp(value) for value in others)
    law = [(rank + 1) ** -power for rank in range(len(others))]
    shares = [part / sum(law) for part in law]
    return math.fsum(z * math.log(z * whole / math.exp(value)) for z, value in zip(shares, others, strict=True))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_zipf_is_the_divergence_written_out(power: float) -> None:
    expected = [by_hand(row, label, power) for row, label in zip(OUTPUTS.tolist(), CLASSES.tolist(), strict=True)]
    assert zipf(OUTPUTS, CLASSES, power).tolist() == pytest.approx(expected)


def test_zipf_leaves_the_label_out_and_is_least_where_the_others_follow_the_law() -> None:
    moved = OUTPUTS.clone()
    moved[0, 0], moved[1, 2] = 9.0, -9.0
    assert torch.equal(zipf(OUTPUTS, CLASSES, 1.0), zipf(moved, CLASSES, 1.0))
    lawful = torch.tensor([[0.0, math.log(1 / 3), math.log(1), math.log(1 / 2)]], dtype=torch.float64)
    assert zipf(lawful, CLASSES[:1], 1.0).item() == pytest.approx(0.0, abs=1e-12)
    assert zipf(OUTPUTS[:, :2], torch.tensor([0, 1]), 1.0).tolist() == [0.0, 0.0]  # one other class: nothing to say


def test_zipf_without_weight_is_cross_entropy_and_with_it_adds_so_much() -> None:
    plain, none = losses_of(SHORT, OUTPUTS, CLASSES), losses_of(replace(SHORT, loss="zipf:weight=0"), OUTPUTS, CLASSES)
    assert torch.equal(plain, none)
    found = losses_of(replace(SHORT, loss="zipf:weight=0.3"), OUTPUTS, CLASSES)
    assert torch.allclose(found, plain + 0.3 * zipf(OUTPUTS, CLASSES, 1.0))
    soft = F.one_hot(CLASSES, 4).double()
    assert torch.allclose(losses_of(replace(SHORT, loss="zipf:weight=0.3"), OUTPUTS, soft), found)


def test_zipf_has_the_gradient_of_finite_differences() -> None:
    outputs = OUTPUTS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: zipf(rows, CLASSES, 1.0), (outputs,))


def units(n: int, seed: int) -> torch.Tensor:
    rows = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(rows, dim=1)


def test_contrast_is_the_sum_written_out() -> None:
    students, teachers, classes, z = units(4, 0), units(4, 1), [0, 0, 1, 2], 1.7
    total = 0.0
    for anchors, others in ((students, teachers), (teachers, students)):
        for i in range(4):
            foes = [j for j in range(4) if classes[j] != classes[i]]
            beliefs = [math.exp(float(anchors[i] @ other) / 0.5) for other in others]
            beliefs = [belief / (belief + len(foes) * z) for belief in beliefs]
            total -= math.log(beliefs[i]) + sum(math.log(1 - beliefs[j]) for j in foes)
    found = contrast(students, teachers, torch.tensor(classes), 0.5, math.log(z))
    assert found.item() == pytest.approx(total / 4)


def test_pairs_and_negatives_of_untrained_embeddings_weigh_alike() -> None:
    """Where all that is compared is as near, a pair is believed as one of its n + 1: its terms are of one size."""
    students, teachers, classes = units(40, 0), units(40, 1), torch.arange(40)
    level = contrast_level(students, teachers, classes, 0.5)
    e = torch.exp(students @ teachers.T / 0.5)
    assert level.item() == pytest.approx(math.log(float(e.mean())))
    alike = torch.ones(40, 1, dtype=torch.float64)
    found = contrast(alike, alike, classes, 0.5, contrast_level(alike, alike, classes, 0.5)).item()
    assert found == pytest.approx(2 * (math.log(40) - 39 * math.log(39 / 40)))
    two = torch.tensor([0, 0])  # of one class: only an image beside itself counts
    same = contrast_level(students[:2], teachers[:2], two, 0.5).item()
    assert same == pytest.approx(math.log(float(e[:2, :2].diagonal().mean())))


def test_contrast_falls_as_the_student_nears_its_teacher() -> None:
    teachers, classes = torch.eye(6, dtype=torch.float64), torch.arange(6)
    along = [F.normalize(t * teachers + (1 - t) * teachers.roll(1, dims=0), dim=1) for t in (0.0, 0.6, 1.0)]
    far, nearer, same = (contrast(students, teachers, classes, 0.5, 0.0).item() for students in along)
    assert far > nearer > same


def test_images_of_one_class_do_not_push_each_other() -> None:
    students, teachers = units(3, 4), units(3, 5)
    alone = contrast(students, teachers, torch.zeros(3, dtype=torch.int64), 0.5, 0.3)
    teachers_moved = teachers.clone()
    teachers_moved[2] = -teachers[2]
    both = contrast(students, teachers_moved, torch.zeros(3, dtype=torch.int64), 0.5, 0.3)
    own = [students[2] @ teachers[2], students[2] @ teachers_moved[2]]
    change = [2 * F.softplus(-(score / 0.5 - 0.3)) / 3 for score in own]  # the third pair's own terms alone
    assert (both - alone).item() == pytest.approx((change[1] - change[0]).item())


def taught(stored: Stored, recipe: Recipe) -> tuple[Cell, Cell]:
    """A student under a teacher, and the teacher's own cell."""
    teacher = Training((Stage(Data((Real("digits", part="holdout"),))),), "mlp", replace(SHORT, epochs=5))
    student = Training((Stage(Data((stored,), labels=teacher)),), "convnet:depth=1,width=8", recipe)
    return Cell(student, (0,), (TEST,)), Cell(teacher, (0,), (phases.TEACHER_PROBE,))


def test_a_student_learns_under_crd_and_its_heads_are_left_behind(materials: engine.Materials, stored: Stored) -> None:
    recipe = replace(SHORT, loss="crd:weight=2", epochs=3)
    student, teacher = taught(stored, recipe)
    engine.run(engine.join([teacher]), materials)
    (block,) = engine.join([student])
    first, again = (engine.run_block(block, materials)[0][0] for _ in range(2))
    assert first == again and first.status == "ok"
    plain, _ = taught(stored, replace(recipe, loss="cross-entropy"))
    (without,) = engine.join([plain])
    assert engine.run_block(without, materials)[0][0].value != first.value


def test_a_run_estimates_and_trains_students_under_crd(materials: engine.Materials, stored: Stored) -> None:
    student, teacher = taught(stored, replace(SHORT, loss="crd"))
    runner = Runner(materials.store, "cpu", workers=1)
    assert runner.train(engine.join([teacher]), "teacher") == runner.train(engine.join([student]), "student") == {}


def test_labels_of_their_own_under_a_recipe_with_a_teacher_are_refused(
    materials: engine.Materials, stored: Stored
) -> None:
    """An evaluator that forgets the teacher would score what its rows do not say."""
    training = Training((Stage(Data((stored,))),), "mlp", replace(SHORT, teacher="mlp"))
    with pytest.raises(UsageError, match="the recipe names a teacher, 'mlp'"):
        engine.run_block(engine.Block(training, 0, (TEST,)), materials)


def test_crd_asks_for_a_teacher_and_one_stage(materials: engine.Materials, stored: Stored) -> None:
    recipe = replace(SHORT, loss="crd")
    alone = Training((Stage(Data((stored,))),), "mlp", recipe)
    several = Training((Stage(Data((stored,))), Stage(Data((stored,)))), "mlp", recipe)
    for training, problem in ((alone, "a teacher"), (several, "one stage")):
        with pytest.raises(UsageError, match=problem):
            engine.run_block(engine.Block(training, 0, (TEST,)), materials)
