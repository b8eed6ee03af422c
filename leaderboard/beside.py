"""What stands beside a board's ranks: the claims of contributors, and sets that nobody has scored.

Claims come from the card field `claims` and are strangers' words: what has another type than it should is left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from leaderboard.lines import Stated
from leaderboard.sources import Card

__all__ = ["Beside", "Claim", "Place", "Unscored", "beside", "claims_of", "place_of"]

MOST = 20
"""Claims that are read of one card."""


class Place(NamedTuple):
    """What all sets of a board share."""

    dataset: str
    ipc: int | None
    track: str


@dataclass(frozen=True)
class Claim:
    """A number that a contributor states; never ranked."""

    set: str
    method: str
    metric: str
    value: float
    unit: str
    sd: float | None
    n: int | None
    protocol: str
    """How it was measured, in the contributor's words."""
    source: str


@dataclass(frozen=True)
class Unscored:
    """A set without a single row, and why."""

    set: str
    method: str
    state: str
    reason: str


@dataclass
class Beside:
    """What stands beside the boards of one place."""

    claims: list[Claim] = field(default_factory=list)
    unscored: list[Unscored] = field(default_factory=list)


def beside(cards: Mapping[str, Card], states: Mapping[str, Stated], scored: Collection[str]) -> dict[Place, Beside]:
    """Claims of all cards, and sets with a state that have no row, by place and in order of their digests."""
    found: dict[Place, Beside] = {}
    for digest in sorted(cards):
        card = cards[digest]
        here = found.setdefault(place_of(card), Beside())
        here.claims += claims_of(digest, card)
        if digest in states and digest not in scored:
            said = states[digest]
            here.unscored.append(Unscored(digest, card.text("method"), said.state, said.reason))
    return found


def place_of(card: Card) -> Place:
    """The place of a set whose rows nobody has made; an absent size is that of the whole dataset."""
    ipc = card.fields.get("ipc")
    track = "hard" if card.part("labels").get("kind", "hard") == "hard" else "soft"
    return Place(card.text("dataset"), ipc if type(ipc) is int else None, track)


def claims_of(digest: str, card: Card) -> list[Claim]:
    """What a card claims; what is no number is left out."""
    listed = card.fields.get("claims")
    return [_claim(digest, card, one) for one in listed[:MOST] if _is_claim(one)] if isinstance(listed, list) else []


def _is_claim(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("metric"), str) and _number(one.get("value")) is not None


def _claim(digest: str, card: Card, one: Mapping[str, Any]) -> Claim:
    unit, protocol, source = (_text(one.get(name)) for name in ("unit", "protocol", "source"))
    n = one.get("n")
    value = _number(one["value"])
    return Claim(
        set=digest,
        method=card.text("method"),
        metric=one["metric"],
        value=math.nan if value is None else value,
        unit=unit,
        sd=_number(one.get("sd")),
        n=n if type(n) is int else None,
        protocol=protocol,
        source=source,
    )


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and abs(value) < 1e12 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
