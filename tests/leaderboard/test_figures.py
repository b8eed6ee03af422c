"""Figures: one file for the same numbers, words inside, nothing from elsewhere, strangers' text inert."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from benchmark.results import frame
from leaderboard.boards import Board, boards
from leaderboard.drawing import INKS
from leaderboard.figures import accuracy, heatmap, transferred
from leaderboard.grids import Grid, transfer_grids
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import PLAIN

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def board(demo: Path) -> Board:
    source = read([demo])
    return boards(rows_of(source.results), source.cards)[0]


@pytest.fixture(scope="module")
def grid(demo: Path) -> Grid:
    source = read([demo])
    return transfer_grids(rows_of(source.results), source.cards)[0]


def of(*changes: dict[str, Any]) -> Board:
    return boards(rows_of(frame([{**PLAIN, **change} for change in changes])), {})[0]


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_figure_is_the_same_twice(board: Board, grid: Grid) -> None:
    assert accuracy(board, "Title") == accuracy(board, "Title")
    assert heatmap(grid, "Title") == heatmap(grid, "Title")


def test_the_readers_matplotlib_settings_change_nothing(board: Board) -> None:
    before = accuracy(board, "Title")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path", "text.color": "red"}):
        assert accuracy(board, "Title") == before


def test_a_figure_says_what_it_shows(board: Board) -> None:
    drawing = accuracy(board, "Accuracy by method")
    root = ElementTree.fromstring(drawing.svg)
    assert root.findtext(f"{SVG}title") == "Accuracy by method"
    told = root.findtext(f"{SVG}desc")
    assert told == drawing.description
    for line in board.lines:
        assert f"{line.key.method} {line.cell.interval.mean:.1f}" in told
        assert line.key.method in texts(drawing.svg)
    assert root.get("role") == "img"


def test_every_single_value_is_a_dot(board: Board) -> None:
    root = ElementTree.fromstring(accuracy(board, "Title").svg)
    marks = [element for element in root.iter(f"{SVG}use") if INKS["dot"][0] in element.get("style", "")]
    lines = (*board.lines, *board.references)
    assert len(marks) == sum(len(line.cell.values) for line in lines)


def test_a_heatmap_holds_every_mean_and_leaves_out_what_was_tried_once(grid: Grid) -> None:
    drawing = heatmap(grid, "Title")
    assert {line.key.method for line in transferred(grid)} == {"dm", "random-real"}
    for line in transferred(grid):
        for found in line.cells:
            assert found is not None
            assert f"{found.interval.mean:.1f}" in texts(drawing.svg)
    assert "herding" not in texts(drawing.svg)


def test_a_cell_that_was_not_run_says_so() -> None:
    tried = [("dm", "convnet"), ("dm", "mlp"), ("dm", "lenet"), ("herding", "convnet"), ("herding", "mlp")]
    rows = [{**PLAIN, "method": method, "set": method[0] * 64, "architecture": name} for method, name in tried]
    [grid] = transfer_grids(rows_of(frame(rows)), {})
    drawing = heatmap(grid, "Title")
    assert "not run" in texts(drawing.svg)
    assert "lenet not run" in drawing.description


def test_nothing_comes_from_elsewhere(board: Board, grid: Grid) -> None:
    for drawing in (accuracy(board, "Title"), heatmap(grid, "Title")):
        without_namespaces = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing.svg)
        assert "http" not in without_namespaces
        assert "DOCTYPE" not in drawing.svg
        assert re.findall(r"url\((?!#)", drawing.svg) == []
        assert not re.search(r"20\d\d-\d\d-\d\d", drawing.svg)  # no date


def test_every_ink_of_the_page_has_its_dark_partner(board: Board) -> None:
    svg = accuracy(board, "Title").svg
    assert "prefers-color-scheme: dark" in svg
    body = svg.partition("</style>")[2]
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", body))
    assert used <= {light for light, _ in INKS.values()}


def test_text_is_drawn_as_text_and_never_as_a_formula() -> None:
    name = r"$\frac{1}{0}$ <b>&"
    drawing = accuracy(of({"method": name}), name)
    assert name in texts(drawing.svg)
    assert ElementTree.fromstring(drawing.svg).findtext(f"{SVG}title") == name


def test_characters_that_the_font_lacks_become_boxes() -> None:
    shown = texts(accuracy(of({"method": "日本 \u202ex"}), "Title").svg)
    assert "□□ ⟨U+202E⟩x" in shown


@pytest.mark.parametrize("values", [[50.0], [0.0, 0.0, 0.0], [100.0, 100.0, 100.0]])
def test_any_values_can_be_drawn(values: list[float]) -> None:
    board = of(*({"seed": seed, "value": value} for seed, value in enumerate(values)))
    ElementTree.fromstring(accuracy(board, "Title").svg)


def test_a_board_without_values_can_be_drawn() -> None:
    ElementTree.fromstring(accuracy(of({"value": None, "status": "failed"}), "Title").svg)
