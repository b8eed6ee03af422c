"""Methods: all that the site holds of one, over datasets, sizes and architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.boards import Board, BoardKey
from leaderboard.cells import FULL_DATA, LineKey, group
from leaderboard.entries import Entry
from leaderboard.plots import Curve, Point
from leaderboard.wording import details, track

__all__ = ["EntryLink", "Method", "Scaling", "Standing", "Transfer", "methods"]

METRIC = "accuracy"
BESIDE = "random-real"
"""Drawn beside every other method's curve: what is no better than this distils nothing."""


class Standing(NamedTuple):
    """A line of this method on a board."""

    key: BoardKey
    line: LineKey
    rank: int | None
    n_lines: int
    mean: float
    low: float
    high: float
    n: int
    over: str
    unit: str
    place: int
    """Number of the line on the board's page."""


@dataclass(frozen=True)
class Scaling:
    """Accuracy over images per class on one dataset, for one recipe, track and architecture."""

    dataset: str
    recipe: str
    track: str
    architecture: str
    curves: tuple[Curve, ...]
    """This method's, one for each of its presets and the like; last that of random-real."""

    @property
    def title(self) -> str:
        return (
            f"Accuracy over images per class on {self.dataset}, {self.architecture}, {self.recipe}, {track(self.track)}"
        )


@dataclass(frozen=True)
class Transfer:
    """Mean accuracy of this method by architecture, for one recipe."""

    recipe: str
    names: tuple[str, ...]
    columns: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]


class EntryLink(NamedTuple):
    """One of its sets."""

    digest: str
    dataset: str
    ipc: int | None
    bytes: int | None
    track: str
    preset: str
    contributor: str
    seeds: tuple[int, ...]
    state: str


@dataclass(frozen=True)
class Method:
    """A method as its page shows it."""

    name: str
    standings: tuple[Standing, ...]
    scalings: tuple[Scaling, ...]
    transfers: tuple[Transfer, ...]
    entries: tuple[EntryLink, ...]
    versions: tuple[tuple[str, str], ...]
    """(evaluator and version, recipe) under which it was scored."""


def methods(boards: Sequence[Board], entries: Sequence[Entry], states: Mapping[str, str]) -> list[Method]:
    """Every method that has an entry, by name."""
    standings: dict[str, list[Standing]] = {}
    for board in boards:
        for found in _standings(board):
            standings.setdefault(found.line.method, []).append(found)
    by_method: dict[str, list[Entry]] = {}
    for entry in entries:
        for name in entry.methods:
            by_method.setdefault(name, []).append(entry)
    beside = standings.get(BESIDE, [])
    return [_method(name, standings.get(name, []), beside, by_method[name], states) for name in sorted(by_method)]


def _standings(board: Board) -> list[Standing]:
    found = []
    for place, line in enumerate((*board.lines, *board.references), 1):
        seen = line.cell.interval
        found.append(
            Standing(
                board.key, line.key, line.rank, len(board.lines), seen.mean, seen.low, seen.high, seen.n,
                line.cell.over, board.unit, place,
            )
        )  # fmt: skip
    return found


def _method(
    name: str, found: list[Standing], beside: list[Standing], entries: list[Entry], states: Mapping[str, str]
) -> Method:
    links = []
    for entry in entries:
        card = entry.card
        preset, contributor = (card.text("preset"), card.text("contributor")) if card else ("", "")
        row = entry.row
        seeds, state = entry.seeds, states.get(entry.digest, "")
        links.append(
            EntryLink(entry.digest, row.dataset, row.ipc, row.bytes, row.track, preset, contributor, seeds, state)
        )
    versions = {
        (f"{row.evaluator} version {'?' if row.version is None else row.version}", row.recipe)
        for entry in entries
        for row in entry.rows
    }
    scored = [one for one in found if one.n and one.key.metric == METRIC]
    return Method(
        name,
        tuple(found),
        () if name == FULL_DATA else tuple(_scalings(scored, [] if name == BESIDE else beside)),
        tuple(_transfers(scored)),
        tuple(links),
        tuple(sorted(versions)),
    )


def _scalings(found: Sequence[Standing], beside: Sequence[Standing]) -> list[Scaling]:
    """One for each dataset, recipe and track, on the architecture with most sizes."""
    kept = []
    for _, members in group((one for one in found if one.key.ipc), _without_architecture).items():
        by_architecture = group(members, lambda one: one.key.architecture)
        chosen = max(by_architecture.values(), key=lambda some: len({one.key.ipc for one in some}))
        key = chosen[0].key
        others = [
            one for one in beside if one.key._replace(ipc=None) == key._replace(ipc=None) and one.n and one.key.ipc
        ]
        own = [_curve(words, some) for words, some in group(chosen, _words).items()]
        own = [curve for curve in own if len(curve.points) > 1]
        if own:
            extra = (_curve(BESIDE, others),) if len({one.key.ipc for one in others}) > 1 else ()
            kept.append(Scaling(key.dataset, key.recipe, key.track, key.architecture, (*own, *extra)))
    return kept


def _without_architecture(one: Standing) -> BoardKey:
    return one.key._replace(ipc=None, architecture="")


def _words(one: Standing) -> str:
    return ", ".join([one.line.method, *details(one.line)])


def _curve(name: str, found: Sequence[Standing]) -> Curve:
    best = {one.key.ipc: one for one in sorted(found, key=lambda one: (one.mean, one.line.digest))}
    points = [Point(float(ipc or 0), best[ipc].mean, best[ipc].low, best[ipc].high) for ipc in sorted(best, key=_size)]
    return Curve(name, tuple(points))


def _size(ipc: int | None) -> int:
    return ipc or 0


def _transfers(found: Sequence[Standing]) -> list[Transfer]:
    """Rows are dataset, size and what tells lines apart; columns are architectures."""
    kept = []
    for recipe, members in group(found, lambda one: one.key.recipe).items():
        columns = sorted({one.key.architecture for one in members})
        rows = {
            (key, words): {one.key.architecture: one.mean for one in some}
            for (key, words), some in group(members, lambda one: (_without_recipe(one), _words(one))).items()
        }
        rows = {place: means for place, means in rows.items() if len(means) > 1}
        if rows:
            names = tuple(key[0] if key[1] is None else f"{key[0]}, {key[1]} per class" for key, _ in rows)
            means = tuple(tuple(row.get(column) for column in columns) for row in rows.values())
            kept.append(Transfer(recipe, names, tuple(columns), means))
    return kept


def _without_recipe(one: Standing) -> tuple[str, int | None, str, LineKey]:
    return (one.key.dataset, one.key.ipc, one.key.track, one.line)
