"""Training in several stages: one network, weights carried on, each stage's stream mixed with a memory.

Experience replay (Chaudhry et al. 2019, arXiv:1902.10486) adds a batch of the memory to every batch of the stream; the
loss is the mean over both. DER++ (Buzzega et al., NeurIPS 2020, arXiv:2004.07211, section 3 and Algorithm 2; compared
with aimagelab/mammoth `derpp.py`) takes two batches of the memory beside it:
CE(stream) + alpha * MSE(first, the logits that they had) + beta * CE(second).

Differs: the memory is given, not filled from the stream, so that real and synthetic ones run the same code. An image
has no logits from the stream then: it gets those of the network as it is when the image comes into the memory, at the
end of the stage before, without augmentation. All batches of a step go through the network together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmark import augmentation, loss
from benchmark.engine.chunks import in_chunks
from benchmark.engine.draws import generator
from benchmark.engine.losses import loss_of
from benchmark.engine.materials import Examples, Materials
from benchmark.engine.steps import make_optimizer
from benchmark.engine.training import augmentation_of, batches, inner_draws, n_steps
from benchmark.errors import TrainingDiverged, UsageError
from benchmark.loss import Loss
from benchmark.recipe import Recipe
from benchmark.values import Probe, Training

__all__ = ["StageExamples", "due", "fit_stages", "image_passes", "is_staged", "stage_examples"]


@dataclass(frozen=True)
class StageExamples:
    """What one stage trains on, in the one space of the whole training."""

    stream: Examples
    memory: Examples | None


def is_staged(training: Training) -> bool:
    """Whether a training needs this loop: several stages, or a memory."""
    return len(training.stages) > 1 or any(stage.memory is not None for stage in training.stages)


def stage_examples(training: Training, materials: Materials) -> tuple[StageExamples, ...]:
    """Load the data of every stage, all in one space; none for an untrained network.

    Raises UsageError where the recipe names a teacher that does not give the labels.
    """
    if not training.stages:
        return ()
    parts = [data for stage in training.stages for data in (stage.stream, stage.memory) if data is not None]
    if training.recipe.teacher and not all(isinstance(data.labels, Training) for data in parts):
        raise UsageError(
            f"the recipe names a teacher, {training.recipe.teacher!r}, and the labels of some images are their own. "
            "Fix: take a recipe without one here, or let the evaluator ask for `subject.data(images)`."
        )
    loaded = {data: materials.training_examples(data, training.recipe) for data in parts}
    space = materials.common_space(loaded.values(), training.recipe)
    ready = {data: examples.converted(space) for data, examples in loaded.items()}
    return tuple(
        StageExamples(ready[stage.stream], None if stage.memory is None else ready[stage.memory])
        for stage in training.stages
    )


def image_passes(stages: Sequence[StageExamples], recipe: Recipe) -> int:
    """Images that go through the network, forward and back, in a whole training."""
    n_memory_batches = loss.parse(recipe.loss).n_memory_batches
    total = 0
    for stage in stages:
        total += recipe.n_epochs(len(stage.stream)) * len(stage.stream)
        if stage.memory is not None:
            drawn = n_memory_batches * min(len(stage.memory), recipe.batch_size)
            total += n_steps(recipe, len(stage.stream)) * drawn
    return total


def due(probe: Probe, reached: Sequence[str]) -> list[str]:
    """Under which names a probe is due at these moments; raises UsageError for epochs, which every stage has anew."""
    unknown = [at for at in probe.at if at not in ("end", "stages")]
    if unknown:
        raise UsageError(f"a training of several stages is measured at 'stages' and 'end', not at {unknown[0]!r}.")
    return [name for name in reached if ("end" if name == "end" else "stages") in probe.at]


def fit_stages(
    network: torch.nn.Module, stages: Sequence[StageExamples], recipe: Recipe, seed: int, architecture: str = ""
) -> Iterator[tuple[str, ...]]:
    """Train stage after stage, yielding the moments reached: none before the first step, `stage-0`, …, `end`.

    Every stage runs the recipe's whole schedule on its stream with a new optimizer. Raises TrainingDiverged at the end
    of a stage whose last loss is no finite number, UsageError for the loss `crd`.
    """
    wanted, kept = loss.parse(recipe.loss), _Kept()
    if wanted.name == loss.CRD:
        raise UsageError("the loss `crd` is for a training of one stage.")
    last, epoch, step = len(stages) - 1, 0, 0
    yield ()
    for number, stage in enumerate(stages):
        logits = kept.of(network, stage.memory) if stage.memory is not None else torch.zeros(())
        found = _run_stage(network, stage, logits, _Place(recipe, wanted, seed, epoch, step, architecture))
        epoch += recipe.n_epochs(len(stage.stream))
        step += n_steps(recipe, len(stage.stream))
        if not math.isfinite(found.item()):
            raise TrainingDiverged(f"the loss is {found.item()} after stage {number}")
        yield (f"stage-{number}", "end") if number == last else (f"stage-{number}",)


@dataclass(frozen=True)
class _Place:
    """Where a stage stands in its training: what its draws are keyed by."""

    recipe: Recipe
    loss: Loss
    seed: int
    first_epoch: int
    first_step: int
    architecture: str


def _run_stage(network: torch.nn.Module, stage: StageExamples, logits: torch.Tensor, place: _Place) -> torch.Tensor:
    """Run one stage and return the loss of its last step."""
    recipe, stream = place.recipe, stage.stream
    augment = augmentation_of(recipe, stream)
    mean, std = (stream.images.new_tensor(part, dtype=torch.float32) for part in (stream.space.mean, stream.space.std))
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = make_optimizer(recipe, parameters)
    total, step, found = n_steps(recipe, len(stream)), 0, torch.zeros(())
    inside = inner_draws(place.architecture, place.seed)
    network.train()
    for epoch in range(recipe.n_epochs(len(stream))):
        if recipe.decay_resets_momentum and epoch in recipe.decay_epochs:
            optimizer = make_optimizer(recipe, parameters)
        epoch_number, device = place.first_epoch + epoch, stream.images.device
        for rows in batches(len(stream), recipe.batch_size, place.seed, epoch_number, device):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate_at(step, total, epoch)
            drawn = _drawn(stage.memory, place, place.first_step + step)
            images = [stream.take(rows)]
            if stage.memory is not None:
                images += [stage.memory.take(chosen) for chosen in drawn]
            batch = torch.cat(images)
            draws = augment.draw(
                len(batch), stream.facts.shape, generator(place.seed, "augmentation", place.first_step + step)
            )
            batch = augment.resolve(draws).apply(batch, augmentation.move(draws, batch.device), mean, std)
            with inside(place.first_step + step):
                outputs = network(batch).split([len(part) for part in images])
            found = _loss(outputs, stream.labels[rows], stage.memory, drawn, logits, place)
            optimizer.zero_grad(set_to_none=True)
            found.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
    return found.detach()


def _drawn(memory: Examples | None, place: _Place, step: int) -> list[torch.Tensor]:
    """Rows of the memory for one step: as many batches as the loss takes, each without repeats."""
    if memory is None:
        return []
    batches = (generator(place.seed, "memory", step, number) for number in range(place.loss.n_memory_batches))
    orders = (torch.randperm(len(memory), generator=draws) for draws in batches)
    device = memory.images.device
    return [order[: place.recipe.batch_size].to(device, non_blocking=True) for order in orders]


def _loss(
    outputs: Sequence[torch.Tensor],
    labels: torch.Tensor,
    memory: Examples | None,
    drawn: Sequence[torch.Tensor],
    logits: torch.Tensor,
    place: _Place,
) -> torch.Tensor:
    """The loss of one step; `outputs` are those of the stream's batch, then of each of the memory's."""
    wanted, own = place.loss, loss_of(place.recipe, outputs[0], labels)
    if memory is None:
        return own
    again = loss_of(place.recipe, outputs[-1], memory.labels[drawn[-1]])
    if wanted.name == loss.DER:
        return own + wanted["alpha"] * F.mse_loss(outputs[1], logits[drawn[0]]) + wanted["beta"] * again
    n_own, n_again = len(outputs[0]), len(outputs[1])
    return (n_own * own + n_again * again) / (n_own + n_again)


class _Kept:
    """Logits of memory images, each from when it came into the memory."""

    def __init__(self) -> None:
        self._by_image: dict[bytes, torch.Tensor] = {}

    def of(self, network: torch.nn.Module, memory: Examples) -> torch.Tensor:
        """(M, K): those kept, and for images that were not there before the network's own of now."""
        images = memory.take(slice(None))
        names = [image.tobytes() for image in images.cpu().numpy()]
        new = [row for row, name in enumerate(names) if name not in self._by_image]
        network.eval()
        with torch.no_grad():
            fresh = (logits for part in in_chunks(network, images[new]) for logits in part)
            self._by_image.update(zip((names[row] for row in new), fresh, strict=True))
        return torch.stack([self._by_image[name] for name in names])
