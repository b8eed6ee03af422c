"""Class-incremental accuracy with the set as the memory, from scratch and by rehearsal.

The classes come in steps. `gdumb` is the protocol of DM (Zhao and Bilen, WACV 2023, section 4.3; compared with
VICO-UoE/DatasetCondensation `CL_DM.py`) and DataDAM, after GDumb (Prabhu et al., ECCV 2020): after each step a network
is trained from scratch on the memory of all classes seen and tested on their test images, the prediction being the
argmax over all classes. `rehearsal` trains one network on, step after step, on the real images of the step and the
memory of the classes before: experience replay, and DER++ (Buzzega et al., NeurIPS 2020).

Beside the set stand selections of real images at its bytes, joint training on all real images of the classes seen, and
fine-tuning without a memory. docs/continual_learning.md explains every number.

Rates and lengths that a set carries are not used: they were learned for all classes at once, or for those of a step.

Differs: in DM's code every class order has networks of its own, here the initialisations are the same for all orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark import recipe
from benchmark.architectures import canonical
from benchmark.evaluator import DEFAULT_ARCHITECTURE, Evaluator, Label, Seen, Subject
from benchmark.results import Score
from benchmark.values import Cell, Data, Outcome, Real, Stage, Training
from evaluators import _curves
from evaluators._memories import Memory, Steps, class_steps, companion_memories, flat, own_memory

__all__ = ["VERSION", "ContinualLearning"]

VERSION = 3
JOINT, FINE_TUNING = "joint training", "fine-tuning"
DER = "der++"
FROM_SCRATCH = ("gdumb", JOINT)
"""Protocols that train a network of its own for every step."""


@dataclass(frozen=True)
class ContinualLearning(Evaluator):
    """One condition for each protocol, number of steps and memory; each score is a mean over class orders."""

    quick: ClassVar[Mapping[str, Any]] = {
        "orders": 1,
        "steps": (5,),
        "companions": ("random-real",),
        "preset": "lite",
        "architecture": "mlp",
    }
    quick_seeds: ClassVar[int | None] = 1

    protocols: tuple[str, ...] = ("gdumb", "replay", "der++")
    steps: tuple[int, ...] = (5, 10)
    """Numbers of steps; those that divide the classes into equal parts of two or more are used."""
    orders: int = 5
    """Class orders 0 … n-1."""
    initialisations: int = 3
    """Training seeds, or the recipe's where it has fewer."""
    companions: tuple[str, ...] = ("random-real", "herding", "k-center")
    preset: str = "standard"
    """Of the companions."""
    architecture: str = DEFAULT_ARCHITECTURE
    rehearsal: str = "rehearsal-v1"
    """The recipe of `replay`, `der++` and fine-tuning; it names DER++'s weights."""

    def skip_reason(self, subject: Subject) -> str | None:
        if subject.method == "full-data":
            return "all real images are no memory; joint training on them stands beside every set"
        if subject.recipe.teacher:
            return "the recipe's teacher knows the classes to come"
        if not self._fitting(subject):
            return f"{subject.n_classes} classes do not fall into {self.steps} equal steps of two or more"
        return None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        return {label: cell for run in self._runs(subject) for label, cell in self._cells(subject, *run)}

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        for protocol, memory, n_steps in dict.fromkeys(run[:3] for run in self._runs(subject)):
            runs = {
                order: self._measured(subject, seen, (protocol, memory, n_steps, order)) for order in range(self.orders)
            }
            how = protocol if protocol in FROM_SCRATCH else f"{protocol} by {self.rehearsal}"
            condition = f"{how}, {n_steps} steps" + (f", {memory.name}" if memory else "")
            template = Score("", None, "percent", True, self.architecture, None, condition)
            found = list(_curves.scores(runs, template))
            yield from found
            if memory and memory.bytes and any(score.status == "ok" for score in found):
                yield _curves.bytes_score(memory, protocol == DER, template)

    def _fitting(self, subject: Subject) -> list[int]:
        return [n for n in self.steps if n > 1 and subject.n_classes % n == 0 and subject.n_classes >= 2 * n]

    def _runs(self, subject: Subject) -> Iterator[tuple[str, Memory | None, int, int]]:
        """Protocol, memory, number of steps and order of every curve."""
        pairs: list[tuple[str, Memory | None]] = []
        for protocol in self.protocols:
            beside = companion_memories(subject, self.companions, self.preset, protocol == DER)
            pairs += [(protocol, memory) for memory in (own_memory(subject), *beside)]
        for protocol, memory in [*pairs, (JOINT, None), (FINE_TUNING, None)]:
            for n_steps in self._fitting(subject):
                for order in range(self.orders):
                    yield protocol, memory, n_steps, order

    def _cells(
        self, subject: Subject, protocol: str, memory: Memory | None, n_steps: int, order: int
    ) -> Iterator[tuple[Label, Cell]]:
        """The cells of one curve: one for each step from scratch, or one whose stages are the steps."""
        steps = class_steps(subject.n_classes, n_steps, order)
        architecture, seeds = canonical(self.architecture), subject.recipe.seeds()[: self.initialisations]
        label = (protocol, memory.name if memory else "", n_steps, order)
        if protocol not in FROM_SCRATCH:
            training = Training(self._stages(subject, memory, steps), architecture, self._recipe(protocol))
            probes = tuple(
                dict.fromkeys(probe for t in range(n_steps) for probe in _curves.staged_probes(subject, steps, t))
            )
            yield label, Cell(training, seeds, probes)
            return
        own = subject.recipe.vary(name=subject.recipe.name, carried="ignore")
        how = own if memory else own.on_full_data()
        for t in range(n_steps):
            real = Real(subject.dataset, classes=flat(steps[: t + 1]) if t + 1 < n_steps else None)
            images = memory.images(steps[: t + 1]) if memory else (real,)
            training = Training((Stage(Data(images)),), architecture, how)
            yield (*label, t), Cell(training, seeds, _curves.probes(subject, steps, t))

    def _stages(self, subject: Subject, memory: Memory | None, steps: Steps) -> tuple[Stage, ...]:
        return tuple(
            Stage(
                Data((Real(subject.dataset, classes=classes),)),
                Data(memory.images(steps[:t])) if memory and t else None,
            )
            for t, classes in enumerate(steps)
        )

    def _recipe(self, protocol: str) -> recipe.Recipe:
        chosen = recipe.load(self.rehearsal)
        return chosen if protocol == DER else chosen.vary(name=chosen.name, loss="cross-entropy")

    def _measured(
        self, subject: Subject, seen: Seen, run: tuple[str, Memory | None, int, int]
    ) -> dict[int, tuple[dict[str, float], Outcome]]:
        """By seed: the metrics of one curve, none where an outcome is not ok, and an outcome that tells how it went."""
        steps = class_steps(subject.n_classes, *run[2:])
        cells = dict(self._cells(subject, *run))
        probes = _curves.probes if run[0] in FROM_SCRATCH else _curves.staged_probes
        wanted = [probes(subject, steps, t) for t in range(len(steps))]
        of_step = list(cells) if run[0] in FROM_SCRATCH else list(cells) * len(steps)
        found: dict[int, tuple[dict[str, float], Outcome]] = {}
        for seed in next(iter(cells.values())).seeds:
            of_seed = {(label, one.probe): one for label in cells for one in seen[label] if one.seed == seed}
            bad = [one for one in of_seed.values() if one.status != "ok"]
            if bad:
                found[seed] = ({}, bad[0])
                continue
            plain = [of_seed[label, asked[0]] for label, asked in zip(of_step, wanted, strict=True)]
            masked = [of_seed[label, asked[-1]] for label, asked in zip(of_step, wanted, strict=True)]
            found[seed] = (_curves.metrics(steps, plain, masked), plain[0])
        return found
