"""From files to a set folder: read, find the layout, ask, measure, convert, validate, write whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import __version__, datasets, durable, tensor_file
from benchmark.convert import _fit, _sandbox, _space, _styled, layouts
from benchmark.convert._parts import Parts
from benchmark.convert._request import Request
from benchmark.convert.layouts._found import Array, Found
from benchmark.datasets import DatasetFacts
from benchmark.errors import InvalidInput, UsageError
from benchmark.space import PIXEL, Space
from benchmark.synthetic_set import Card, SyntheticSet

__all__ = ["Converted", "check_new", "convert", "write"]

DTYPES = ("uint8", "float16", "float32")


@dataclass(frozen=True)
class Converted:
    """A set, and what should be known of how it came about."""

    synthetic: SyntheticSet
    layout: str
    remarks: tuple[str, ...]


def convert(files: Sequence[str | Path], request: Request) -> Converted:
    """Read an author's files as a set; raises UsageError where an option must say more, InvalidInput for the rest."""
    facts = _facts(request.dataset)
    loaded = _sandbox.load([Path(file).expanduser() for file in files], facts.shape)
    found = layouts.find(loaded, request)
    labels, kind, labelled = _fit.labels_of(found.labels, request, facts)
    parts = (_plain if found.styles is None else _styled.parts)(found, request, facts)
    card = {
        "format": 1,
        "dataset": facts.name,
        "dataset_digest": facts.digest,
        "labels": {"kind": kind, "temperature": request.temperature},
        "schedule": _schedule(found, request),
        **_described(found, request, parts.remarks),
        **parts.card,
    }
    tensors = {**parts.tensors, "labels": np.concatenate([labels] * parts.copies)}
    synthetic = SyntheticSet(tensors, Card.from_json(card))
    synthetic.validate()
    return Converted(synthetic, found.layout, (*found.remarks, *parts.remarks, *labelled))


def _plain(found: Found, request: Request, facts: DatasetFacts) -> Parts:
    """Of images that are stored as they are, or hold formations."""
    images, shaped = _fit.images_of(found.images, facts)
    images, space, spaced = _in_space(images, found, request, facts)
    images, space, stored = _as_dtype(images, space, request.dtype)
    factor = _factor(found, request)
    card: dict[str, Any] = {"space": space.to_json()}
    if factor > 1:
        card["decoder"] = {"name": "multi-formation", "options": {"factor": factor}}
    return Parts({"images": images}, card, factor**2, (*shaped, *spaced, *stored))


def _described(found: Found, request: Request, remarks: tuple[str, ...]) -> dict[str, Any]:
    """The card's fields that change no training; a space that was kept against the measurement is noted."""
    doubts = [remark for remark in remarks if "kept as declared" in remark]
    card = {
        "method": request.method,
        "ipc": request.ipc,
        "made_with": {"distillbench": __version__, "converted_from": found.layout},
        **request.card,
    }
    return {**card, "notes": "\n".join([*filter(None, [card.get("notes", "")]), *doubts])} if doubts else card


def _facts(dataset: str) -> DatasetFacts:
    """What is known of the dataset. One without a committed digest must be read once, for the card names its bytes."""
    facts = datasets.facts(dataset)
    return facts if facts.digest else datasets.load(dataset).facts


def _in_space(
    images: Array, found: Found, request: Request, facts: DatasetFacts
) -> tuple[Array, Space, tuple[str, ...]]:
    """The images, the space that they are in, and remarks; raises where the author must say it, or says it wrongly."""
    if images.dtype == np.uint8:
        if request.space not in ("", "pixel", "0-255"):
            raise InvalidInput(f"--space {request.space}: the images are whole numbers of 0 … 255, so they are pixels.")
        return images, PIXEL, ()
    measured = _space.measure(images, facts)
    text = request.space or found.space
    if not text:
        usual = f" The code of {found.layout} writes {found.usual}." if found.usual else ""
        raise UsageError(
            f"the file does not say what its numbers mean. Measured: {measured.text}; they resemble {measured.nearest} "
            f"images.{usual} Add --space, one of {_space.FORMS}, as your real images were when you distilled."
        )
    chosen = _space.declared(text, facts)
    remarks = _space.check(chosen, text, measured, request.as_declared)
    if chosen.space.kind == "zca" and chosen.space.variant != "kornia":
        remarks += (f"sets whitened as {text} are stored and listed, but not trained on (docs/convert.md)",)
    return (images / np.float32(chosen.divisor) if chosen.divisor != 1 else images), chosen.space, remarks


def _as_dtype(images: Array, space: Space, dtype: str) -> tuple[Array, Space, tuple[str, ...]]:
    """The images in the dtype asked for; uint8 is pixel space, and says what it loses."""
    if not dtype or images.dtype == np.dtype(dtype):
        return images, space, ()
    if dtype not in DTYPES:
        raise UsageError(f"--dtype {dtype!r}; allowed: {', '.join(DTYPES)}.")
    if dtype != "uint8":
        if images.dtype == np.uint8:
            raise UsageError(f"--dtype {dtype}: the images are bytes already; floats would only count more.")
        return images.astype(dtype), space, (f"images rounded to {dtype}",) if dtype == "float16" else ()
    if space.kind == "zca":
        raise UsageError("--dtype uint8: whitened images are no pixels, and cannot be turned into them without loss.")
    pixels = space.to_pixel(images.astype(np.float64))
    clipped = np.clip(pixels, 0, 1)
    quantised = np.rint(clipped * 255).astype(np.uint8)
    beyond, moved = float((pixels != clipped).mean()), np.abs(quantised / 255 - pixels)
    remark = (
        f"images became bytes in pixel space: {beyond:.1%} of the values lay outside 0 … 1 and were clipped; the "
        f"values moved by {moved.mean():.4f} on average, {moved.max():.3f} at most"
    )
    return quantised, PIXEL, (remark,)


def _factor(found: Found, request: Request) -> int:
    if found.has_formations and request.factor is None:
        raise UsageError(
            "how many formations stand on a side of each image? Add --factor (IDC: 2 for CIFAR, SVHN and MNIST, 3 for "
            "ImageNet), or --factor 1 where each image is one."
        )
    return request.factor or 1


def _schedule(found: Found, request: Request) -> dict[str, Any] | None:
    own, said = found.learning_rate, request.learning_rate
    if own is not None and said is not None and not np.isclose(own, said, rtol=1e-3):
        raise UsageError(f"--learning-rate {said}: the files hold {own:g}. Leave the option out, or the file.")
    rate = own if own is not None else said
    return None if rate is None else {"learning_rate": rate}


def check_new(folder: str | Path) -> Path:
    """The absolute path of a folder that is to be made; raises UsageError where something is there already."""
    place = Path(folder).expanduser().absolute()
    if place.exists() or place.is_symlink():
        raise UsageError(f"{place} exists already. Name a new folder with --out, or remove it.")
    return place


def write(converted: Converted, folder: str | Path) -> Path:
    """Write the set's folder, whole or not at all; raises UsageError where something is there already."""
    place = check_new(folder)
    card = json.dumps(converted.synthetic.card.to_json(), indent=1, ensure_ascii=False, sort_keys=True)
    with durable.staging_folder(place.parent) as staged, durable.explained(place):
        (staged / "tensors.safetensors").write_bytes(tensor_file.to_bytes(dict(converted.synthetic.tensors)))
        (staged / "card.json").write_text(card + "\n", encoding="utf-8")
        if not durable.place_folder(staged, place):
            raise UsageError(f"{place} exists already. Name a new folder with --out, or remove it.")
    return place
