"""Several stages and a memory, against loops written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from benchmark import engine
from benchmark.engine.stages import StageExamples, fit_stages, image_passes, stage_examples
from benchmark.engine.training import build_network, fit
from benchmark.errors import TrainingDiverged, UsageError
from benchmark.recipe import Recipe
from benchmark.run import Run
from benchmark.space import Space
from benchmark.values import Cell, Data, Probe, Real, Stage, Stored, Training

TEST = Real("digits", "test")
PLAIN = Recipe("plain", learning_rate=0.1, momentum=0.0, weight_decay=0.0, epochs=1)
TWO = ((0, 1), (2, 3))


def stages_of(stored: Stored, *, memory: bool, recipe: Recipe = PLAIN) -> Training:
    """Digits 0 and 1, then 2 and 3 with the first two as a memory; the streams are the holdout's few images."""
    streams = [Data((Real("digits", part="holdout", classes=classes),)) for classes in TWO]
    kept = Data((Stored(stored.digest, classes=TWO[0]),))
    return Training((Stage(streams[0]), Stage(streams[1], kept if memory else None)), "mlp", recipe)


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def trained(materials: engine.Materials, training: Training, seed: int = 3) -> torch.nn.Module:
    examples = stage_examples(training, materials)
    network = build_network("mlp", examples[0].stream, seed, materials.device)
    for _ in fit_stages(network, examples, training.recipe, seed):
        pass
    return network


def step(network: torch.nn.Module, loss: torch.Tensor, rate: float = 0.1) -> None:
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        for p, g in zip(network.parameters(), gradients, strict=True):
            p.sub_(rate * g)


def test_one_stage_without_a_memory_is_the_plain_loop(materials: engine.Materials) -> None:
    recipe = Recipe("r", epochs=3, batch_size=16, augmentation="dsa", schedule="cosine", momentum=0.9)
    examples = materials.training_examples(Data((Real("digits", part="holdout"),)), recipe)
    networks = [build_network("mlp", examples, 1, materials.device) for _ in range(2)]
    list(fit(networks[0], examples, recipe, 1))
    list(fit_stages(networks[1], [StageExamples(examples, None)], recipe, 1))
    assert torch.equal(weights(networks[0]), weights(networks[1]))


def test_weights_are_carried_on_without_a_memory(materials: engine.Materials, stored: Stored) -> None:
    training = stages_of(stored, memory=False)
    first, second = (stage.stream for stage in stage_examples(training, materials))
    expected = build_network("mlp", first, 3, materials.device)
    for examples in (first, second):  # each fits one batch, so an epoch is one step on all
        step(expected, F.cross_entropy(expected(examples.images), examples.labels))
    assert torch.allclose(weights(trained(materials, training)), weights(expected), atol=1e-6)


def test_experience_replay_is_the_mean_over_stream_and_memory(materials: engine.Materials, stored: Stored) -> None:
    training = stages_of(stored, memory=True)
    first, second = stage_examples(training, materials)
    assert second.memory is not None
    expected = build_network("mlp", first.stream, 3, materials.device)
    step(expected, F.cross_entropy(expected(first.stream.images), first.stream.labels))
    images = torch.cat([second.stream.images, second.memory.images])  # the memory fits one batch too
    labels = torch.cat([second.stream.labels, second.memory.labels])
    step(expected, F.cross_entropy(expected(images), labels))
    assert torch.allclose(weights(trained(materials, training)), weights(expected), atol=1e-6)


def test_der_holds_on_to_the_logits_from_before_the_stage(materials: engine.Materials, stored: Stored) -> None:
    """Two steps in the second stage: the target is that of its beginning, not the one before."""
    recipe = PLAIN.vary(loss="der++:alpha=0.3,beta=0.7", epochs=2)
    training = stages_of(stored, memory=True, recipe=recipe)
    first, second = stage_examples(training, materials)
    assert second.memory is not None
    expected = build_network("mlp", first.stream, 3, materials.device)
    for _ in range(2):
        step(expected, F.cross_entropy(expected(first.stream.images), first.stream.labels))
    memory = second.memory
    targets = expected(memory.images).detach()
    for _ in range(2):
        loss = F.cross_entropy(expected(second.stream.images), second.stream.labels)
        loss = loss + 0.3 * (expected(memory.images) - targets).square().mean()
        step(expected, loss + 0.7 * F.cross_entropy(expected(memory.images), memory.labels))
    assert torch.allclose(weights(trained(materials, training)), weights(expected), atol=1e-6)


def test_an_image_keeps_its_logits_and_a_new_one_gets_those_of_now(materials: engine.Materials, stored: Stored) -> None:
    recipe = PLAIN.vary(loss="der++:alpha=1,beta=0")
    streams = [Data((Real("digits", part="holdout", classes=c),)) for c in (*TWO, (4, 5))]
    kept = [Data((Stored(stored.digest, classes=c),)) for c in (TWO[0], (0, 1, 2, 3))]
    training = Training(
        (Stage(streams[0]), *(Stage(s, k) for s, k in zip(streams[1:], kept, strict=True))), "mlp", recipe
    )
    first, second, third = stage_examples(training, materials)
    assert second.memory is not None and third.memory is not None
    expected = build_network("mlp", first.stream, 3, materials.device)
    step(expected, F.cross_entropy(expected(first.stream.images), first.stream.labels))
    old = expected(second.memory.images).detach()
    loss = F.cross_entropy(expected(second.stream.images), second.stream.labels)
    step(expected, loss + (expected(second.memory.images) - old).square().mean())
    is_new = third.memory.labels >= 2
    targets = expected(third.memory.images).detach()
    targets[~is_new] = old  # classes 0 and 1, in the same order
    loss = F.cross_entropy(expected(third.stream.images), third.stream.labels)
    step(expected, loss + (expected(third.memory.images) - targets).square().mean())
    assert torch.allclose(weights(trained(materials, training)), weights(expected), atol=1e-6)


