"""dm: the loss and its steps against plain loops, siamese draws, precision, resume, and that it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from baselines.dm import DM
from benchmark import augmentation
from benchmark import run as run_module
from benchmark.augmentation import Augmentation, Draws, Shape
from benchmark.engine.passes import Passes
from benchmark.run import Run, TrialOver
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
SMALL = DM(iterations=8, batch_real=10, architecture="convnet:depth=2,width=8")
TWO = Real("digits", classes=(0, 1))


def learned(made: object) -> torch.Tensor:
    return torch.from_numpy(made.tensors["images"])  # type: ignore[attr-defined]


def loss_in_loops(run: Run, images: list[torch.Tensor], step: int, built: DM) -> torch.Tensor:
    """The formula image by image and feature by feature: all real images of each class, no augmentation."""
    network, total = run.network(built.architecture, step), torch.zeros(())
    for (_, rows), members in zip(run.class_rows().items(), images, strict=True):
        real = [network.embed(image[None])[0] for image in run.space().from_pixel(run.images(rows) / 255)]
        synthetic = [network.embed(image[None])[0] for image in members]
        for feature in range(len(real[0])):
            mean_real = sum(one[feature] for one in real) / len(real)
            mean_synthetic = sum(one[feature] for one in synthetic) / len(synthetic)
            total = total + (mean_real - mean_synthetic) ** 2
    return total


def test_the_steps_are_sgd_with_momentum_on_the_published_loss(new_run: RunMaker) -> None:
    built = DM(2, 1000, 3.0, architecture="convnet:depth=1,width=2", augmentation="none")
    run = new_run(real=TWO)
    images = [
        run.space().from_pixel(run.images(rows) / 255)
        for rows in torch.from_numpy(run.random_rows(2)).view(2, 2).numpy()
    ]
    velocity = [torch.zeros_like(part) for part in images]
    for step in range(2):
        leaves = [part.clone().requires_grad_() for part in images]
        gradients = torch.autograd.grad(loss_in_loops(run, leaves, step, built), leaves)
        velocity = [0.5 * v + g for v, g in zip(velocity, gradients, strict=True)]
        images = [part - 3.0 * v for part, v in zip(images, velocity, strict=True)]
    made = built.distill(TWO, Budget(ipc=2), new_run(real=TWO))
    moved = torch.cat(images) - run.space().from_pixel(run.images(run.random_rows(2)) / 255)
    assert moved.abs().max() > 0.05
    torch.testing.assert_close(learned(made), torch.cat(images), atol=2e-4, rtol=0)


def test_it_begins_with_the_random_real_images_of_its_seed(new_run: RunMaker) -> None:
    run = new_run(seed=4)
    made = replace(SMALL, iterations=1, learning_rate=1e-12).distill(Real("digits"), Budget(ipc=2), run)
    start = run.images(run.random_rows(2)) / 255
    torch.testing.assert_close(made.card.space.to_pixel(learned(made)), start)


def test_the_distance_falls_in_networks_that_were_not_seen(new_run: RunMaker) -> None:
    run = new_run()
    built = DM(60, 50, architecture="convnet:depth=2,width=16", learning_rate=3.0)
    rows = list(run.class_rows().values())
    real = [run.space().from_pixel(run.images(members) / 255) for members in rows]
    passes = Passes.of(built.architecture, run.facts, run.device)

    def distance(images: torch.Tensor) -> float:
        networks = [run.network(built.architecture, 1000 + number) for number in range(3)]
        found = [built.distance(network, passes, real, list(torch.split(images, 1))) for network in networks]
        return float(torch.stack(found).sum())

    start = run.space().from_pixel(run.images(run.random_rows(1)) / 255)
    assert distance(learned(built.distill(Real("digits"), Budget(ipc=1), run))) < 0.5 * distance(start)


@dataclass(frozen=True)
class Recorder(Augmentation):
    """Draws a fresh number for every batch and remembers who was given it."""

    seen: list[tuple[int, float]] = field(default_factory=list)

    def draw(self, n: int, shape: Shape, generator: torch.Generator, shared: bool = False) -> Draws:
        assert shared
        return {"number": torch.rand(1, generator=generator)}

    def apply(self, images: torch.Tensor, draws: Draws, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        self.seen.append((len(images), draws["number"].item()))
        return images


def test_real_and_synthetic_images_of_a_class_share_their_draw_and_classes_do_not(
    new_run: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, flips = Recorder(), []

    def build(spec: str, flip: bool) -> Augmentation:
        flips.append(flip)
        return recorder

    monkeypatch.setattr(augmentation, "build", build)
    replace(SMALL, iterations=2).distill(Real("digits"), Budget(ipc=3), new_run())
    assert flips == [False]  # a mirrored digit is another one
    pairs = list(zip(recorder.seen[::2], recorder.seen[1::2], strict=True))
    assert [(real[0], synthetic[0]) for real, synthetic in pairs] == [(10, 3)] * 20
    assert all(real[1] == synthetic[1] for real, synthetic in pairs)
    assert len({number for _, number in recorder.seen}) == 20


def test_every_step_takes_another_network_and_other_real_images(new_run: RunMaker) -> None:
    run = new_run()
    first, second = (run.network("convnet:depth=2,width=8", step) for step in (0, 1))
    assert not any(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True) if a.ndim > 1
    )
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_bfloat16_is_used_for_real_features_and_stays_near_float32(new_run: RunMaker) -> None:
    run = new_run()
    real = [run.space().from_pixel(run.images(rows) / 255) for rows in run.class_rows().values()]
    images = run.space().from_pixel(run.images(run.random_rows(1)) / 255).requires_grad_()
    found = {}
    for precision in ("float32", "bfloat16"):
        passes = Passes.of("convnet:depth=2", run.facts, run.device, precision)
        loss = DM().distance(run.network("convnet:depth=2", 0), passes, real, list(torch.split(images, 1)))
        assert loss.dtype == torch.float32
        found[precision] = loss.item(), torch.autograd.grad(loss, images)[0]
    assert found["bfloat16"][0] != found["float32"][0]
    assert found["bfloat16"][0] == pytest.approx(found["float32"][0], rel=0.01)
    similar = torch.nn.functional.cosine_similarity(
        found["bfloat16"][1].flatten(), found["float32"][1].flatten(), dim=0
    )
    assert similar > 0.999


def test_a_killed_run_goes_on_to_the_set_of_an_undisturbed_one(
    new_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = SMALL.distill(Real("digits"), Budget(ipc=1), new_run())
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 0.0)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(TrialOver):
        SMALL.distill(Real("digits"), Budget(ipc=1), new_run(work=work, trial_steps=5))
    resumed = new_run(work=work, trial_steps=100)
    assert SMALL.distill(Real("digits"), Budget(ipc=1), resumed).digest == undisturbed.digest
    assert len(resumed.marks) == 3  # steps 5, 6 and 7 alone


def test_the_same_seed_learns_the_same_set_and_another_seed_another(new_run: RunMaker) -> None:
    one, again, other = (SMALL.distill(Real("digits"), Budget(ipc=1), new_run(seed)).digest for seed in (0, 0, 1))
    assert one == again != other


def test_the_cost_counts_every_image_that_went_through_a_network(new_run: RunMaker) -> None:
    run = new_run()
    SMALL.distill(Real("digits"), Budget(ipc=3), run)
    assert run.image_passes == 8 * 10 * (10 + 3)
