"""Carries a plan out in plain phases: the sets that must be made, then the networks that must be trained, then rows.

What is stored is not done again, so a killed run goes on where it was. The runner alone turns an exception of one
piece of work into a row with status `failed` or `error`, and goes on with the others.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark import baseline, cluster, datasets, engine, making, phases, plan, preview, registry
from benchmark.errors import PolicyRefusal, TrainingDiverged, UsageError, first_line, is_machines
from benchmark.estimate import Estimate
from benchmark.evaluator import Label, Subject
from benchmark.plan import Job
from benchmark.progress import Progress, say
from benchmark.results import Score, row
from benchmark.scan import stored
from benchmark.store import Store
from benchmark.subjects import subject_of
from benchmark.tasks import Answer, Pool
from benchmark.values import Cell, Made, Outcome, Outcomes, Stored, digest, to_json
from benchmark.workers import Threads, Workers, cores

__all__ = ["Report", "Runner"]

Planned = Mapping[Label, Cell]
GONE = "it was trained, but is not in the store under this name: was the version of a plug-in raised meanwhile?"


@dataclass
class Report:
    """What a run did."""

    n_made: int = 0
    n_trained: int = 0
    n_reused: int = 0
    n_rows: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Runner:
    """Makes sets and scores them, into one store, on one device."""

    def __init__(
        self, store: Store, device: str = "auto", workers: int | None = None, scheduler: str | None = None
    ) -> None:
        """`workers`: processes here, by default one a core for small images and one a GPU; `scheduler`: a cluster's."""
        self.store = store
        self.materials = engine.Materials(store, engine.choose_device("auto" if scheduler else device))
        self.estimator = engine.Estimator(self.materials)
        self.workers: Pool
        if scheduler:
            self.workers = cluster.Cluster(scheduler, store, device)
        else:
            self.workers = self._processes(self.materials.device, workers)
        self.report = Report()
        self._trials: dict[Any, float] = {}
        self._refused: dict[Made, str] = {}
        self._lost: dict[Made, tuple[str, str]] = {}
        """Sets that could not be made, with a status and the reason; not tried again by this runner."""

    def _processes(self, chosen: Any, n: int | None) -> Workers:
        """One worker a core for what gets one thread, or one a GPU for everything."""
        gpus = engine.every_device(chosen) if chosen.type == "cuda" else []
        if len(gpus) > 1:
            return Workers(n or len(gpus), self.materials, gpus)
        return Workers((n or cores()) if chosen.type == "cpu" else 1, self.materials)

    # Making

    def make(self, wanted: Iterable[Made], refused: dict[Made, str] | None = None) -> dict[Made, str]:
        """Make what is missing; returns the digests of all that could be made, and reports the rest as problems.

        What a baseline refuses (a class has too few images, say) is raised, or goes into `refused` with the reason.
        """
        found = {made: making.find(made, self.store) for made in wanted}
        todo = [made for made, known in found.items() if known is None and made not in self._lost]
        errors = self._train_needs(list(found), todo)
        for made in todo:
            lacks = [errors[need] for need in _trainings(made) if need in errors]
            if lacks:
                self._lose(made, "error", f"a network that it needs could not be trained: {lacks[0]}")
        todo = [made for made in todo if made not in self._lost]
        expected = self._making_seconds(todo)
        progress = Progress("distilling", sum(expected.values()), len(todo))
        with self._stopping():
            for made, digest_, fault in self._made(todo, expected, progress):
                if digest_ is not None:
                    found[made] = digest_
                    self.report.n_made += 1
                elif fault is None:  # by another run, meanwhile
                    found[made] = making.find(made, self.store)
                elif isinstance(fault, UsageError) and refused is not None:
                    refused[made] = str(fault)
                elif isinstance(fault, TrainingDiverged) or is_machines(fault):
                    has_diverged = isinstance(fault, TrainingDiverged)
                    engine.check_device(self.materials.device, fault)
                    self._lose(made, *(("failed", str(fault)) if has_diverged else ("error", first_line(fault))))
                elif fault is not None:
                    raise fault
                progress.advance(expected[made])
        progress.close()
        return {made: known for made, known in found.items() if known is not None}

    def _lose(self, made: Made, how: str, reason: str) -> None:
        """A set could not be made: a problem of the run, and the reason of every row that it was to stand beside."""
        self._lost[made] = how, f"the set of {made.baseline!r} beside it could not be made: {reason}"
        self.report.problems.append(f"{made.baseline}, {made.budget}, seed {made.seed}: {reason}")

    def _train_needs(self, wanted: Sequence[Made], todo: Sequence[Made]) -> dict[tuple[Any, int], str]:
        """Train what the baselines of `todo` need; `wanted` are all sets of the plan, made or not. Returns what went
        wrong, by training and seed."""
        whole = engine.join(cell for made in wanted for cell in making.needs(made))
        needed = {need for made in todo for need in _trainings(made)}
        blocks = [block for block in whole if (block.training, block.seed) in needed]
        return self.train(blocks, "networks that baselines need", whole, settled=True)

    def _made(
        self, todo: Sequence[Made], expected: dict[Made, float], progress: Progress
    ) -> Iterator[Answer[Made, str]]:
        """By the workers what they take, the others here, where a loop can show how far it is."""
        theirs = [made for made in todo if self._is_shared(made)]
        if isinstance(self.workers, Workers):
            self.workers.make_room(datasets.facts(made.real.dataset) for made in theirs)
        with progress.ticking():
            yield from self.workers.map(making.MAKE, theirs)

        def make_here(materials: engine.Materials, made: Made) -> str:
            def show(step: int, n: int, text: str) -> None:
                label = f"{made.baseline} {made.budget} seed {made.seed}: {step}/{n} {text}"
                progress.within(step / n, expected[made], label)

            return making.make(materials, made, show)

        ours = [made for made in todo if made not in theirs]
        yield from Workers(1, self.materials).map(replace(making.MAKE, run=make_here), ours)

    def _is_shared(self, made: Made) -> bool:
        has_loop = baseline.load(made.baseline, made.preset).iterations > 0
        return self.workers.takes(not has_loop or engine.is_small(datasets.facts(made.real.dataset)))

    def _distil_seconds(self, made: Made) -> float:
        """Expected seconds of one `make`, timed once for each kind of request."""
        classes = made.real.classes and tuple(range(len(made.real.classes)))  # as many, whichever they are
        kind = replace(made, seed=0, real=replace(made.real, classes=classes))
        if kind not in self._trials:
            self._trials[kind] = making.seconds_of(self.materials, made)
        return self._trials[kind]

    def _making_seconds(self, todo: Sequence[Made]) -> dict[Made, float]:
        """Expected seconds that each set adds to the run; those of the workers are made side by side."""
        shared = {made for made in todo if self._is_shared(made)}
        at_once = max(1, min(self.workers.n, len(shared)))
        return {made: self._distil_seconds(made) / (at_once if made in shared else 1) for made in todo}

    # Scoring

    def evaluate(self, jobs: Sequence[Job]) -> Report:
        """Make, train and measure what is missing, and write the rows of every job."""
        started = time.perf_counter()
        made = self.make(dict.fromkeys(job.images for job in jobs if isinstance(job.images, Made)))
        prepared = []
        for job in self._without_test_images(jobs, made):
            name = job.images if isinstance(job.images, str) else made.get(job.images)
            if name is not None:
                evaluator = plan.load_evaluator(job.evaluator, job.options, job.quick)
                prepared.append((job, evaluator, name, subject_of(job, Stored(name), self.materials)))
        skipped = [evaluator.skip_reason(subject) for _, evaluator, _, subject in prepared]
        plans: Sequence[Planned] = [
            {} if reason else evaluator.plan(subject)
            for reason, (_, evaluator, _, subject) in zip(skipped, prepared, strict=True)
        ]
        plans = phases.alike(self._with_sets(plans, made))
        cells = [cell for planned in plans for cell in planned.values() if not phases.made_in([cell.training])]
        self._train_teachers(cells)
        errors = self.train(engine.join(cells), "training")
        for (job, evaluator, name, subject), planned, reason in zip(prepared, plans, skipped, strict=True):
            if reason is not None:
                say(f"{job.evaluator} skips {subject.method}: {reason}")
                continue
            seen = {label: self._outcomes(cell, errors) for label, cell in planned.items()}
            scores = list(evaluator.scores(subject, seen))
            self._write_rows(job, name, subject, scores)
            said = evaluator.suspicion(scores)
            if said:
                stored.hold(name, "needs-review", *said, {"evaluator": job.row_name}, self.store)
        self.workers.close()
        self.report.seconds = time.perf_counter() - started
        return self.report

    def _without_test_images(self, jobs: Sequence[Job], made: Mapping[Made, str]) -> list[Job]:
        """Scan every set; raises PolicyRefusal for stored ones that hold test images, reports and drops made ones."""
        names = {job: job.images if isinstance(job.images, str) else made.get(job.images, "") for job in jobs}
        refused = {name: stored.refusal_of(name, self.store) for name in dict.fromkeys(names.values()) if name}
        asked = dict.fromkeys(refused[job.images] for job in jobs if isinstance(job.images, str))
        if any(asked):
            raise PolicyRefusal("\n".join(filter(None, asked)))
        self.report.problems += filter(None, refused.values())
        return [job for job in jobs if not refused.get(names[job])]

    def _with_sets(self, plans: Sequence[Planned], made: dict[Made, str]) -> list[Planned]:
        """The plans with every set that stands beside a subject; it is made where it is missing."""
        wanted = phases.made_in(cell.training for planned in plans for cell in planned.values())
        made = made | self.make((one for one in wanted if one not in made), self._refused)
        return [{label: phases.with_sets(cell, made) for label, cell in planned.items()} for planned in plans]

    def _train_teachers(self, cells: Sequence[Cell]) -> None:
        """Train the teachers of these cells, and theirs before them, with all that is asked of them elsewhere."""
        found = phases.teachers(cells)
        if found:
            self._train_teachers(found)
            wanted = {(cell.training, seed) for cell in found for seed in cell.seeds}
            blocks = engine.join([*found, *cells])
            chosen = [block for block in blocks if (block.training, block.seed) in wanted]
            self.train(chosen, "teachers", settled=True)

    def estimate(self, jobs: Sequence[Job], made: Sequence[Made] = (), more: Sequence[Cell] = ()) -> Estimate:
        """What `make` and `evaluate` would do and cost; a few steps of each kind are timed, nothing is written.

        `more`: cells beside those of the jobs.
        """
        wanted = list(dict.fromkeys([*made, *(job.images for job in jobs if isinstance(job.images, Made))]))
        found = {one: making.find(one, self.store) for one in wanted}
        cells = [*more, *(cell for job in jobs for cell in self._planned(job, found))]
        beside = [one for one in phases.made_in(cell.training for cell in cells) if one not in found]
        found |= {one: making.find(one, self.store) for one in beside}
        known = {one: name for one, name in found.items() if name is not None}
        (alike,) = phases.alike([{place: phases.with_sets(cell, known) for place, cell in enumerate(cells)}])
        cells = list(alike.values())
        todo = [one for one, name in found.items() if name is None]
        first = [cell for made in todo for cell in making.needs(made)] + phases.teachers(cells)
        trained = {(cell.training, seed) for cell in first for seed in cell.seeds}
        blocks = engine.join([*first, *cells])
        needed = [block for block in blocks if (block.training, block.seed) in trained]
        students = [block for block in blocks if (block.training, block.seed) not in trained]
        blocks = self._assigned(needed, settled=True) + self._assigned(students)
        missing = [b for b in blocks if phases.made_in([b.training]) or engine.missing([b], self.store)]
        return Estimate(
            n_sets=len(todo),
            n_blocks=len(missing),
            n_stored=len(blocks) - len(missing),
            distil_seconds=sum(self._making_seconds(todo).values()),
            train_seconds=sum(self._block_seconds(missing).values()),
        )

    def _planned(self, job: Job, found: Mapping[Made, str | None]) -> Iterable[Cell]:
        """The cells of a job, whose set may still have to be made."""
        images = job.images if isinstance(job.images, str) else found[job.images] or job.images
        subject = subject_of(job, images if isinstance(images, Made) else Stored(images), self.materials)
        evaluator = plan.load_evaluator(job.evaluator, job.options, job.quick)
        return () if evaluator.skip_reason(subject) else evaluator.plan(subject).values()

    def train(
        self,
        blocks: Sequence[engine.Block],
        title: str,
        whole: Sequence[engine.Block] = (),
        settled: bool = False,
    ) -> dict[tuple[Any, int], str]:
        """Train the blocks that are missing; returns what went wrong, by training and seed.

        `whole`: all blocks of the plan, where `blocks` are but those that are still wanted; how each is computed goes
        by all of them, so that a run that goes on after a kill computes as it began. `settled`: others are made from
        these networks.
        """
        ways = dict(zip(whole or blocks, self._assigned(whole or blocks, settled), strict=True))
        blocks = list(dict.fromkeys(ways[block] for block in blocks))
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

        # Which process trains a block changes nothing of its outcome, so a guess may decide.
        shared = [block for block in todo if self.workers.takes(block.way.one_thread)]
        threads, seconds = self._threads(shared), sum(expected[block] for block in shared)
        alone = seconds * self._at_once(shared)
        saved = alone - seconds - (threads.saves * alone if threads else 0)
        workers: Pool | None = self.workers if saved >= self.workers.start_seconds else threads
        with progress.ticking(), self._stopping():
            n_elsewhere = engine.run(todo, self.materials, done, say, workers)
        self.report.n_trained -= n_elsewhere
        self.report.n_reused += n_elsewhere
        progress.close()
        return errors

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Where this is left by a fault or Ctrl-C, the workers stop too, and do not all that is queued first."""
        try:
            yield
        except BaseException:
            self.workers.close(at_once=True)
            raise

    def _threads(self, blocks: Sequence[engine.Block]) -> Threads | None:
        """Threads of this process, where they do these blocks sooner than it alone."""
        several = self.materials.device.type == "cpu" and min(self.workers.n, len(blocks)) > 1
        return Threads(self.workers.n, self.materials) if several else None

    def _assigned(self, blocks: Sequence[engine.Block], settled: bool = False) -> list[engine.Block]:
        """With ways of computing."""
        if not isinstance(self.workers, Workers):  # those of a cluster come and go, and have cores of their own
            return engine.assign(blocks, self.materials, 1, settled, elsewhere=True)
        self.workers.make_room(self.materials.facts(block.data) for block in blocks)
        return engine.assign(blocks, self.materials, self.workers.n, settled)

    def _block_seconds(self, blocks: Sequence[engine.Block]) -> dict[engine.Block, float]:
        """Expected seconds that each block adds to the run; those of the workers run side by side."""
        shared = {block for block in blocks if self.workers.takes(block.way.one_thread)}
        at_once = self._at_once(shared)
        return {block: self.estimator.seconds(block) / (at_once if block in shared else 1) for block in blocks}

    def _at_once(self, shared: Collection[engine.Block]) -> int:
        """How many of the workers' blocks are trained at a time."""
        return max(1, min(self.workers.n, len(shared)))

    def _outcomes(self, cell: Cell, errors: dict[tuple[Any, int], str]) -> Outcomes:
        """A cell's outcomes, with an `error` for each that could not be had, `skipped` for want of a set."""
        unmade = phases.made_in([cell.training])
        if unmade:
            told = {made: ("skipped", reason) for made, reason in self._refused.items()} | self._lost
            how, reason = told.get(unmade[0], ("error", f"the set of {unmade[0].baseline!r} beside it was not made"))
            return tuple(Outcome(seed, probe, how, reason=reason) for seed in cell.seeds for probe in cell.probes)
        stored = engine.outcomes(cell, self.store)
        known = {(outcome.seed, outcome.probe) for outcome in stored}
        missed = (
            Outcome(seed, probe, "error", reason=errors.get((cell.training, seed), GONE))
            for seed in cell.seeds
            for probe in cell.probes
            if (seed, probe) not in known
        )
        return (*stored, *missed)

    def _write_rows(self, job: Job, name: str, subject: Subject, scores: Sequence[Score]) -> None:
        version = registry.version("evaluator", job.evaluator)
        if self.store.preview(name) is None:
            drawn = preview.draw(self.store.read_set(name))
            if drawn is not None:
                self.store.write_preview(name, drawn)
        known = {
            "dataset": subject.dataset,
            "ipc": subject.ipc,
            "bytes": subject.bytes,
            "track": "teacher" if subject.recipe.teacher else subject.track,
            "method": subject.method,
            "set": name,
            "evaluator": job.row_name,
            "version": version,
            "recipe": subject.recipe.name,
            "distil_seed": subject.distil_seed,
        }
        request = {**known, "options": [list(pair) for pair in job.options], "recipe_digest": subject.recipe.digest}
        rows = [row(known, score) for score in scores]
        self.store.write_results(digest(to_json(request)), to_json(request), rows)
        self.report.n_rows += len(rows)


def _trainings(made: Made) -> list[tuple[Any, int]]:
    """The trainings, with a seed each, that a set is made from."""
    return [(cell.training, seed) for cell in making.needs(made) for seed in cell.seeds]
