"""Labels and features that a teacher gives: its network, from the store, is run on a student's images in its own space.

A teacher is an ordinary training with seed 0 whose weights were kept (phase 2 of a run). Its labels are computed on the
images as they are, before any augmentation, once for each set, and stay fixed while the student trains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmark import keys
from benchmark.engine.chunks import in_chunks
from benchmark.engine.training import build_network
from benchmark.errors import DoesNotFit, TrainingDiverged
from benchmark.phases import TEACHER_PROBE, TEACHER_SEED
from benchmark.space import Space
from benchmark.values import Training

if TYPE_CHECKING:
    from benchmark.engine.materials import Materials

__all__ = ["labels_of", "network_of"]


def network_of(teacher: Training, materials: Materials) -> tuple[torch.nn.Module, Space]:
    """The trained network in evaluation mode, and the space of its images.

    Raises TrainingDiverged or DoesNotFit where the teacher gave none, RuntimeError where it was not trained yet.
    """
    outcome = materials.store.read_outcome(keys.outcome_name(teacher, TEACHER_SEED, TEACHER_PROBE))
    if outcome is None:
        raise RuntimeError(f"the teacher ({teacher.architecture}) is not in the store; it must be trained first")
    if outcome.status != "ok":
        kind = DoesNotFit if outcome.status == "skipped" else TrainingDiverged
        raise kind(f"its teacher: {outcome.reason}")
    examples = materials.training_examples(teacher.stages[0].stream, teacher.recipe)
    network = build_network(teacher.architecture, examples, TEACHER_SEED, materials.device)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in outcome.at_end().items()})
    return network.eval(), examples.space


def labels_of(
    teacher: Training, images: torch.Tensor, space: Space, materials: Materials
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (N, K) and features (N, F), float32, of images (N, C, H, W): uint8 pixels, or floats in `space`."""
    network, own = network_of(teacher, materials)

    def seen(chunk: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = chunk.float() / 255 if chunk.dtype == torch.uint8 else space.to_pixel(chunk)
        features: torch.Tensor = network.embed(own.from_pixel(pixels))  # type: ignore[operator]
        return torch.softmax(network.classifier(features).float(), dim=1), features.float()  # type: ignore[operator]

    with torch.no_grad():
        probabilities, features = zip(*in_chunks(seen, images), strict=True)
    return torch.cat(probabilities), torch.cat(features)
