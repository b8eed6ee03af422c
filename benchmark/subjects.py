"""What an evaluator is told of a set: the subject of a job, whether the set is stored or still to be made."""

from __future__ import annotations

from dataclasses import replace

from benchmark import datasets, making, recipe, registry
from benchmark.engine import Materials
from benchmark.engine.counting import count
from benchmark.evaluator import Subject
from benchmark.plan import Job
from benchmark.recipe import Recipe
from benchmark.synthetic_set import Card
from benchmark.values import Made, Stored

__all__ = ["subject_of"]

FULL_DATA = "full-data"
"""The method that is scored under the recipe's reference schedule."""


def subject_of(job: Job, images: Stored | Made, materials: Materials) -> Subject:
    """The subject of a job; `images` is its set, or the request for it while it is not made."""
    if isinstance(images, Made):
        real, n_classes = images.real, len(datasets.facts(images.real.dataset).classes)
        return replace(
            Subject(images, real.dataset, n_classes, _recipe(job, images.baseline), images.baseline),
            ipc=images.budget.ipc,
            distil_seed=images.seed,
            made=images,
            bytes=making.expected_bytes(images),
            class_by_class=registry.load("baseline", images.baseline).class_by_class,
            n_images=count(images, materials),
            part=real.part,
        )
    synthetic, asked = materials.store.read_set(images.digest), job.images
    card = synthetic.card
    method, seed = (asked.baseline, asked.seed) if isinstance(asked, Made) else (card.method, card.distil_seed)
    n_classes = len(datasets.facts(card.dataset).classes)
    return replace(
        Subject(images, card.dataset, n_classes, _recipe(job, method), method, card.ipc, card.track, seed),
        made=asked if isinstance(asked, Made) else making.asked_for(images.digest, card, materials.store),
        bytes=synthetic.ledger["total"],
        class_by_class=card.class_by_class,
        n_images=count(images, materials),
        space=card.space.kind,
        part=_part(card),
    )


def _part(card: Card) -> str | None:
    """The part of train that a set was made of, as `Real` names it."""
    return card.distilled_on.removeprefix("train").removeprefix("-") or None


def _recipe(job: Job, method: str) -> Recipe:
    chosen = recipe.load(job.recipe)
    if method == FULL_DATA and not job.recipe.endswith("/reference"):
        chosen = chosen.on_full_data()
    if not job.quick:
        return chosen
    n_seeds = registry.load("evaluator", job.evaluator).quick_seeds
    if n_seeds is None:
        return chosen
    return chosen.vary(name=chosen.name, n_seeds=min(n_seeds, chosen.n_seeds))  # with the same digest
