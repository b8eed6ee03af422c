"""Carries a plan out in plain phases: the sets that must be made, then the networks that must be trained, then rows.

What is stored is not done again, so a killed run goes on where it was. The runner alone turns an exception of one
piece of work into a row with status `failed` or `error`, and goes on with the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark import datasets, engine, making, plan, preview, recipe, registry, resolving
from benchmark.errors import TrainingDiverged
from benchmark.evaluator import Subject
from benchmark.plan import Job
from benchmark.progress import Progress, duration, say
from benchmark.results import Score, row
from benchmark.store import Store
from benchmark.values import Cell, Made, Outcome, Outcomes, Stored, digest, to_json
from benchmark.workers import Workers, cores

__all__ = ["Estimate", "Report", "Runner", "describe"]

FULL_DATA = "full-data"
"""The method that is scored under the recipe's reference schedule."""
UNMADE = "a set that this training needs could not be made"


@dataclass
class Report:
    """What a run did."""

    n_made: int = 0
    n_trained: int = 0
    n_reused: int = 0
    n_rows: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to cost here, before it starts."""

    n_sets: int
    n_blocks: int
    n_stored: int
    distil_seconds: float
    train_seconds: float

    @property
    def seconds(self) -> float:
        return self.distil_seconds + self.train_seconds


@dataclass(frozen=True)
class _Entry:
    """A set as a method's entry: what a row says of it beside its scores."""

    stored: Stored
    method: str
    distil_seed: int | None


