"""Correct predictions by class under a white-box attack in pixel space: FGSM or PGD, bounded in every value.

FGSM: Goodfellow, Shlens and Szegedy, ICLR 2015, section 4. PGD: Madry et al., ICLR 2018, section 2.1, with a random
start. Every image is attacked from its own label by the cross-entropy of the network, and stays within 0..1.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from benchmark.engine import Measurement, generator
from benchmark.engine.chunks import in_chunks
from benchmark.errors import UsageError, unknown_name
from benchmark.space import Space

__all__ = ["VERSION", "attacked", "passes", "probe"]

VERSION = 1
METHODS = ("fgsm", "pgd")
CHUNK = 250
"""Images attacked at once."""
DOUBLE_PASS = 3.0
"""A pass with its gradient, in forward passes."""


def probe(
    seen: Measurement, method: str = "fgsm", epsilon: float = 8.0, steps: int = 10, subset: int | None = None
) -> dict[str, Any]:
    """Count `correct` and `total` images of each class after an attack of at most `epsilon` / 255 in each value.

    PGD takes `steps` steps of epsilon / 4 (2 / 255 at 8 / 255) from a keyed random start; FGSM takes one of epsilon.
    With a `subset` only so many images are attacked, the same ones for every network.
    """
    if method not in METHODS:
        raise unknown_name("attack", method, METHODS)
    if epsilon < 0 or steps < 1:
        raise UsageError(f"epsilon is {epsilon}, steps {steps}; epsilon is 0 or more, and steps 1 or more.")
    rows = seen.subset(subset)
    images, labels, space = seen.images[rows], seen.labels[rows], seen.examples.space
    pixels = space.to_pixel(images).clamp(0, 1)
    bound = epsilon / 255
    starts = torch.zeros_like(pixels)
    if method == "pgd":
        starts = bound * (2 * torch.rand(pixels.shape, generator=generator(0, "attack")) - 1).to(pixels.device)
    n_steps, size = (steps, bound / 4) if method == "pgd" else (1, bound)

    def after(x: torch.Tensor, start: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        moved = attacked(seen.network, space, x, start, y, bound, size, n_steps)
        with torch.no_grad():
            logits: torch.Tensor = seen.network(space.from_pixel(moved))
        return logits

    logits = torch.cat(list(in_chunks(after, pixels, starts, labels, most=CHUNK)))
    right = labels[logits.argmax(dim=1) == labels]
    n_classes = logits.shape[1]
    return {
        "correct": torch.bincount(right, minlength=n_classes).tolist(),
        "total": torch.bincount(labels, minlength=n_classes).tolist(),
    }


def attacked(
    network: torch.nn.Module,
    space: Space,
    pixels: torch.Tensor,
    start: torch.Tensor,
    labels: torch.Tensor,
    bound: float,
    size: float,
    n_steps: int,
) -> torch.Tensor:
    """Pixels (N, C, H, W) in 0..1 moved up the loss, within `bound` of where they were, by steps of `size`."""
    moved = (pixels + start).clamp(0, 1)
    for _ in range(n_steps):
        moved.requires_grad_(True)
        with torch.enable_grad():
            loss = F.cross_entropy(network(space.from_pixel(moved)), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
        stepped = moved.detach() + size * gradient.sign()
        moved = (pixels + (stepped - pixels).clamp(-bound, bound)).clamp(0, 1)
    return moved.detach()


def passes(n: int, method: str = "fgsm", steps: int = 10, subset: int | None = None, **_: Any) -> float:
    """Image passes of its own, beyond those that all probes of `n` images share."""
    return min(n, subset or n) * (1 + DOUBLE_PASS * (steps if method == "pgd" else 1))
