"""Reliability diagrams: bins as the evaluator tells them, counted by hand, and the figure on the set's page."""

from __future__ import annotations

from pathlib import Path

import pytest

import leaderboard
from leaderboard.calibrations import reliabilities
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import FakeStore, card_of
from tests.leaderboard.reading import read_page

BINS = {1: (0, 0, 3.3), 2: (4, 1, 10.0), 3: (6, 3, 17.5)}
"""Images, right ones, mean confidence in percent."""


def calibrated(root: Path, **left_out: int) -> tuple[FakeStore, str]:
    """A store with one set of which calibration was measured; `left_out`: a number that one bin lacks."""
    fake = FakeStore(root)
    digest = fake.add_set(card_of("dm", 1, 0))
    fake.add_row(set=digest, architecture="mlp")
    shared = {
        "set": digest,
        "architecture": "mlp",
        "evaluator": "calibration/quick",
        "condition": "as trained",
        "seed": None,
    }
    for k, numbers in BINS.items():
        for name, value in zip(("images", "right", "confidence"), numbers, strict=True):
            if left_out.get(name) != k:
                fake.add_row(**shared, metric=f"bin_{name}_{k}", value=float(value))
    return fake, digest


def test_bins_that_hold_images_are_told_in_order(tmp_path: Path) -> None:
    fake, digest = calibrated(tmp_path / "store")
    ((one,),) = reliabilities(rows_of(read([fake.write()]).results)).values()
    assert (one.set, one.architecture) == (digest, "mlp")
    told = [number for found in one.bins for number in found]
    assert told == pytest.approx([0.10, 0.25, 4, 0.175, 0.5, 6])


def test_a_bin_that_lacks_a_number_is_left_out(tmp_path: Path) -> None:
    fake, _ = calibrated(tmp_path / "store", right=2)
    ((one,),) = reliabilities(rows_of(read([fake.write()]).results)).values()
    assert [n for _, _, n in one.bins] == [6]


def test_a_calibrated_set_has_a_diagram_on_its_page(tmp_path: Path) -> None:
    fake, digest = calibrated(tmp_path / "store")
    site = leaderboard.build([fake.write()], tmp_path / "site").index.parent
    page = read_page(site / "entry" / f"{digest}.html")
    [figure] = [image["src"] for image in page.all("img") if "reliability-" in image["src"]]
    assert "6 images at confidence 0.175: accuracy 0.500" in (page.path.parent / figure).read_text(encoding="utf-8")
    assert "Reliability of networks trained on dm on digits" in page.text
