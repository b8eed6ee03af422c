"""What cells stand on: sets that must be made first, and teachers that must be trained first.

Free of torch. The runner carries a plan out in three phases, sets, teachers, students, and these functions say what
belongs in the first two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from benchmark.values import Cell, Data, Images, Made, Probe, Requantised, Stored, Training, digest, to_json

__all__ = ["TEACHER_PROBE", "TEACHER_SEED", "alike", "made_in", "teachers", "with_sets"]

Label = TypeVar("Label")

TEACHER_SEED = 0
"""The training seed of every teacher: labels must not vary with the student's."""
TEACHER_PROBE = Probe("weights")


def made_in(trainings: Iterable[Training]) -> list[Made]:
    """Every set that is still to be made for some trainings and their teachers, in the order of appearance."""
    images = (_whole(one) for training in trainings for data in _data(training) for one in data.images)
    return list(dict.fromkeys(one for one in images if isinstance(one, Made)))


def with_sets(cell: Cell, found: Mapping[Made, str]) -> Cell:
    """The cell with the digest of every set that was made; what could not be made stays as it is."""
    return replace(cell, training=_training_with(cell.training, found))


def alike(plans: Iterable[Mapping[Label, Cell]]) -> list[dict[Label, Cell]]:
    """The plans with one value for each training, so that it is trained once.

    Some differ in what names no outcome: what a recipe is called, and how many seeds it asks for, as a quick form does.
    """
    known: dict[str, Training] = {}

    def first(cell: Cell) -> Cell:
        name = digest(to_json(cell.training))
        return replace(cell, training=known.setdefault(name, cell.training))

    return [{label: first(cell) for label, cell in planned.items()} for planned in plans]


def teachers(cells: Iterable[Cell]) -> list[Cell]:
    """The trainings whose outputs are labels in others, as cells that keep their weights; each once."""
    labels = (data.labels for cell in cells for data in _own_data(cell.training))
    found = dict.fromkeys(one for one in labels if isinstance(one, Training))
    return [Cell(teacher, (TEACHER_SEED,), (TEACHER_PROBE,)) for teacher in found]


def _whole(images: Images) -> Images:
    """What stands beneath a set that is shown coarser."""
    return images.of if isinstance(images, Requantised) else images


def _own_data(training: Training) -> Iterator[Data]:
    """What a training's stages show, without what its teachers learnt from."""
    for stage in training.stages:
        yield stage.stream
        if stage.memory is not None:
            yield stage.memory


def _data(training: Training) -> Iterator[Data]:
    for data in _own_data(training):
        yield data
        if isinstance(data.labels, Training):
            yield from _data(data.labels)


def _with_digest(images: Images, found: Mapping[Made, str]) -> Images:
    if isinstance(images, Made) and images in found:
        return Stored(found[images])
    if isinstance(images, Requantised) and isinstance(images.of, Made) and images.of in found:
        return replace(images, of=Stored(found[images.of]))
    return images


def _training_with(training: Training, found: Mapping[Made, str]) -> Training:
    def filled(data: Data) -> Data:
        images = tuple(_with_digest(one, found) for one in data.images)
        labels = _training_with(data.labels, found) if isinstance(data.labels, Training) else data.labels
        return Data(images, labels)

    stages = (
        replace(stage, stream=filled(stage.stream), memory=filled(stage.memory) if stage.memory else None)
        for stage in training.stages
    )
    return replace(training, stages=tuple(stages))