def test_an_image_keeps_its_logits_when_another_set_comes_into_the_memory(materials: engine.Materials) -> None:
    """Sets made per step, in a space of their own: joined with the next, an image is the same to the bit."""
    space, made = Space("standardized", (0.305205,), (0.376097,)), []
    for seed in (0, 1):
        run = Run(materials, Real("digits"), seed)
        images = torch.randn(10, 1, 8, 8, generator=run.generator("images"))
        synthetic = run.of_images(images, torch.arange(10), space, ipc=1)
        synthetic = replace(synthetic, card=replace(synthetic.card, method="own-space", distil_seed=seed))
        made.append(Stored(materials.store.write_set(synthetic)))
    alone, both = (materials.training_examples(Data(tuple(made[:n])), PLAIN) for n in (1, 2))
    first = Data(tuple(made)).images.index(made[0]) * 10
    assert torch.equal(alone.images, both.images[first : first + 10]) and both.space == space


def test_stream_and_memory_share_the_space_of_the_set(materials: engine.Materials) -> None:
    run, space = Run(materials, Real("digits"), seed=0), Space("standardized", (0.25,), (0.5,))
    images = torch.randn(10, 1, 8, 8, generator=run.generator("images")) * 0.5
    synthetic = run.of_images(images, torch.arange(10), space, ipc=1)
    synthetic = replace(synthetic, card=replace(synthetic.card, method="own-space"))
    memory = Data((Stored(materials.store.write_set(synthetic)),))
    real = Data((Real("digits", part="holdout"),))
    (stage,) = stage_examples(Training((Stage(real, memory),), "mlp", PLAIN), materials)
    assert stage.memory is not None and torch.equal(stage.memory.images, images)
    assert stage.stream.space == space
    pixels, _, _ = materials._pixels(Real("digits", part="holdout"))
    assert torch.allclose(stage.stream.take(slice(None)), (pixels / 255 - 0.25) / 0.5, atol=1e-5)


def test_probes_are_taken_at_the_end_of_every_stage(materials: engine.Materials, stored: Stored) -> None:
    training = stages_of(stored, memory=True)
    seen = Probe("accuracy", Real("digits", "test", classes=(0, 1)), (("among", (0, 1)),), at=("stages",))
    cell = Cell(training, (0,), (seen, Probe("accuracy", TEST)))
    engine.run(engine.join([cell]), materials)
    first, last = engine.outcomes(cell, materials.store)
    assert list(first.value) == ["stage-0", "stage-1"] and list(last.value) == ["end"]
    labels = materials.dataset("digits").test.labels
    assert first.value["stage-0"]["total"][:3] == [int((labels == 0).sum()), int((labels == 1).sum()), 0]
    assert first.value["stage-0"] != first.value["stage-1"]


def test_the_same_seed_gives_the_same_staged_network(materials: engine.Materials, stored: Stored) -> None:
    recipe = Recipe("r", epochs=2, batch_size=4, augmentation="dsa", loss="der++:alpha=0.5,beta=0.5")
    training = stages_of(stored, memory=True, recipe=recipe)
    first, again, other = (weights(trained(materials, training, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_epochs_of_a_staged_training_cannot_be_probed(materials: engine.Materials, stored: Stored) -> None:
    block = engine.Block(stages_of(stored, memory=True), 0, (Probe("accuracy", TEST, at=(1,)),))
    with pytest.raises(UsageError, match="not at 1"):
        engine.run_block(block, materials)


def test_a_stage_that_diverges_says_which(materials: engine.Materials, stored: Stored) -> None:
    training = stages_of(stored, memory=True, recipe=replace(PLAIN, learning_rate=1e12, epochs=20))
    with pytest.raises(TrainingDiverged, match="after stage 0"):
        trained(materials, training)


def test_passes_count_the_batches_of_the_memory(materials: engine.Materials, stored: Stored) -> None:
    recipe = PLAIN.vary(batch_size=3, epochs=2)
    examples = stage_examples(stages_of(stored, memory=True, recipe=recipe), materials)
    first, second = (len(stage.stream) for stage in examples)
    steps = 2 * -(-second // 3)
    assert image_passes(examples, recipe) == 2 * (first + second) + steps * 3
    assert image_passes(examples, recipe.vary(loss="der++")) == 2 * (first + second) + 2 * steps * 3


def test_the_estimate_adds_up_stages_and_their_memory(
    materials: engine.Materials, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = engine.Estimator(materials)
    monkeypatch.setattr(estimator, "_time", lambda block, facts, batch: (float(batch), 0.001))
    recipe = PLAIN.vary(batch_size=8, loss="der++")
    training = stages_of(stored, memory=True, recipe=recipe)
    block = engine.Block(training, 0, (Probe("accuracy", TEST, at=("stages",)), Probe("losses", TEST)))
    sizes = [len(stage.stream) for stage in stage_examples(training, materials)]
    wanted = 8 * -(-sizes[0] // 8) + (8 + 2 * 4) * -(-sizes[1] // 8)  # the memory holds 2 images of 2 digits
    assert estimator.seconds(block) == pytest.approx(wanted + 2 * 797 * 0.001)
