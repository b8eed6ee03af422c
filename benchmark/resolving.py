"""Puts sets in the place of requests: what evaluators want made beside their subject is `Stored` before any key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from benchmark.values import Cell, Data, Made, Stored, Training

__all__ = ["resolved", "wanted"]


def wanted(cells: Iterable[Cell]) -> list[Made]:
    """Every set that some cells want made, teachers' included, each once, in the order first met."""
    return list(dict.fromkeys(made for cell in cells for made in _of_training(cell.training)))


def resolved(cell: Cell, digests: Mapping[Made, str]) -> Cell:
    """The cell on stored sets; a set that is not among `digests`, for it could not be made, stays as it is."""
    return replace(cell, training=_training(cell.training, digests))


def _of_training(training: Training) -> Iterator[Made]:
    for stage in training.stages:
        for data in (stage.stream, stage.memory):
            if data is not None:
                yield from (images for images in data.images if isinstance(images, Made))
                if isinstance(data.labels, Training):
                    yield from _of_training(data.labels)


def _training(training: Training, digests: Mapping[Made, str]) -> Training:
    def put(data: Data) -> Data:
        images = tuple(Stored(digests[one]) if isinstance(one, Made) and one in digests else one for one in data.images)
        labels = _training(data.labels, digests) if isinstance(data.labels, Training) else data.labels
        return Data(images, labels)

    stages = tuple(
        replace(stage, stream=put(stage.stream), memory=None if stage.memory is None else put(stage.memory))
        for stage in training.stages
    )
    return replace(training, stages=stages)
