"""Figures of plain numbers: all of them in words, the same twice, valid whatever comes."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from leaderboard.drawing import INKS, Drawing
from leaderboard.plots import Curve, Point, critical_difference, curves, front, intervals, reliability, scatter

SVG = "{http://www.w3.org/2000/svg}"
CURVES = [Curve("dm", (Point(1, 60.0, 58.0, 62.0), Point(10, 80.0))), Curve("$x^2$", (Point(1, 50.0), Point(10, 70.0)))]
POINTS = [Point(650, 70.0, 68.0, 72.0, "dm", True), Point(6500, 69.0, name="herding"), Point(70_000, 90.0, name="x")]
RANKS = [("dm", 1.25), ("herding", 2.0), ("random-real", 2.75)]
DRAWINGS = {
    "curves": lambda: curves(CURVES, "Title", "images per class", "accuracy", True),
    "front": lambda: front(POINTS, "Title", "bytes", "accuracy"),
    "ranks": lambda: critical_difference(RANKS, [(0, 1)], "Title"),
    "intervals": lambda: intervals([Point(0, 0.6, 0.4, 0.8, "subject")], "Title", "rho"),
    "reliability": lambda: reliability([(0.55, 0.5, 10), (0.95, 0.8, 90)], "Title"),
    "scatter": lambda: scatter([Point(90.0, 70.0), Point(95.0, 65.0)], "Title", "truth", "guess", "rho $0.5$."),
}


def texts(drawing: Drawing) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", DRAWINGS)
def test_a_plot_is_the_same_twice_and_says_what_it_shows(kind: str) -> None:
    drawing = DRAWINGS[kind]()
    assert drawing == DRAWINGS[kind]()
    root = ElementTree.fromstring(drawing.svg)
    assert root.findtext(f"{SVG}title") == "Title"
    assert root.findtext(f"{SVG}desc") == drawing.description != ""
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawing.svg.partition("</style>")[2]))
    assert used <= {light for light, _ in INKS.values()}


def test_curves_name_every_point_and_draw_no_formula() -> None:
    drawing = DRAWINGS["curves"]()
    assert drawing.description == "dm: 60.00 (58.00 to 62.00) at 1, 80.00 at 10; $x^2$: 50.00 at 1, 70.00 at 10"
    assert "$x^2$" in texts(drawing)


def test_a_front_names_its_best_and_has_round_ticks() -> None:
    drawing = DRAWINGS["front"]()
    assert "dm" in texts(drawing) and "herding" not in texts(drawing)
    assert {"1 k", "10 k"} <= set(texts(drawing))
    assert "dm 70.00 (68.00 to 72.00) at 650, on the front" in drawing.description


def test_a_scatter_tells_its_dots() -> None:
    assert DRAWINGS["scatter"]().description == "rho $0.5$. 70.00 at 90; 65.00 at 95"


def test_a_rank_diagram_tells_the_ranks_and_the_ties() -> None:
    drawing = DRAWINGS["ranks"]()
    assert {"dm", "1.25", "2.75"} <= set(texts(drawing))
    assert drawing.description.endswith("Not told apart: dm to herding")


@pytest.mark.parametrize("value", [0.0, 1e-9, 1e15])
def test_any_cost_can_be_drawn(value: float) -> None:
    point = Point(max(value, 1.0), 50.0, name="x")
    ElementTree.fromstring(front([point, Point(1.0, math.pi, name="y", best=True)], "t", "x", "y").svg)


def test_more_curves_than_inks_stay_in_words() -> None:
    many = [Curve(f"method {k}", (Point(1, k), Point(10, k + 1))) for k in range(12)]
    drawing = curves(many, "Title", "x", "y")
    assert "method 11" in drawing.description
    assert "method 11" not in texts(drawing)
