"""What an evaluator is: it plans what must be trained, and says what the outcomes mean. It never trains.

Both halves are pure: the same subject gives the same plan, the same outcomes the same scores. docs/evaluators.md ends
with a whole evaluator to copy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.architectures import canonical
from benchmark.recipe import Recipe
from benchmark.results import Score
from benchmark.values import Budget, Cell, Data, Images, Made, Outcome, Outcomes, Probe, Real, Stage, Stored, Training

__all__ = [
    "DEFAULT_ARCHITECTURE",
    "Evaluator",
    "Label",
    "Seen",
    "Subject",
    "accuracy_percent",
    "accuracy_score",
    "by_seed",
    "score_of",
    "worst",
]

DEFAULT_ARCHITECTURE = "convnet"
Label = Hashable
"""An evaluator's own name for a cell, e.g. `("order", 0, "step", 3)`."""
Seen = Mapping[Label, Outcomes]


@dataclass(frozen=True)
class Subject:
    """The set under evaluation, and the recipe that it is to be scored by."""

    images: Stored | Made
    """`Made` only while a plan is estimated; `Stored` when it is carried out."""
    dataset: str
    n_classes: int
    recipe: Recipe
    method: str
    ipc: int | None = None
    track: str = "hard"
    """`hard` or `soft`: how the set is labelled."""
    distil_seed: int | None = None
    made: Made | None = None
    """The request that a baseline of ours made the set for; None for sets made elsewhere."""
    bytes: int | None = None
    """Canonical bytes of the set; None where its size is not known yet."""
    class_by_class: bool = False
    """Whether the images of a class do not depend on which other classes there are."""
    n_images: int | None = None
    """Images that a network is trained on, after decoding; None where that is not known yet."""
    space: str = ""
    """The kind of space that the images are in (docs/synthetic_set.md); empty where it is not known yet."""
    part: str | None = None
    """The part of train that the set was made of, as `Real` names it; None: all of it, or not told."""

    @property
    def test(self) -> Real:
        return Real(self.dataset, split="test")

    @property
    def train(self) -> Real:
        """The real images that the set was made of."""
        return Real(self.dataset, part=self.part)

    def cell(
        self,
        architecture: str = DEFAULT_ARCHITECTURE,
        recipe: Recipe | None = None,
        probes: tuple[Probe, ...] | None = None,
    ) -> Cell:
        """Train on the whole set from scratch; by default measure accuracy on the test split at the end."""
        chosen = recipe or self.recipe
        training = Training((Stage(self.data(self.images, chosen)),), canonical(architecture), chosen)
        return Cell(training, chosen.seeds(), probes or (Probe("accuracy", self.test),))

    def data(self, images: Images, recipe: Recipe | None = None) -> Data:
        """Images with the labels that a recipe wants, by default the subject's: their own, or its teacher's.

        The teacher learns from what the set was made of, and under the subject's recipe whatever else varies.
        """
        teacher = (recipe or self.recipe).teacher
        if not teacher:
            return Data((images,))
        full = Data((Made("full-data", "default", self.train, Budget(), 0),))
        return Data((images,), Training((Stage(full),), canonical(teacher), self.recipe.on_full_data()))


class Evaluator:
    """Base of all evaluators: a frozen dataclass whose fields are its options, with defaults."""

    quick: ClassVar[Mapping[str, Any]] = {}
    """Options that a quick plan sets in place of the defaults, e.g. fewer severities (docs/plans.md)."""
    quick_seeds: ClassVar[int | None] = None
    """How many training seeds a quick plan uses; None: the recipe's."""

    def skip_reason(self, subject: Subject) -> str | None:
        """Why this evaluator says nothing about a subject; None when it does."""
        return None

    def plan(self, subject: Subject) -> dict[Label, Cell]:
        """The cells to be trained and measured, under labels of the evaluator's own."""
        raise NotImplementedError

    def scores(self, subject: Subject, seen: Seen) -> Iterable[Score]:
        """What the outcomes of the planned cells mean, one score for each number and seed."""
        raise NotImplementedError

    def suspicion(self, scores: Sequence[Score]) -> tuple[str, str] | None:
        """A code of docs/errors.md and a sentence, where its scores say that somebody must look at the set."""
        return None


def accuracy_percent(outcome: Outcome) -> float | None:
    """Top-1 accuracy over all classes in percent; None unless the outcome is `ok`."""
    if outcome.status != "ok":
        return None
    found = outcome.at_end()
    return 100.0 * float(sum(found["correct"])) / float(sum(found["total"]))


def accuracy_score(outcome: Outcome, architecture: str, condition: str = "") -> Score:
    """The score that most evaluators return: accuracy on the test split, one row a seed."""
    return score_of(outcome, architecture, "accuracy", accuracy_percent(outcome), condition=condition)


def score_of(
    outcome: Outcome,
    architecture: str,
    metric: str,
    value: float | None,
    unit: str = "percent",
    higher_is_better: bool = True,
    condition: str = "",
) -> Score:
    """One number of one outcome; where that is not `ok`, the row has no value, and its reason."""
    return Score(
        metric=metric,
        value=value if outcome.status == "ok" else None,
        unit=unit,
        higher_is_better=higher_is_better,
        architecture=architecture,
        seed=outcome.seed,
        condition=condition if outcome.status == "ok" else "; ".join(filter(None, (condition, outcome.reason))),
        status=outcome.status,
        numerics=outcome.numerics,
        device=outcome.device,
    )


def by_seed(*cells: Outcomes) -> dict[int, tuple[Outcome, ...]]:
    """The outcomes of one or several cells by training seed, each seed's in the order of cells and of their probes."""
    found: dict[int, tuple[Outcome, ...]] = {}
    for outcome in (outcome for cell in cells for outcome in cell):
        found[outcome.seed] = (*found.get(outcome.seed, ()), outcome)
    return found


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome that speaks for several: the first that is not `ok`, else the first."""
    return next((outcome for outcome in outcomes if outcome.status != "ok"), outcomes[0])
