"""Synthetic sets: tensors and a card, their digest, their bytes, and the one validator of both.

Free of torch, so that `submit` answers at once. docs/synthetic_set.md states the format field by field. Only
safetensors and JSON are read; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import datasets
from benchmark._seal import SEAL
from benchmark.space import Space
from benchmark.values import canonical_json, digest

__all__ = ["CARD_LIMIT", "FORMAT", "Card", "Decoder", "Labels", "SyntheticSet", "byte_ledger", "labels_array"]

FORMAT = 1
CARD_LIMIT = 64 * 2**10
"""Bytes of a stored card.json that are read; a contributor's has at most a quarter, so that ours always fits."""
LABEL_KINDS = ("hard", "probabilities", "logits")
TRAINING_FIELDS = ("dataset_digest", "space", "labels", "decoder", "schedule")
"""Card fields that change a training; the set's digest covers them and the tensors."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Labels:
    """What the label tensor holds."""

    kind: str = "hard"
    """`hard`: class ids; `probabilities` or `logits`: one row of C numbers for each image."""
    temperature: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind} if self.kind == "hard" else {"kind": self.kind, "temperature": self.temperature}


@dataclass(frozen=True)
class Decoder:
    """A registered function from the stored tensors to training images; code never travels."""

    name: str = "identity"
    version: int = 1
    options: tuple[tuple[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "options": dict(self.options)}


@dataclass(frozen=True)
class Card:
    """What stands beside the tensors. Fields after `schedule` describe; they do not move the digest."""

    dataset: str
    dataset_digest: str
    space: Space
    method: str
    """The method's name on the boards: lower-case letters, digits, `.`, `_`, `-`."""
    labels: Labels = Labels()
    decoder: Decoder = Decoder()
    schedule: Mapping[str, Any] | None = None
    """Carried order and learned rates; used by a set's paper recipe only."""
    ipc: int | None = None
    """Images per class; None where classes differ (full data) or a decoder makes more."""
    distil_seed: int | None = None
    preset: str = ""
    distilled_on: str = "train"
    """`train`, or a part of it: `train-minus-holdout`, `train-half-03`."""
    classes: tuple[int, ...] | None = None
    """The class ids that the set is of; None: all. A set of some is one of a family made step by step."""
    class_by_class: bool = False
    """Whether the images of a class do not depend on which other classes there are."""
    label_origin: Mapping[str, Any] | None = None
    """Where labels that are no class ids come from: `by` `method`, or `teacher` with its `sha256` and `trained_on`."""
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    contributor: str = ""
    notes: str = ""
    date: str = ""
    """When the set was made, YYYY-MM-DD; empty: not told."""
    claims: tuple[Mapping[str, Any], ...] = ()
    """What the contributor measured: shown as claimed, never ranked."""
    cost: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)

    @property
    def track(self) -> str:
        """The label track that the set is ranked in."""
        return "hard" if self.labels.kind == "hard" else "soft"

    def to_json(self) -> dict[str, Any]:
        """The content of card.json."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        parts = {name: plain[name].to_json() for name in ("space", "labels", "decoder")}
        as_dicts = {name: dict(plain[name]) for name in ("cost", "made_with")}
        classes = None if self.classes is None else list(self.classes)
        claims = [dict(claim) for claim in self.claims]
        if self.label_origin is None:  # as in the cards from before there was this field
            del plain["label_origin"]
        return {"format": FORMAT, **plain, **parts, **as_dicts, "classes": classes, "claims": claims}

    @classmethod
    def from_json(cls, stored: Any) -> Card:
        """Read card.json's content; raises InvalidInput with one line for each problem."""
        from benchmark._card_check import check_card

        if isinstance(stored, dict):  # a card that came out of a store has its seal, which only the store heeds
            stored = {name: value for name, value in stored.items() if name != SEAL}
        return check_card(stored)


@dataclass(frozen=True)
class SyntheticSet:
    """Tensors by name and their card. Treat both as read-only."""

    tensors: Mapping[str, Array]
    card: Card

    @property
    def digest(self) -> str:
        """sha256 over the tensors (name, dtype, shape, values) and the card fields that change a training."""
        hashed = {name: _tensor_digest(tensor) for name, tensor in self.tensors.items()}
        card = {name: value for name, value in self.card.to_json().items() if name in TRAINING_FIELDS}
        return digest({"format": FORMAT, "tensors": hashed, **card})

    @property
    def ledger(self) -> dict[str, int]:
        return byte_ledger(self)

    def validate(self) -> None:
        """Check tensors against the card and the dataset; raises InvalidInput with one line for each problem."""
        from benchmark._set_check import problems
        from benchmark.refusals import raise_for

        raise_for(problems(self))


def labels_array(synthetic: SyntheticSet) -> Array:
    """Class ids (N,) int64: as stored, or the argmax of soft labels."""
    labels = synthetic.tensors["labels"]
    return labels.astype(np.int64) if labels.ndim == 1 else labels.argmax(axis=1).astype(np.int64)


def byte_ledger(synthetic: SyntheticSet) -> dict[str, int]:
    """Canonical bytes by part, and their `total`.

    Every tensor counts in the dtype that it is scored in. Class ids count one byte each up to 256 classes and two
    above, however wide they are stored; indices count as the uint8 images that they name, since an image's number is
    worth nothing without the image.
    """
    facts = datasets.facts(synthetic.card.dataset)
    ledger = {}
    for name, tensor in sorted(synthetic.tensors.items()):
        if name == "indices":
            ledger["images"] = tensor.size * int(np.prod(facts.shape))
        elif name == "labels" and tensor.ndim == 1:
            ledger["labels"] = tensor.size * (1 if len(facts.classes) <= 256 else 2)
        else:
            ledger[name] = tensor.nbytes
    return {**ledger, "total": sum(ledger.values())}


def _tensor_digest(tensor: Array) -> str:
    little = np.asarray(tensor, dtype=tensor.dtype.newbyteorder("<"), order="C")
    head = canonical_json([tensor.dtype.newbyteorder("<").str.lstrip("<|"), list(tensor.shape)])
    hashed = hashlib.sha256(head.encode() + b"\n")
    hashed.update(little.data)  # no copy: a set may be as large as its dataset
    return hashed.hexdigest()
