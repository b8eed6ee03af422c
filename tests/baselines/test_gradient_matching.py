"""dc and dsa: the distance, one step by hand, siamese draws, the schedule, the compiled form, resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from baselines._gradients import GradientMatching, row_distance
from baselines.dc import DC
from baselines.dsa import DSA
from benchmark import run as run_module
from benchmark.engine import passes
from benchmark.engine.compiler import why_not
from benchmark.engine.passes import class_gradients
from benchmark.errors import UsageError
from benchmark.run import Run, TrialOver
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
SMALL: dict[str, Any] = {"iterations": 2, "batch_real": 6, "architecture": "convnet:depth=1,width=3", "most_epochs": 2}
TWO = Real("digits", classes=(0, 1))


def learned(made: Any) -> torch.Tensor:
    return torch.from_numpy(made.tensors["images"])


def test_equal_gradients_have_distance_0_and_opposite_ones_2_for_each_row() -> None:
    kernels, matrix = torch.randn(3, 5, 4, 3, 3), torch.randn(3, 10, 7)  # of 3 classes: 5 rows and 10 rows each
    assert row_distance((kernels, matrix), (3 * kernels, matrix)).item() == pytest.approx(0, abs=1e-4)
    assert row_distance((kernels, matrix), (-kernels, -matrix)).item() == pytest.approx(2 * 3 * (5 + 10), abs=1e-3)
    right = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[1.0, 1.0], [3.0, 0.0]]])
    assert row_distance((right[0],), (right[1],)).item() == pytest.approx((1 - 0.5**0.5) + 1, abs=1e-5)


def test_gradients_by_class_are_those_of_each_class_alone(new_run: RunMaker) -> None:
    network = new_run().network("convnet:depth=2,width=4", 0)
    batches = [torch.randn(n, 1, 8, 8) for n in (3, 3, 2)]
    labels = [torch.full((len(batch),), c) for c, batch in enumerate(batches)]
    found = class_gradients(network, batches, labels)
    network.requires_grad_(True)
    wanted = [weight for weight in network.parameters() if weight.ndim > 1]
    for c, (batch, ids) in enumerate(zip(batches, labels, strict=True)):
        alone = torch.autograd.grad(F.cross_entropy(network(batch), ids), wanted)
        for one, other in zip(found, alone, strict=True):
            torch.testing.assert_close(one[c], other, atol=1e-6, rtol=1e-4)


def by_hand(run: Run, built: GradientMatching, step: int, images: torch.Tensor, real: list[torch.Tensor]) -> Any:
    """The gradient of the published distance: class by class, row by row."""
    network, total = run.network(built.architecture, step).requires_grad_(True), torch.zeros(())
    leaf = images.clone().requires_grad_()
    weights = [weight for weight in network.parameters() if weight.ndim > 1]
    for c, (batch, members) in enumerate(zip(real, leaf.chunk(2), strict=True)):
        wanted = torch.autograd.grad(F.cross_entropy(network(batch), torch.full((len(batch),), c)), weights)
        labels = torch.full((len(members),), c)
        found = torch.autograd.grad(F.cross_entropy(network(members), labels), weights, create_graph=True)
        for one, other in zip(wanted, found, strict=True):
            for row, other_row in zip(one.flatten(1), other.flatten(1), strict=True):
                total = total + 1 - row @ other_row / (row.norm() * other_row.norm() + 1e-6)
    return torch.autograd.grad(total, leaf)[0]


def test_the_steps_of_dc_are_sgd_with_momentum_on_the_published_distance(new_run: RunMaker) -> None:
    built, run = DC(**{**SMALL, "batch_real": 1000, "learning_rate": 2.0}), new_run(real=TWO)
    real = [run.space().from_pixel(run.images(rows) / 255) for rows in run.class_rows().values()]
    start = images = torch.randn(2, 1, 8, 8, generator=run.generator("noise"))
    velocity = torch.zeros_like(images)
    for step in range(2):
        velocity = 0.5 * velocity + by_hand(run, built, step, images, real)
        images = images - 2.0 * velocity
    made = built.distill(TWO, Budget(ipc=1), new_run(real=TWO))
    assert (images - start).abs().max() > 0.05
    torch.testing.assert_close(learned(made), images, atol=2e-4, rtol=0)


def test_the_schedule_is_the_published_one_and_may_be_cut() -> None:
    assert [DC().schedule(ipc) for ipc in (1, 10, 20, 30, 40, 50)] == [
        (1, 1),
        (10, 50),
        (20, 25),
        (30, 20),
        (40, 15),
        (50, 10),
    ]
    assert DC().schedule(5) == (5, 100 // 2) and DC().schedule(200) == (50, 2)
    assert DC(most_loops=3, most_epochs=10).schedule(10) == (3, 10)


def test_the_network_learns_from_the_synthetic_images_between_two_steps(new_run: RunMaker) -> None:
    built = DSA(**{**SMALL, "network_rate": 0.1, "most_loops": 3})
    run, seen = new_run(), []
    images, batches = torch.randn(20, 1, 8, 8), built.batches(run, 2)
    network = built.network(run, 0)
    for step in range(20):
        loss = F.cross_entropy(network(images), torch.arange(10).repeat_interleave(2))
        seen.append(loss.item())
        assert built.advance(network, images, batches, run, step) == 2 * 20
    assert seen[-1] < seen[0] - 0.05
    assert not any(weight.requires_grad for weight in network.parameters())


def test_networks_serve_as_many_steps_as_the_schedule_says(new_run: RunMaker) -> None:
    run, built = new_run(), DC(**{**SMALL, "most_loops": 3})
    state = {"images": torch.zeros(1)}
    firsts = [network.classifier.weight[0, 0].item() for _, network in built.networks(run, 10, state)]
    assert len(firsts) == 6 and firsts == [firsts[0]] * 3 + [firsts[3]] * 3 and firsts[0] != firsts[3]


@pytest.mark.parametrize("kind", [DC, DSA])
def test_a_killed_run_goes_on_to_the_set_of_an_undisturbed_one(
    kind: type[GradientMatching], new_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = kind(**{**SMALL, "most_loops": 3})
    undisturbed = built.distill(TWO, Budget(ipc=3), new_run(real=TWO))
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 0.0)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(TrialOver):  # within the three steps of the second network
        built.distill(TWO, Budget(ipc=3), new_run(real=TWO, work=work, trial_steps=4))
    resumed = new_run(real=TWO, work=work, trial_steps=100)
    assert built.distill(TWO, Budget(ipc=3), resumed).digest == undisturbed.digest
    assert len(resumed.marks) == 2


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason="torch.compile does not work here")
def test_networks_that_train_compiled_between_steps_give_the_set_of_eager_ones(new_run: RunMaker) -> None:
    two_deep = {"architecture": "convnet:depth=2,width=3"}  # the second kernels lie in another order once compiled
    built = DC(**{**SMALL, **two_deep, "most_loops": 3, "learning_rate": 10.0, "network_rate": 0.1})
    eager, compiled = (
        learned(replace(built, compiled=whether).distill(TWO, Budget(ipc=3), new_run(real=TWO)))
        for whether in (False, True)
    )
    start = torch.randn(6, 1, 8, 8, generator=new_run(real=TWO).generator("noise"))
    assert (eager - start).abs().max() > 0.05
    torch.testing.assert_close(compiled, eager, atol=2e-3, rtol=0)


def test_dsa_begins_with_real_images_and_dc_with_noise(new_run: RunMaker) -> None:
    run = new_run()
    still = {**SMALL, "learning_rate": 1e-12, "iterations": 1}
    real, noise = (kind(**still).distill(Real("digits"), Budget(ipc=1), run) for kind in (DSA, DC))
    start = run.images(run.random_rows(1)) / 255
    torch.testing.assert_close(real.card.space.to_pixel(learned(real)), start)
    assert abs(learned(noise).std().item() - 1) < 0.1 and abs(learned(noise).mean().item()) < 0.1


def test_real_and_synthetic_images_of_a_class_get_the_same_augmentation(new_run: RunMaker) -> None:
    run = new_run()
    batches = DSA(batch_real=1000).batches(run, 1)
    chosen = torch.stack([pool[0] for pool in batches.pools.values()])
    for step in range(6):
        generator = run.generator("step", step)
        again = run.generator("step", step)
        real, synthetic = batches.pairs(batches.space.from_pixel(chosen / 255), generator)
        for c, pool in enumerate(batches.pools.values()):
            place = torch.randperm(len(pool), generator=again).tolist().index(0)
            batches.augment.draw(1, (1, 8, 8), again, shared=True)
            torch.testing.assert_close(real[c][place], synthetic[c][0], atol=1e-5, rtol=0)


def test_many_classes_in_parts_give_the_gradient_of_all_at_once(
    new_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = DSA(**SMALL).distill(Real("digits"), Budget(ipc=2), new_run())
    monkeypatch.setitem(passes.TOGETHER, "cpu", 300)  # two classes of two images of 64 values
    torch.testing.assert_close(
        learned(DSA(**SMALL).distill(Real("digits"), Budget(ipc=2), new_run())), learned(one), atol=1e-4, rtol=0
    )


def test_batch_norm_is_refused(new_run: RunMaker) -> None:
    built = replace(DC(**SMALL), architecture="convnet:depth=1,width=4,norm=batch")
    with pytest.raises(UsageError, match="batch norm"):
        built.distill(TWO, Budget(ipc=1), new_run(real=TWO))


def test_the_cost_counts_every_image_that_went_through_a_network(new_run: RunMaker) -> None:
    run = new_run()
    DC(**{**SMALL, "most_loops": 2}).distill(Real("digits"), Budget(ipc=2), run)
    # two networks of two steps with 60 real and 20 synthetic images; two epochs of 20 images after the first of each
    assert run.image_passes == 2 * (2 * (60 + 20) + 2 * 20) and run.n_steps == 4
