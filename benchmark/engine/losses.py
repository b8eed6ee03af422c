"""The losses that a recipe may name."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmark import loss
from benchmark.recipe import Recipe

__all__ = ["contrast", "contrast_level", "loss_of", "losses_of", "zipf"]


def loss_of(recipe: Recipe, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch, ()."""
    return losses_of(recipe, outputs, labels).mean()


def losses_of(recipe: Recipe, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Each image's loss, (N,): outputs (N, K) before softmax, labels (N,) class ids or (N, K) probabilities.

    `mean-squared-error` is between the outputs themselves and the (smoothed) labels, summed over the classes, as in Hui
    and Belkin (ICLR 2021), section 2, without their factors for many classes. DER++ and CRD are cross-entropy here:
    what they add hangs on a memory, or on a teacher.
    """
    n_classes = outputs.shape[1]
    if recipe.loss == "mean-squared-error":
        ids = torch.arange(n_classes, device=labels.device)  # F.one_hot looks at values, which no compiled step can
        targets = (labels[:, None] == ids).to(outputs.dtype) if labels.ndim == 1 else labels
        targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / n_classes
        return (outputs - targets).square().sum(dim=1)
    found = F.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing, reduction="none")
    if not recipe.loss.startswith(loss.ZIPF):
        return found
    wanted = loss.parse(recipe.loss)
    classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
    return found + wanted["weight"] * zipf(outputs, classes, wanted["power"])


def zipf(outputs: torch.Tensor, classes: torch.Tensor, power: float) -> torch.Tensor:
    """KL(z | softmax of the other classes' outputs), (N,); z falls as rank^-power in the network's own ranking of them.

    Source: Zipf's label smoothing (Liang et al., ECCV 2022), equations 2 to 4, ranks by logits. outputs (N, K), classes
    (N,) are left out; of one or two classes it is 0.
    """
    others = outputs.scatter(1, classes[:, None], -torch.inf).sort(dim=1, descending=True).values[:, :-1]
    ranks = torch.arange(1, outputs.shape[1], device=outputs.device, dtype=outputs.dtype)
    law = ranks**-power / (ranks**-power).sum()
    return (law * (law.log() - F.log_softmax(others, dim=1))).sum(dim=1)


def contrast(
    students: torch.Tensor,
    teachers: torch.Tensor,
    classes: torch.Tensor,
    temperature: float,
    level: torch.Tensor | float,
) -> torch.Tensor:
    """Contrastive distillation of a batch, (): its embeddings (N, E) of unit length, and its classes (N,).

    Source: Tian, Krishnan and Isola (ICLR 2020), equations 10, 18 and 19, and their public code
    (HobbitLong/RepDistiller), whose constant Z equation 19 lacks. h(t, s) = e / (e + n z), e = exp(t.s / temperature),
    is the belief that both are of one image, n being the negatives of an image and `level` = log z, z the mean of e in
    the first batch (`contrast_level`); -log h of each pair plus -log(1 - h) of its negatives, anchored at the student
    and at the teacher. Without z the negatives of untrained embeddings weigh tens of times as much as the pairs.

    Differs: negatives are the images of other classes in the batch, not 16,384 of a memory bank, for a synthetic set
    is seldom larger than a batch; gradients go to both sides of a pair.
    """
    negatives = _negatives(classes)
    n = negatives.sum(dim=1).clamp(min=1).to(students.dtype)
    scores = students @ teachers.T / temperature - torch.log(n)[:, None] - level

    def anchored(scores: torch.Tensor) -> torch.Tensor:
        pushed = torch.where(negatives, F.logsigmoid(-scores), 0.0).sum(dim=1)
        return -(F.logsigmoid(scores.diagonal()) + pushed).mean()

    back = teachers @ students.T / temperature - torch.log(n)[:, None] - level
    return anchored(scores) + anchored(back)


def contrast_level(
    students: torch.Tensor, teachers: torch.Tensor, classes: torch.Tensor, temperature: float
) -> torch.Tensor:
    """`contrast`'s log z, (), without gradients: over each image beside itself and beside its negatives."""
    compared = _negatives(classes).fill_diagonal_(True)
    scores = (students @ teachers.T).detach() / temperature
    return torch.logsumexp(scores[compared], dim=0) - torch.log(compared.sum().to(scores.dtype))


def _negatives(classes: torch.Tensor) -> torch.Tensor:
    """Which images (N, N) are of different classes (N,)."""
    return classes[:, None] != classes[None, :]
