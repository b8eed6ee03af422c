"""Reliability of networks trained on a set: accuracy over confidence, from the bins that `calibration` tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from leaderboard.cells import of_evaluator
from leaderboard.sources import Row

__all__ = ["Reliability", "reliabilities"]

BIN = re.compile(r"bin_(images|right|confidence)_([0-9]{1,3})")


class Reliability(NamedTuple):
    """One set under one recipe on one architecture."""

    set: str
    evaluator: str
    recipe: str
    architecture: str
    bins: tuple[tuple[float, float, int], ...]
    """(mean confidence, accuracy, images) of each bin that holds images, both in 0..1."""


def reliabilities(rows: Sequence[Row]) -> dict[str, list[Reliability]]:
    """By set, of every place where calibration was measured."""
    found: dict[str, list[Reliability]] = {}
    for place, members in of_evaluator(rows, "calibration").items():
        bins = _bins(members)
        if bins:
            found.setdefault(place[0], []).append(Reliability(*place, bins))
    return found


def _bins(rows: Sequence[Row]) -> tuple[tuple[float, float, int], ...]:
    """Bins in order; one that is empty, or that lacks a number, is left out."""
    by_bin: dict[int, dict[str, float]] = {}
    for row in rows:
        if found := BIN.fullmatch(row.metric):
            by_bin.setdefault(int(found[2]), {})[found[1]] = row.value
    whole = [by_bin[k] for k in sorted(by_bin) if len(by_bin[k]) == 3 and by_bin[k]["images"] >= 1]
    return tuple((one["confidence"] / 100, one["right"] / one["images"], round(one["images"])) for one in whole)
