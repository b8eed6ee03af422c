"""mtt: the unroll against finite differences, experts' weights, the loss by hand, the carried rate, resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines._experts import Experts
from baselines._unroll import Unroll, loss_of
from baselines.mtt import MTT
from benchmark import engine
from benchmark import run as run_module
from benchmark.errors import TrainingDiverged
from benchmark.run import Run, TrialOver
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
SMALL = MTT(
    iterations=4,
    learning_rate=20.0,
    student_steps=2,
    rate_learning_rate=1e-3,
    n_experts=2,
    architecture="convnet:depth=1,width=3",
    statistics="dataset",
)
TWO = Real("digits", classes=(0, 1))


def test_the_gradients_through_a_training_are_finite_differences(new_run: RunMaker) -> None:
    network = new_run().network("convnet:depth=1,width=2,activation=swish", 0).double()
    begin = torch.nn.utils.parameters_to_vector(network.parameters())
    images, labels = torch.randn(3, 1, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2])
    rate, target = torch.tensor(0.3, dtype=torch.float64), torch.randn_like(begin)

    def batch(stored: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = [[0, 1], [2, 0], [1, 2]][step]
        return stored[chosen] * (1 + 0.1 * step), labels[chosen]

    student = Unroll(loss_of(network), batch, 3)

    def objective(shown: torch.Tensor, speed: torch.Tensor) -> float:
        return float((student.forward(begin, shown, speed)[-1] - target).square().sum())

    path = student.forward(begin, images, rate)
    assert len(path) == 4 and not torch.equal(path[0], path[3])
    by_images, by_rate = student.backward(path, images, rate, 2 * (path[-1] - target))
    step = 1e-6
    assert (objective(images, rate + step) - objective(images, rate - step)) / (2 * step) == pytest.approx(
        by_rate.item(), rel=1e-5
    )
    for place in [(0, 0, 0, 0), (1, 0, 3, 4), (2, 0, 7, 7)]:
        moved = torch.zeros_like(images)
        moved[place] = step
        difference = (objective(images + moved, rate) - objective(images - moved, rate)) / (2 * step)
        assert difference == pytest.approx(by_images[place].item(), rel=1e-4, abs=1e-8)


def test_experts_are_trained_as_far_as_students_look_and_no_further() -> None:
    (cell,) = replace(SMALL, max_start=4, expert_epochs=2).needs(Real("digits"), seed=7)
    assert cell.training.recipe.epochs == 5 and cell.probes[0].at == (0, 1, 2, 3, 4, 5)
    assert cell.seeds == (0, 1)
    assert (cell.training.recipe.momentum, cell.training.recipe.weight_decay) == (0.0, 0.0)


def test_the_weights_of_an_expert_differ_between_epochs_and_never_alias_the_network(new_run: RunMaker) -> None:
    run = new_run(real=TWO)
    (cell,) = replace(SMALL, expert_rate=0.1).needs(TWO, 0)
    experts = Experts(run, cell)
    path = [experts.weights(1, epoch) for epoch in range(3)]
    assert all((a - b).abs().max() > 1e-3 for a, b in pairwise(path))
    kept = [part.clone() for part in path]
    engine.run(engine.join([replace(cell, seeds=(1, 5))]), run.materials)  # training goes on elsewhere
    assert all(torch.equal(a, b) for a, b in zip(path, kept, strict=True))
    (found,) = run.outcomes(replace(cell, seeds=(1,)))
    first, last = (found.value[f"epoch-{epoch}"] for epoch in (0, 2))
    assert not any(np.shares_memory(first[name], last[name]) for name in first)


def test_flat_weights_make_the_network_that_they_were_read_from(new_run: RunMaker) -> None:
    run = new_run()
    network = run.network("convnet:depth=2,width=3", 1)
    flat = torch.nn.utils.parameters_to_vector(network.parameters())
    images, labels = torch.randn(4, 1, 8, 8), torch.arange(4)
    other = loss_of(run.network("convnet:depth=2,width=3", 2))
    wanted = torch.nn.functional.cross_entropy(network(images), labels)
    torch.testing.assert_close(other(flat, images, labels), wanted)


def test_the_loss_is_the_distance_to_the_expert_over_the_way_that_it_went(new_run: RunMaker) -> None:
    run, built = new_run(real=TWO), replace(SMALL, student_steps=1, augmentation="none", max_start=1)
    experts = Experts(run, built.needs(TWO, 0)[0])
    images, labels = torch.randn(2, 1, 8, 8), torch.tensor([0, 1])
    loss, _, _ = built.match(experts, images, labels, torch.tensor(0.1), run, 0)
    number = int(torch.randint(2, (), generator=run.generator("step", 0)))
    begin, target = experts.weights(number, 0), experts.weights(number, 2)
    network = run.network(built.architecture, 0)
    torch.nn.utils.vector_to_parameters(begin.clone(), network.parameters())
    network.requires_grad_(True)
    torch.nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
    end = torch.cat([(weight - 0.1 * weight.grad).flatten() for weight in network.parameters()])  # type: ignore[operator]
    assert loss.item() == pytest.approx(
        ((end - target).square().sum() / (begin - target).square().sum()).item(), rel=1e-4
    )


def test_every_image_is_shown_once_before_any_is_shown_again() -> None:
    rows = replace(SMALL, student_steps=5, student_batch=4).rows(10, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in rows] == [4, 4, 2, 4, 4]
    assert sorted(torch.cat(rows[:3]).tolist()) == list(range(10))
    assert [len(batch) for batch in SMALL.rows(10, torch.Generator())] == [10, 10]


def test_the_set_carries_the_learned_rate(new_run: RunMaker) -> None:
    made = SMALL.distill(TWO, Budget(ipc=1), new_run(real=TWO))
    assert made.card.schedule is not None
    rate = made.card.schedule["learning_rate"]
    assert rate > 0 and rate != pytest.approx(SMALL.student_rate, rel=1e-4)
    with pytest.raises(TrainingDiverged, match="learned learning rate"):
        replace(SMALL, student_rate=-0.01, rate_learning_rate=0.0).distill(TWO, Budget(ipc=1), new_run(real=TWO))


def test_whitened_sets_have_experts_trained_on_whitened_images(new_run: RunMaker) -> None:
    built = replace(SMALL, statistics="zca", iterations=1, rate_learning_rate=1e-6)
    made = built.distill(TWO, Budget(ipc=1), new_run(real=TWO))
    assert made.card.space.kind == "zca"
    (white,), (plain,) = (b.needs(TWO, 0) for b in (built, SMALL))
    run = new_run(real=TWO)
    a, b = (Experts(run, cell).weights(0, 2) for cell in (white, plain))
    assert not torch.equal(a, b)
    examples = run.materials.training_examples(white.training.stages[0].stream, white.training.recipe)
    assert examples.space.kind == "zca"
    torch.testing.assert_close(
        examples.space.to_pixel(examples.take(slice(3))), run.images(run.rows())[:3] / 255, atol=1e-4, rtol=0
    )


def test_a_killed_run_goes_on_to_the_set_of_an_undisturbed_one(
    new_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = SMALL.distill(TWO, Budget(ipc=2), new_run(real=TWO))
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 0.0)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(TrialOver):
        SMALL.distill(TWO, Budget(ipc=2), new_run(real=TWO, work=work, trial_steps=2))
    resumed: Any = SMALL.distill(TWO, Budget(ipc=2), new_run(real=TWO, work=work))
    assert resumed.digest == undisturbed.digest


def test_a_trial_trains_no_expert(new_run: RunMaker) -> None:
    run = new_run(real=TWO, trial_steps=2)
    with pytest.raises(TrialOver):
        SMALL.distill(TWO, Budget(ipc=1), run)
    assert engine.missing(engine.join(SMALL.needs(TWO, 0)), run.materials.store)
