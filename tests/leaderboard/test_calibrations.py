"""Reliability diagrams: bins counted by hand, and logits found under the name that an evaluation gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import leaderboard
from benchmark import keys, recipe
from benchmark.store import Store
from benchmark.values import Data, Outcome, Probe, Real, Stage, Stored, Training, to_json
from leaderboard.calibrations import binned
from tests.leaderboard.conftest import FakeStore, card_of
from tests.leaderboard.reading import read_page

LOGITS = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.2, 0.8]]))
LABELS = np.array([0, 1, 1, 1])


def test_bins_hold_mean_confidence_accuracy_and_images() -> None:
    # 0.55 lies in (8/15, 9/15], 0.8 in (11/15, 12/15], 0.9 twice in (13/15, 14/15]; one of the latter is wrong
    found = binned([(LOGITS, LABELS)])
    assert [n for _, _, n in found] == [1, 1, 2]
    assert [right for _, right, _ in found] == [1.0, 1.0, 0.5]
    assert [confidence for confidence, _, _ in found] == pytest.approx([0.55, 0.8, 0.9])
    assert binned([(LOGITS, LABELS), (LOGITS, LABELS)])[2][2] == 4


def test_a_set_with_stored_logits_has_a_diagram_on_its_page(tmp_path: Path) -> None:
    fake = FakeStore(tmp_path / "store")
    digest = fake.add_set(card_of("dm", 1, 0))
    for metric in ("accuracy", "ece"):
        named = {"evaluator": "calibration", "condition": "as trained"} if metric == "ece" else {}
        fake.add_row(set=digest, metric=metric, architecture="mlp", **named)
    training = Training((Stage(Data((Stored(digest),))),), "mlp", recipe.load("standard-v1-lite"))
    probe = Probe("logits", Real("digits", "test"))
    value = {"end": {"logits": LOGITS.astype(np.float16), "labels": LABELS}}
    outcome = Outcome(probe=probe, seed=0, status="ok", value=value, numerics="cpu-eager-float32", device="cpu")
    Store(fake.root).write_outcome(keys.outcome_name(training, 0, probe), to_json(training), outcome, {})
    site = leaderboard.build([fake.write()], tmp_path / "site").index.parent
    page = read_page(site / "entry" / f"{digest}.html")
    [figure] = [image["src"] for image in page.all("img") if "reliability-" in image["src"]]
    assert "2 images at confidence 0.900: accuracy 0.500" in (page.path.parent / figure).read_text(encoding="utf-8")
    assert "Reliability of networks trained on dm on digits" in page.text
