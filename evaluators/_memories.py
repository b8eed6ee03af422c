"""Memories of a class-incremental learner: what is kept of the classes seen, as images of a plan.

A set that was distilled on all classes at once has seen the future when the first step is trained on a part of it. So
a memory says which it is, and no two kinds share a condition: made per step of that step's classes alone; order-free,
where a class's images do not depend on the others; joint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmark import datasets
from benchmark.baseline import images_per_class
from benchmark.errors import UsageError
from benchmark.evaluator import Subject
from benchmark.values import Budget, Images, Made, Real, Stored

__all__ = ["Memory", "Steps", "class_steps", "companion_memories", "flat", "logits_bytes", "own_memory"]

Steps = tuple[tuple[int, ...], ...]
"""The classes of each step."""


@dataclass(frozen=True)
class Memory:
    """One way to remember."""

    name: str
    """As conditions say it."""
    whole: Stored | Made | None
    """A set of all classes, of which the classes seen are used; or None."""
    per_step: Made | None
    """What is asked for at every step, of that step's classes alone; or None."""
    n_classes: int
    bytes: int | None
    """Canonical bytes when all classes are seen."""
    n_images: int | None

    def images(self, steps: Sequence[tuple[int, ...]]) -> tuple[Images, ...]:
        """What is kept when these steps have been seen."""
        if self.per_step is not None:
            request = self.per_step
            return tuple(
                replace(request, real=replace(request.real, classes=step), budget=self._share(request.budget, step))
                for step in steps
            )
        seen = None if len(flat(steps)) == self.n_classes else flat(steps)
        if isinstance(self.whole, Made):
            return (replace(self.whole, real=replace(self.whole.real, classes=seen)),)
        assert self.whole is not None
        return (replace(self.whole, classes=seen),)

    def _share(self, budget: Budget, step: Sequence[int]) -> Budget:
        """A step's part of a budget in bytes; images per class stay as they are."""
        return budget if budget.bytes is None else Budget(bytes=budget.bytes * len(step) // self.n_classes)


def class_steps(n_classes: int, n_steps: int, order: int) -> Steps:
    """The classes of each step in class order `order`: those of `numpy.random.seed(order); permutation`, sorted."""
    permuted = np.random.RandomState(order).permutation(n_classes)
    return tuple(tuple(sorted(int(c) for c in part)) for part in np.split(permuted, n_steps))


def flat(steps: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """All classes of some steps, in ascending order."""
    return tuple(sorted(c for step in steps for c in step))


def logits_bytes(n_images: int, n_classes: int) -> int:
    """Of float32 logits, which DER++ keeps of every image."""
    return 4 * n_classes * n_images


def own_memory(subject: Subject) -> Memory:
    """The subject's: made again for each step where one of our baselines can, and the set itself otherwise."""
    name, whole, per_step = "joint set", subject.images, None
    if subject.class_by_class:
        name = "order-free set" if subject.made else "order-free set as stated"
    elif subject.made is not None:
        name, per_step = "sets made per step", subject.made
    return Memory(name, None if per_step else whole, per_step, subject.n_classes, subject.bytes, subject.n_images)


def companion_memories(subject: Subject, names: Sequence[str], preset: str, keeps_logits: bool = False) -> list[Memory]:
    """Selections of real images at the subject's bytes, made per step; none where not one image a class fits.

    Where a learner keeps logits beside the images, those count on both sides. A subject does not stand beside itself.
    """
    facts, real = datasets.facts(subject.dataset), Real(subject.dataset)
    one = math.prod(facts.shape) + (1 if subject.n_classes <= 256 else 2)
    logits = logits_bytes(1, subject.n_classes) if keeps_logits else 0
    budget = Budget(ipc=subject.ipc)
    if subject.bytes is not None:
        n_bytes = subject.bytes + logits * (subject.n_images or 0)
        budget = Budget(ipc=n_bytes // (subject.n_classes * (one + logits)))
    try:
        ipc = images_per_class(budget, real, facts, bytes_per_value=1)
    except UsageError:
        return []
    n_images = ipc * subject.n_classes
    seed = subject.distil_seed or 0
    return [
        Memory(name, None, Made(name, preset, real, Budget(ipc=ipc), seed), subject.n_classes, n_images * one, n_images)
        for name in names
        if name != subject.method
    ]
