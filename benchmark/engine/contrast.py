"""Steps under the loss `crd`: the student's features are pulled to those that the teacher has of the same image.

Source: Contrastive Representation Distillation (Tian, Krishnan and Isola, ICLR 2020). Features before the classifiers
go through one linear layer each, which train along with the student and are then left behind.

Differs: a teacher sees each image once, as it is, before any augmentation, as its labels do (`teachers`); the
cross-entropy is with the teacher's probabilities, where the publication has the classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmark import loss
from benchmark.engine.draws import generator, global_draws
from benchmark.engine.losses import contrast, contrast_level, loss_of
from benchmark.engine.materials import Examples
from benchmark.engine.steps import EagerSteps
from benchmark.errors import UsageError
from benchmark.recipe import Recipe

__all__ = ["ContrastSteps"]


class ContrastSteps(EagerSteps):
    """Trains one network, and the two layers that carry features into a common space."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe, examples: Examples, seed: int) -> None:
        """Raises UsageError where no teacher gives the labels of these examples."""
        if examples.hints is None:
            raise UsageError(
                'the loss `crd` distils from a teacher: the recipe must name one, such as teacher = "convnet".'
            )
        self.hints = examples.hints
        self.wanted = loss.parse(recipe.loss)
        self.level: torch.Tensor | None = None
        width, classifier = int(self.wanted["width"]), network.classifier
        assert isinstance(classifier, nn.Linear)
        with global_draws(generator(seed, "heads")):
            sizes = (classifier.in_features, self.hints.shape[1])
            self.heads = nn.ModuleList(nn.Linear(size, width) for size in sizes).to(self.hints.device)
        super().__init__(network, recipe)

    def learned(self) -> list[nn.Parameter]:
        return [*super().learned(), *self.heads.parameters()]

    def loss(self, images: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        features = self.network.embed(images)  # type: ignore[operator]
        own = loss_of(self.recipe, self.network.classifier(features), labels)  # type: ignore[operator]
        student, teacher = (
            F.normalize(head(part), dim=1) for head, part in zip(self.heads, (features, self.hints[rows]), strict=True)
        )
        classes, temperature = labels.argmax(dim=1), self.wanted["temperature"]
        if self.level is None:
            self.level = contrast_level(student, teacher, classes, temperature)
        pulled = contrast(student, teacher, classes, temperature, self.level)
        return own + self.wanted["weight"] * pulled
