"""What an evaluator is told of a set, made or still to be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.plan import Job
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.subjects import subject_of
from benchmark.values import Budget, Made, Real, Stored


@pytest.mark.parametrize(
    "asked",
    [
        Made("random-real", "default", Real("digits", part="minus-holdout"), Budget(ipc=1), 3),
        Made("coded-random", "jpeg-25", Real("digits"), Budget(bytes=650), 3),
    ],
)
def test_an_evaluator_learns_how_a_set_was_made(tmp_path: Path, asked: Made) -> None:
    runner = Runner(Store(tmp_path), "cpu", workers=1)
    digest = runner.make([asked])[asked]
    by_request, by_digest = (
        subject_of(Job(images, "x", "standard-v1-lite"), Stored(digest), runner.materials) for images in (asked, digest)
    )
    unmade = subject_of(Job(asked, "x", "standard-v1-lite"), asked, runner.materials)
    assert by_request == by_digest and by_digest.n_images and by_digest.space == "pixel"
    assert by_digest.train == asked.real
    for subject in (by_request, unmade):
        assert (subject.made, subject.class_by_class, subject.part) == (asked, asked.budget.ipc == 1, asked.real.part)
        assert subject.n_images == by_digest.n_images
        assert subject.bytes == 650 or asked.budget.bytes  # coded images fill a budget as far as they can
