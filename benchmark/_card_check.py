"""Reads card.json strictly: every field known, typed and bounded; all problems told at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from benchmark import _spec, registry
from benchmark._strict import shown
from benchmark.datasets import PARTS
from benchmark.errors import DistillBenchError, InvalidInput, unknown_name
from benchmark.space import Space
from benchmark.synthetic_set import FORMAT, LABEL_KINDS, Card, Decoder, Labels

__all__ = ["check_card", "listed"]

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
HEX64 = re.compile(r"[0-9a-f]{64}")
LONGEST = {
    "title": 200,
    "source": 2000,
    "licence": 100,
    "citation": 4000,
    "contributor": 200,
    "notes": 4000,
    "preset": 64,
}
PARAGRAPHS = ("citation", "notes")
"""Texts that may have several lines, and tabs."""
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories without a shape: controls, bidi overrides, surrogates, private use."""


def check_card(stored: Any) -> Card:
    """Turn JSON into a Card; raises InvalidInput with one line for each problem."""
    if not isinstance(stored, Mapping):
        raise InvalidInput("card.json must hold one JSON object.")
    if type(stored.get("format")) is not int or stored["format"] < 1:
        raise InvalidInput(f"card.json: field 'format' is missing or no format. Fix: write \"format\": {FORMAT}.")
    if stored["format"] > FORMAT:
        raise InvalidInput(f"card.json has format {stored['format']}; this version reads up to {FORMAT}. Fix: update.")
    known = {"format", *(f.name for f in fields(Card))}
    unknown = [name for name in stored if name not in known]
    problems = [f"card.json: {unknown_name('field', name, known)}" for name in unknown[:20]]
    values: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        if name not in stored:
            if name in _REQUIRED:
                problems.append(f"card.json: field {name!r} is missing.")
            continue
        try:
            values[name] = check(name, stored[name])
        except DistillBenchError as fault:
            problems += [f"card.json: {line}" for line in str(fault).splitlines()]
    if problems:
        raise InvalidInput(listed(problems))
    return Card(**values)


def listed(problems: Sequence[str]) -> str:
    """One line for each problem, the first 20 of them."""
    rest = [f"… and {len(problems) - 20} more."] if len(problems) > 20 else []
    return "\n".join([*problems[:20], *rest])


def _fail(name: str, value: Any, allowed: str) -> InvalidInput:
    return InvalidInput(f"field {name!r} is {shown(value)}; it must be {allowed}.")


def _slug(name: str, value: Any) -> str:
    if not isinstance(value, str) or not SLUG.fullmatch(value) or value.endswith("."):
        raise _fail(name, value, "1 to 64 lower-case letters, digits, '.', '_' or '-', the first a letter or digit")
    return value


def _digest(name: str, value: Any) -> str:
    if not isinstance(value, str) or not HEX64.fullmatch(value):
        raise _fail(name, value, "a sha256 of 64 hex digits")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST[name]:
        raise _fail(name, value, f"text of at most {LONGEST[name]} characters")
    _check_visible(name, value, allowed="\n\t" if name in PARAGRAPHS else "")
    return unicodedata.normalize("NFC", value)


def _check_visible(name: str, value: str, allowed: str = "") -> None:
    bad = sorted({f"U+{ord(c):04X}" for c in value if unicodedata.category(c) in INVISIBLE and c not in allowed})
    if bad:
        raise InvalidInput(f"field {name!r} holds characters without a shape ({', '.join(bad[:5])}). Fix: remove them.")


def _link(name: str, value: Any) -> str:
    text = _text(name, value)
    if text and not re.fullmatch(r"https?://[^\s@/<>\"']+(/[^\s<>\"']*)?", text):
        raise _fail(name, value, "empty or a link that begins with https://")
    return text


def _count(name: str, value: Any) -> int | None:
    smallest = 1 if name == "ipc" else 0
    if value is not None and (type(value) is not int or not smallest <= value < 2**31):
        raise _fail(name, value, f"null or a whole number from {smallest}")
    return value


