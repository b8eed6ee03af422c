"""Makes the sets that plans ask for: finds what was made before, calls the baseline, fills in the card, stores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace

import torch

from benchmark import __version__, baseline, datasets, engine, keys, parcels, preview, registry
from benchmark.errors import UsageError
from benchmark.run import Run, TrialOver
from benchmark.store import MadeRecord, Store
from benchmark.synthetic_set import Card, SyntheticSet
from benchmark.tasks import Task
from benchmark.values import Budget, Cell, Json, Made, Real, from_json, to_json

__all__ = ["MAKE", "asked_for", "expected_bytes", "find", "make", "needs", "request_of", "seconds_of"]

OURS = "DistillBench"
"""Contributor of the sets that our baselines make."""
TRIAL_STEPS = 4
Show = Callable[[int, int, str], None]


def needs(made: Made) -> tuple[Cell, ...]:
    """Trainings that the baseline wants done before."""
    return baseline.load(made.baseline, made.preset).needs(made.real, made.seed)


def find(made: Made, store: Store) -> str | None:
    """The digest of what was made for this request before; None where nothing was."""
    record = store.read_made(_key(made))
    return record.digest if record else None


def request_of(card: Card) -> Made | None:
    """The request that a card's set was made for; None where the card does not say enough, or is not ours."""
    parts = {"train": None, "train-minus-holdout": "minus-holdout"}
    ours = card.contributor == OURS and card.method in registry.names("baseline")
    if not ours or card.ipc is None or card.distil_seed is None or card.distilled_on not in parts:
        return None
    if card.classes is not None:
        return None
    real = Real(card.dataset, part=parts[card.distilled_on])
    return Made(card.method, card.preset or "default", real, Budget(ipc=card.ipc), card.distil_seed)


def asked_for(digest: str, card: Card, store: Store) -> Made | None:
    """The request that a set was made for, where its card says it or, of one made by bytes, the store remembers it."""
    if card.contributor != OURS or card.ipc is not None or card.classes is not None:
        return request_of(card)
    requests = (from_json(record.made) for record in store.made_records() if record.digest == digest)
    return next((made for made in requests if isinstance(made, Made)), None)


def expected_bytes(made: Made) -> int | None:
    """Canonical bytes that a set will have, hard labels included; None where its size is not given."""
    if made.budget.bytes is not None or made.budget.ipc is None:
        return made.budget.bytes
    facts = datasets.facts(made.real.dataset)
    n_classes = len(facts.classes) if made.real.classes is None else len(made.real.classes)
    label = 1 if len(facts.classes) <= 256 else 2
    bytes_per_value: int = registry.load("baseline", made.baseline).bytes_per_value
    return made.budget.ipc * n_classes * (math.prod(facts.shape) * bytes_per_value + label)


def make(materials: engine.Materials, made: Made, show: Show = lambda step, n, text: None) -> str:
    """Make a set and store it with its preview; returns its digest. Goes on from a checkpoint where there is one."""
    key, built, store = _key(made), baseline.load(made.baseline, made.preset), materials.store
    one_thread = built.iterations == 0 or engine.is_small(datasets.facts(made.real.dataset))
    engine.prepare(materials.device, one_thread)
    run = Run(materials, made.real, made.seed, store.work_folder(key), show)
    started = time.perf_counter()
    synthetic = built.distill(made.real, made.budget, run)
    cost = {
        "seconds": round(time.perf_counter() - started, 3),
        "image_passes": run.image_passes,
        "numerics": engine.numerics(materials.device, run.way),
    }
    synthetic = _with_provenance(synthetic, made, built, cost)
    name = store.write_set(synthetic, preview.draw(synthetic, materials.dataset(made.real.dataset)))
    store.write_made(key, MadeRecord(to_json(made), name, cost))
    store.clear_work(key)
    return name


def seconds_of(materials: engine.Materials, made: Made) -> float:
    """Expected seconds of `make`: a few steps of the baseline's loop are timed; nothing is written."""
    built = baseline.load(made.baseline, made.preset)
    if not built.iterations:
        try:
            told = built.seconds(made.real, made.budget, datasets.facts(made.real.dataset))
        except UsageError:  # `make` says why it refuses
            return 0.0
        return told if 0 <= told < math.inf else 0.0
    engine.prepare(materials.device, engine.is_small(datasets.facts(made.real.dataset)))
    trial = Run(materials, made.real, made.seed, trial_steps=TRIAL_STEPS)
    with suppress(TrialOver):
        built.distill(made.real, made.budget, trial)
    marks = trial.marks
    pace = (marks[-1] - marks[1]) / (len(marks) - 2) if len(marks) > 2 else 0.0
    return pace * trial.n_steps


def _key(made: Made) -> str:
    """The name of a request in the store: values, not the preset's name, decide."""
    built = baseline.load(made.baseline, made.preset)
    needed = [keys.training_key(cell.training) for cell in built.needs(made.real, made.seed)]
    return keys.made_key(replace(made, preset=""), asdict(built), needed)  # type: ignore[call-overload]


def _with_provenance(synthetic: SyntheticSet, made: Made, built: baseline.Baseline, cost: Json) -> SyntheticSet:
    source = built.source
    card = replace(
        synthetic.card,
        method=made.baseline,
        preset=made.preset,
        distil_seed=made.seed,
        class_by_class=built.class_by_class,
        title=source.title,
        source=source.url,
        licence=source.licence,
        citation=source.citation,
        contributor=OURS,
        cost=cost,
        made_with={"distillbench": __version__, "torch": torch.__version__.partition("+")[0]},
    )
    return replace(synthetic, card=card)


def _is_made(store: Store, made: Made) -> bool:
    return find(made, store) is not None


def _parcels(store: Store, made: Made) -> list[str]:
    """The real data, and what the baseline wants trained before, with the data of that."""
    cells = needs(made)
    trained = [f"outcome/{name}" for block in engine.join(cells) for name in block.names]
    return parcels.needed([made, *cells], store) + [name for name in trained if parcels.is_here(name, store)]


MAKE: Task[Made, str] = Task(make, _key, _is_made, _parcels)