class Runner:
    """Makes sets and scores them, into one store, on one device."""

    def __init__(self, store: Store, device: str = "auto", workers: int | None = None) -> None:
        self.store = store
        self.materials = engine.Materials(store, engine.choose_device(device))
        self.estimator = engine.Estimator(self.materials)
        n_workers = cores() if workers is None else workers
        self.workers = Workers(n_workers if self.materials.device.type == "cpu" else 1, self.materials)
        self.report = Report()
        self._trials: dict[Any, float] = {}

    # Making

    def make(self, wanted: Iterable[Made]) -> dict[Made, str]:
        """Make what is missing; returns the digests of all that could be made, and reports the rest as problems."""
        found = {made: making.find(made, self.store) for made in wanted}
        todo = [made for made, known in found.items() if known is None]
        self.train(engine.join(cell for made in todo for cell in making.needs(made)), "networks that baselines need")
        expected = {made: self._distil_seconds(made) for made in todo}
        progress = Progress("distilling", sum(expected.values()) / self._pace(todo), len(todo))
        for made, digest_, fault in self._made(todo, expected, progress):
            if digest_ is not None:
                found[made] = digest_
                self.report.n_made += 1
            elif isinstance(fault, TrainingDiverged):
                self.report.problems.append(f"{made.baseline}, {made.budget}, seed {made.seed}: {fault}")
            elif fault is not None:
                raise fault
            progress.advance(expected[made] / self._pace(todo))
        progress.close()
        return {made: known for made, known in found.items() if known is not None}

    def _made(
        self, todo: Sequence[Made], expected: dict[Made, float], progress: Progress
    ) -> Iterator[tuple[Made, str | None, Exception | None]]:
        """Small ones by the workers, the others here, where a loop can show how far it is."""
        small = [made for made in todo if engine.is_small(datasets.facts(made.real.dataset))]
        yield from self.workers.map(making.make, small)
        for made in todo:
            if made in small:
                continue

            def show(step: int, n: int, text: str, made: Made = made) -> None:
                label = f"{made.baseline} {made.budget} seed {made.seed}: {step}/{n} {text}"
                progress.within(step / n, expected[made], label)

            try:
                yield made, making.make(self.materials, made, show), None
            except TrainingDiverged as fault:
                yield made, None, fault

    def _distil_seconds(self, made: Made) -> float:
        """Expected seconds of one `make`, timed once for each kind of request."""
        kind = replace(made, seed=0)
        if kind not in self._trials:
            self._trials[kind] = making.seconds_of(self.materials, made)
        return self._trials[kind]

    def _pace(self, todo: Sequence[Made]) -> int:
        """How many pieces are made at a time."""
        small = bool(todo) and all(engine.is_small(datasets.facts(made.real.dataset)) for made in todo)
        return min(self.workers.n, len(todo)) if small else 1

    # Scoring

    def evaluate(self, jobs: Sequence[Job]) -> Report:
        """Make, train and measure what is missing, and write the rows of every job."""
        started = time.perf_counter()
        made = self.make(dict.fromkeys(job.images for job in jobs if isinstance(job.images, Made)))
        prepared = []
        for job in jobs:
            entry = self._entry(job, made)
            if entry is not None:
                prepared.append(
                    (job, plan.load_evaluator(job.evaluator, job.options), entry, self._subject(job, entry))
                )
        skipped = [evaluator.skip_reason(subject) for _, evaluator, _, subject in prepared]
        plans = [
            {} if reason else evaluator.plan(subject)
            for reason, (_, evaluator, _, subject) in zip(skipped, prepared, strict=True)
        ]
        beside = self.make(resolving.wanted(cell for planned in plans for cell in planned.values()))
        plans = [{label: resolving.resolved(cell, beside) for label, cell in planned.items()} for planned in plans]
        blocks = engine.join(cell for planned in plans for cell in planned.values())
        errors = self.train([block for block in blocks if not _unmade(block)], "training")
        errors |= {(block.training, block.seed): UNMADE for block in blocks if _unmade(block)}
        for (job, evaluator, entry, subject), planned, reason in zip(prepared, plans, skipped, strict=True):
            if reason is not None:
                say(f"{job.evaluator} skips {entry.method}: {reason}")
                continue
            seen = {label: self._outcomes(cell, errors) for label, cell in planned.items()}
            self._write_rows(job, entry, subject, list(evaluator.scores(subject, seen)))
        self.workers.close()
        self.report.seconds = time.perf_counter() - started
        return self.report

    def estimate(self, jobs: Sequence[Job], made: Sequence[Made] = ()) -> Estimate:
        """What `make` and `evaluate` would do and cost; a few steps of each kind are timed, nothing is written."""
        wanted = list(dict.fromkeys([*made, *(job.images for job in jobs if isinstance(job.images, Made))]))
        found = {one: making.find(one, self.store) for one in wanted}
        cells: list[Cell] = []
        for job in jobs:
            images = job.images if isinstance(job.images, str) else found[job.images] or job.images
            subject = self._subject(job, images if isinstance(images, Made) else self._entry_of(images, job))
            evaluator = plan.load_evaluator(job.evaluator, job.options)
            cells += [] if evaluator.skip_reason(subject) else evaluator.plan(subject).values()
        found |= {one: making.find(one, self.store) for one in resolving.wanted(cells)}
        there = {one: known for one, known in found.items() if known is not None}
        todo = [one for one in found if one not in there]
        cells = [resolving.resolved(cell, there) for cell in cells]
        blocks = engine.join([*(cell for one in todo for cell in making.needs(one)), *cells])
        missing = [b for b in blocks if _unmade(b) or engine.missing([b], self.store)]
        return Estimate(
            n_sets=len(todo),
            n_blocks=len(missing),
            n_stored=len(blocks) - len(missing),
            distil_seconds=sum(self._distil_seconds(one) for one in todo) / self._pace(todo),
            train_seconds=sum(self._block_seconds(missing).values()),
        )

    def train(self, blocks: Sequence[engine.Block], title: str) -> dict[tuple[Any, int], str]:
        """Train the blocks that are missing; returns what went wrong, by training and seed."""
        todo = engine.missing(blocks, self.store)
        self.report.n_reused += len(blocks) - len(todo)
        errors: dict[tuple[Any, int], str] = {}
        if not todo:
            return errors
        expected = self._block_seconds(todo)
        progress = Progress(title, sum(expected.values()), len(todo))

        def done(block: engine.Block, reason: str) -> None:
            if reason:
                errors[block.training, block.seed] = reason
                self.report.problems.append(f"{block.training.architecture}, seed {block.seed}: {reason}")
            else:
                self.report.n_trained += 1
            progress.advance(expected[block])

        engine.run(todo, self.materials, done, say, self.workers)
        progress.close()
        return errors

    def _block_seconds(self, blocks: Sequence[engine.Block]) -> dict[engine.Block, float]:
        """Expected seconds that each block adds to the run; small ones run side by side."""
        small = {block for block in blocks if engine.is_small(self.materials.facts(block.data))}
        at_once = max(1, min(self.workers.n, len(small)))
        return {block: self.estimator.seconds(block) / (at_once if block in small else 1) for block in blocks}

    def _outcomes(self, cell: Cell, errors: dict[tuple[Any, int], str]) -> Outcomes:
        """A cell's outcomes, with an `error` in the place of each that could not be had."""
        broken = [seed for seed in cell.seeds if (cell.training, seed) in errors]
        missed = (
            Outcome(seed, probe, "error", reason=errors[cell.training, seed])
            for seed in broken
            for probe in cell.probes
        )
        return (
            *engine.outcomes(replace(cell, seeds=tuple(s for s in cell.seeds if s not in broken)), self.store),
            *missed,
        )

    def _entry(self, job: Job, made: dict[Made, str]) -> _Entry | None:
        if isinstance(job.images, str):
            return self._entry_of(job.images, job)
        if job.images not in made:
            return None
        return _Entry(Stored(made[job.images]), job.images.baseline, job.images.seed)

    def _entry_of(self, name: str, job: Job) -> _Entry:
        if isinstance(job.images, Made):
            return _Entry(Stored(name), job.images.baseline, job.images.seed)
        card = self.store.read_card(name)
        return _Entry(Stored(name), card.method, card.distil_seed)

    def _subject(self, job: Job, entry: _Entry | Made) -> Subject:
        chosen = recipe.load(job.recipe)
        method = entry.baseline if isinstance(entry, Made) else entry.method
        if method == FULL_DATA and not job.recipe.endswith("/reference"):
            chosen = chosen.on_full_data()
        if isinstance(entry, Made):
            dataset = entry.real.dataset
            n_classes = len(datasets.facts(dataset).classes)
            return Subject(entry, dataset, n_classes, chosen, method, entry.budget.ipc, "hard", entry.seed)
        card = self.store.read_card(entry.stored.digest)
        n_classes = len(datasets.facts(card.dataset).classes)
        return Subject(entry.stored, card.dataset, n_classes, chosen, method, card.ipc, card.track, entry.distil_seed)

    def _write_rows(self, job: Job, entry: _Entry, subject: Subject, scores: Sequence[Score]) -> None:
        version = registry.version("evaluator", job.evaluator)
        synthetic = self.store.read_set(entry.stored.digest)
        if self.store.preview(entry.stored.digest) is None:
            drawn = preview.draw(synthetic)
            if drawn is not None:
                self.store.write_preview(entry.stored.digest, drawn)
        known = {
            "dataset": subject.dataset,
            "ipc": subject.ipc,
            "bytes": synthetic.ledger["total"],
            "track": subject.track,
            "method": entry.method,
            "set": entry.stored.digest,
            "evaluator": job.evaluator,
            "version": version,
            "recipe": subject.recipe.name,
            "distil_seed": entry.distil_seed,
        }
        request = {**known, "options": [list(pair) for pair in job.options], "recipe_digest": subject.recipe.digest}
        rows = [row(known, score) for score in scores]
        self.store.write_results(digest(to_json(request)), to_json(request), rows)
        self.report.n_rows += len(rows)


def _unmade(block: engine.Block) -> bool:
    return any(isinstance(images, Made) for stage in block.training.stages for images in stage.stream.images)


def describe(estimate: Estimate) -> str:
    """One line for people."""
    return (
        f"{estimate.n_sets} sets to make (about {duration(estimate.distil_seconds)}), {estimate.n_blocks} trainings to "
        f"run (about {duration(estimate.train_seconds)}), {estimate.n_stored} stored already: "
        f"about {duration(estimate.seconds)} in all on this machine"
    )
