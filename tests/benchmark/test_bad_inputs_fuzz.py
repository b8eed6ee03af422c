"""A slice of the fuzzing of set folders: the bar is `python -m tests.evidence bad_inputs_fuzz`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from benchmark.store import Store
from tests.benchmark.bad_inputs import judged
from tests.benchmark.fuzz import Mutation, mutations, tampered


@settings(max_examples=70, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(chosen=mutations)
def test_whatever_is_handed_in_is_taken_or_refused_and_never_a_bug(chosen: Sequence[Mutation]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "my-set"
        folder.mkdir()
        for one in tampered(chosen):
            one.write(folder)
            judged(folder, Store(Path(place) / "store"))
        assert [path.name for path in Path(place).iterdir()] == ["my-set"]