def _space(_: str, value: Any) -> Space:
    return Space.from_json(value)


def _labels(name: str, value: Any) -> Labels:
    allowed = {"kind", "temperature"}
    if not isinstance(value, Mapping) or value.get("kind") not in LABEL_KINDS or set(value) - allowed:
        raise _fail(name, value, f"an object whose kind is one of {', '.join(LABEL_KINDS)}")
    temperature = value.get("temperature", 1.0)
    if type(temperature) not in (int, float) or not 0 < temperature <= 1000:
        raise _fail("labels.temperature", temperature, "a number above 0, at most 1000")
    return Labels(value["kind"], float(temperature))


def _decoder(name: str, value: Any) -> Decoder:
    if not isinstance(value, Mapping) or set(value) - {"name", "version", "options"} or "name" not in value:
        raise _fail(name, value, 'an object such as {"name": "identity", "version": 1, "options": {}}')
    registry.path("decoder", str(value["name"]))
    current = registry.version("decoder", value["name"])
    version = value.get("version", current)
    if type(version) is not int or version != current:
        raise _fail("decoder.version", version, f"{current}, the version of {value['name']!r} here")
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise _fail("decoder.options", options, "an object")
    known = _spec.keywords_of(registry.path("decoder", value["name"]), "decode")
    for option, chosen in options.items():
        if option not in known:
            raise unknown_name(f"option of decoder {value['name']!r}", option, known)
        if type(chosen) not in (int, float, str, bool) or len(str(chosen)) > 200:
            raise _fail(f"decoder.options.{option}", chosen, "a plain number or word")
    return Decoder(value["name"], version, tuple(sorted(options.items())))


def _schedule(name: str, value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) - {"learning_rate", "epochs", "batch_size"}:
        raise _fail(name, value, "null or an object with learning_rate, epochs and batch_size")
    for part, number in value.items():
        types = (int, float) if part == "learning_rate" else (int,)
        if type(number) not in types or not 0 < number < 1e6:
            raise _fail(f"schedule.{part}", number, f"a {'' if float in types else 'whole '}number above 0")
    return {part: float(number) if part == "learning_rate" else number for part, number in value.items()}


def _distilled_on(name: str, value: Any) -> str:
    parts = [f"train-{part}" for part in PARTS if part.startswith(("minus-", "half-"))]
    if value not in ("train", *parts):
        raise _fail(name, value, "'train' or 'train-minus-holdout' (or another part: train-half-00, …)")
    return str(value)


def _classes(name: str, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(type(c) is int and 0 <= c < 2**15 for c in value):
        raise _fail(name, value, "null or a list of class ids, from 0")
    if sorted(set(value)) != value:
        raise _fail(name, value, "in ascending order, each class once")
    return tuple(value)


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _fail(name, value, "true or false")
    return value


def _facts(name: str, value: Any) -> Mapping[str, Any]:
    """A flat object of plain values: costs, versions."""
    plain = isinstance(value, Mapping) and all(v is None or type(v) in (int, float, str, bool) for v in value.values())
    if not plain or len(value) > 40 or any(len(str(part)) > 200 for pair in value.items() for part in pair):
        raise _fail(name, value, "an object of at most 40 plain values")
    for part in (part for pair in value.items() for part in pair if isinstance(part, str)):
        _check_visible(name, part)
    return dict(value)


_REQUIRED = ("dataset", "dataset_digest", "space", "method")
_CHECKS: dict[str, Any] = {
    "dataset": _slug,
    "dataset_digest": _digest,
    "space": _space,
    "method": _slug,
    "labels": _labels,
    "decoder": _decoder,
    "schedule": _schedule,
    "ipc": _count,
    "distil_seed": _count,
    "preset": _text,
    "distilled_on": _distilled_on,
    "classes": _classes,
    "class_by_class": _flag,
    "title": _text,
    "source": _link,
    "licence": _text,
    "citation": _text,
    "contributor": _text,
    "notes": _text,
    "cost": _facts,
    "made_with": _facts,
}
