"""What a scan found: the record that the store keeps and the pages show. Free of torch, numpy and scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmark.errors import InvalidInput

__all__ = ["FORMAT", "PAIRS", "STATES", "VERSION", "Pair", "Scan"]

FORMAT = 1
VERSION = 1
"""Of the scan itself; goes up whenever it would find something else. A record of another version is made anew."""
STATES = ("clean", "flagged", "refused", "not-scanned")
PAIRS = 20
"""Pairs of images that a record names, the worst first."""


@dataclass(frozen=True)
class Pair:
    """An image of the set beside the test image that it lies nearest to."""

    image: int
    """Position in the set."""
    test: int
    """Position in the test split, canonical order."""
    turn: str
    """How the image is turned to lie over the test image: `as it is`, `mirrored`, `upside down`, `half turn`."""
    ratio: float
    """Distance to the test image over the distance to the nearest training image; 0: a copy."""
    levels: int | None = None
    """Largest difference of a pixel, in levels of 0..255, where it is a copy (0 or 1); None where it is not."""
    train: int | None = None
    """Position of the nearest training image; None where none was looked for."""


@dataclass(frozen=True)
class Scan:
    """One scan of one set."""

    set: str
    """Its digest."""
    dataset: str
    dataset_digest: str
    state: str
    """One of STATES."""
    reason: str
    """One sentence that states the finding."""
    code: str = ""
    """E601 where it is refused, E602 where it is flagged."""
    images: int = 0
    """Images of the set, decoded."""
    images_searched: int = 0
    """Of them, how many were compared with their nearest neighbours; copies are looked for among all."""
    copies: int = 0
    """Images that equal a test image, turned or not, within one level, and no training image so well."""
    duplicates_in_train: int = 0
    """Images that equal a test image, and a training image as well: duplicates that the dataset itself has."""
    near_test: int = 0
    """Distinct test images that an image of the set lies nearer to than 99 % of real training images lie to any."""
    near_test_by_chance: float = 0.0
    """How many there would be by chance among as many real training images."""
    nearest_in_test: int = 0
    """Distinct test images that are an image's nearest neighbour of all; `nearest_in_train` likewise."""
    nearest_in_train: int = 0
    share_in_test_by_chance: float = 0.0
    """Share of them that would be test images if the set knew neither split."""
    ratio_of_near: float = 0.0
    """The ratio below which an image counts as near: the lowest 1 % of real training images."""
    pairs: tuple[Pair, ...] = ()
    version: int = VERSION

    @property
    def is_suspect(self) -> bool:
        """Whether the set stays without a rank until somebody has looked at it."""
        return self.state in ("flagged", "refused")

    def to_json(self) -> dict[str, Any]:
        """The content of scans/<digest>.json."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Any) -> Scan:
        """Undo `to_json`; raises InvalidInput where something else was stored."""
        if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
            raise InvalidInput("this is no record of a scan that this version reads. Fix: update, or scan again.")
        try:
            pairs = tuple(_checked(Pair(**pair)) for pair in stored["pairs"])
            plain = {name: value for name, value in stored.items() if name != "format"}
            found: Scan = _checked(cls(**{**plain, "pairs": pairs}))
        except (TypeError, KeyError) as fault:
            raise InvalidInput(f"this is no record of a scan ({str(fault)[:100]}). Fix: scan again.") from fault
        if found.state not in STATES:
            raise InvalidInput(f"a scan's state is one of {', '.join(STATES)}. Fix: scan again.")
        return found


_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "int | None": (int, type(None)),
    "tuple[Pair, ...]": (tuple,),
}


def _checked(value: Any) -> Any:
    """The same value, if its fields hold what they are declared to; raises TypeError."""
    for field in fields(value):
        found = getattr(value, field.name)
        if isinstance(found, bool) or not isinstance(found, _TYPES[str(field.type)]):
            raise TypeError(f"{field.name} has another type")
    return value
