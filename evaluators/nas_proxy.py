"""How well networks trained on a set rank architectures by what they reach when fully trained.

Each network of a space trains from scratch on the set and is measured on `holdout`; nothing is chosen on test. Its rank
is compared with the truth, which is accuracy on test after full training. Beside the subject always stand random-real
and herding at as many images per class, early stopping on real data at equal image passes, parameter count and SynFlow,
and for NAS-Bench-201 the table's accuracy after 12 epochs; all that the evaluator makes itself is made of train minus
holdout. Negative correlations stay negative. Rates and lengths that a set carries are not used: they were learned for
one network. docs/nas_proxy.md states the protocol.

Source: Zhao, Mopuri and Bilen (ICLR 2021), section 4.3. Differs: there the correlation is over the best twentieth, and
later papers give it over the best 5, where a random ranking reaches 0.9; here it is over all networks and over a
stratum of the best, each with its interval and beside the ceiling that the noise of the truth sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from benchmark import datasets
from benchmark.evaluator import Evaluator, Label, Seen, Subject
from benchmark.recipe import Recipe
from benchmark.results import Score
from benchmark.values import Budget, Cell, Data, Images, Made, Probe, Real, Stage, Training
from evaluators._nas_scores import Guesses, guesses_of, scores_of
from evaluators._nas_spaces import DATASETS, EARLY_SHARE, NASBENCH201_SHA256, Space, read_space

__all__ = ["VERSION", "NasProxy"]

VERSION = 3

TRUTH = "DISTILLBENCH_NAS_TRUTH"
"""Environment variable: the path of the truth's file, where a plan names none."""
TRAINED = ("subject", "random-real", "herding", "early-stopping")


@dataclass(frozen=True)
class NasProxy(Evaluator):
    """A cell for each network, condition and seed, and one for each untrained network."""

    space: str = ""
    """`convnet-digits`, `nasbench201` or `convnet-grid`; empty: the first of the subject's dataset."""
    truth: str = ""
    """Path of the file with the truth of a space whose truth is not shipped; empty: what the environment names."""
    truth_sha256: str = NASBENCH201_SHA256
    n_networks: int = 0
    """Only so many of the space's networks, those that were drawn first; 0: all."""
    n_seeds: int = 3
    """Training seeds at most; of references that draw, each seed has its own draw."""
    herding_preset: str = "standard"

    quick: ClassVar[Mapping[str, Any]] = {"n_networks": 24, "herding_preset": "lite"}
    quick_seeds: ClassVar[int | None] = 1

    def skip_reason(self, subject: Subject) -> str | None:
        name = self._space_name(subject)
        if DATASETS.get(name) != subject.dataset:
            return f"no space of networks for {subject.dataset}; there are {', '.join(DATASETS)}"
        if subject.ipc is None:
            return "a set that states no images per class has no references of equal size"
        if subject.recipe.teacher:
            return "the recipe's teacher has seen the holdout, on which networks are ranked"
        if name != "convnet-digits" and not self._truth():
            return f"the truth of {name} is a file of yours; name it in {TRUTH} (docs/nas_proxy.md)"
        return None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        found: dict[Label, Cell] = {}
        holdout = Probe("accuracy", Real(subject.dataset, part="holdout"))
        untrained = tuple(Probe(name, Real(subject.dataset, part="holdout")) for name in ("parameters", "synflow"))
        for network in self._unique(self._space(subject)):
            found["untrained", network] = Cell(Training((), network, subject.recipe), (0,), untrained)
            for condition in TRAINED:
                for seed in self._seeds(subject):
                    training = Training(
                        (self._stage(subject, condition, seed),), network, self._recipe(subject, condition)
                    )
                    found[condition, network, seed] = Cell(training, (seed,), (holdout,))
        return found

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        space, networks = self._space(subject), self._unique(self._space(subject))
        sizes = guesses_of([seen["untrained", one] for one in networks], "parameters", "count", 0.0)
        flows = guesses_of([seen["untrained", one] for one in networks], "synflow", "log_score", 0.0)
        conditions = {"parameter-count": sizes, "synflow": flows}
        for name in TRAINED:
            rows = [sum((seen[name, one, seed] for seed in self._seeds(subject)), ()) for one in networks]
            conditions[name] = guesses_of(rows, "accuracy", "accuracy", self._cost(subject, name, space))
        early = {one.architecture: one.early for one in (*space.networks, *space.top)}
        if all(value is not None for value in early.values()):
            values = np.array([[early[one]] for one in networks], dtype=np.float64)
            conditions["epochs-12"] = Guesses(values, 100 * EARLY_SHARE)
        position = {one: i for i, one in enumerate(networks)}
        for name, guesses in conditions.items():
            yield from scores_of(space, position, name, guesses, sizes)

    # What is trained

    def _stage(self, subject: Subject, condition: str, seed: int) -> Stage:
        rest, images = Real(subject.dataset, part="minus-holdout"), subject.images
        same = Budget(ipc=subject.ipc)
        beside: dict[str, Images] = {
            "subject": images,
            "random-real": Made("random-real", "default", rest, same, seed),
            "herding": Made("herding", self.herding_preset, rest, same, seed),
            "early-stopping": self._early(subject, rest, seed),
        }
        return Stage(Data((beside[condition],)))

    def _early(self, subject: Subject, rest: Real, seed: int) -> Images:
        """What is seen in as many passes as the subject's training takes: all that is left, or a draw seen once."""
        passes = self._passes(subject)
        if passes >= _n_rest(subject) / 2:
            return rest
        return Made("random-real", "default", rest, Budget(ipc=max(1, passes // subject.n_classes)), seed)

    def _recipe(self, subject: Subject, condition: str) -> Recipe:
        passes = {"passes": self._passes(subject)} if condition == "early-stopping" else {}
        return subject.recipe.vary(name=subject.recipe.name, carried="ignore", **passes)

    def _passes(self, subject: Subject) -> int:
        """Image passes of one training on the subject."""
        n_images = subject.n_images or (subject.ipc or 1) * subject.n_classes
        return subject.recipe.n_epochs(n_images) * n_images

    def _cost(self, subject: Subject, condition: str, space: Space) -> float:
        """Image passes over all seeds, in percent of one full training; making a set is not in it."""
        beside = condition in ("random-real", "herding")  # fewer images where a decoder makes several of one
        passes = self._passes(replace(subject, n_images=None) if beside else subject)
        if condition == "early-stopping" and passes >= _n_rest(subject) / 2:
            passes = max(1, round(passes / _n_rest(subject))) * _n_rest(subject)
        return 100 * passes * len(self._seeds(subject)) / space.passes

    # What the networks are

    def _space_name(self, subject: Subject) -> str:
        return self.space or next((name for name, of in DATASETS.items() if of == subject.dataset), "")

    def _space(self, subject: Subject) -> Space:
        return read_space(self._space_name(subject), self._truth(), self.truth_sha256).first(self.n_networks)

    def _truth(self) -> str:
        return self.truth or os.environ.get(TRUTH, "")

    def _seeds(self, subject: Subject) -> tuple[int, ...]:
        return subject.recipe.seeds()[: self.n_seeds]

    @staticmethod
    def _unique(space: Space) -> list[str]:
        """Every network once, uniform ones first."""
        return list(dict.fromkeys(one.architecture for one in (*space.networks, *space.top)))


def _n_rest(subject: Subject) -> int:
    """Images of train minus its holdout, to the nearest image."""
    return round(0.9 * datasets.facts(subject.dataset).n_train)
