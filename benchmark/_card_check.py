"""Reads card.json strictly: every field known, typed and bounded; all problems told at once.

This is what every card must be, stored or handed in. What is asked of contributors beyond it stands in _rules.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from itertools import islice
from typing import Any

from benchmark import _spec, registry
from benchmark._seal import SEAL
from benchmark.datasets import PARTS
from benchmark.errors import DistillBenchError, unknown_name
from benchmark.refusals import MOST, Problem, plain, raise_for, refusal, shown
from benchmark.space import PIXEL, Space
from benchmark.synthetic_set import FORMAT, LABEL_KINDS, Card, Decoder, Labels

__all__ = ["Examined", "check_card", "examine"]

FILE = "card.json"
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
HEX64 = re.compile(r"[0-9a-f]{64}")
LINK = re.compile(r"https?://[^\s@/<>\"'\\]+(/[^\s<>\"'\\]*)?")
LONGEST = {
    "title": 200,
    "source": 2000,
    "licence": 100,
    "citation": 4000,
    "contributor": 200,
    "notes": 4000,
    "preset": 64,
    "claims.metric": 64,
    "claims.unit": 32,
    "claims.protocol": 200,
    "claims.source": 2000,
}
PARAGRAPHS = ("citation", "notes")
"""Texts that may have several lines, and tabs."""
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories without a shape: controls, bidi overrides, surrogates, private use, unassigned."""
CLAIMS = 20
MEASURES = ("accuracy", "acc", "score", "scores", "result", "results", "rank", "verified", "state", "bytes", "digest")
"""What contributors state in fields of their own, though it is measured or counted here, or belongs into `claims`."""
EVALUATIONS = ("recipe", "seeds", "eval_seeds", "epochs", "learning_rate", "lr", "optimizer", "augmentation", "best_of")
"""What a recipe fixes for everybody."""


@dataclass(frozen=True)
class Examined:
    """What a card.json gave."""

    card: Card | None
    """With stand-ins for fields that are broken; None where there are no fields at all."""
    tells_tensors: bool
    """Whether the fields that say what the tensors must be are whole."""
    problems: list[Problem]


def check_card(stored: Any) -> Card:
    """Turn JSON into a Card; raises InvalidInput with one line for each problem."""
    found = examine(stored)
    raise_for(found.problems)
    assert found.card is not None  # without problems there is a card
    return found.card


def examine(stored: Any) -> Examined:
    """Read every field and collect all that is wrong. The seal of a card that came out of a store is passed over."""
    if not isinstance(stored, Mapping):
        return _nothing(Problem("E307", FILE, "the card is no JSON object", got=shown(type(stored).__name__)))
    number = stored.get("format")
    if type(number) is not int or not 1 <= number <= FORMAT:
        fix = "update DistillBench" if type(number) is int and number > FORMAT else f'write "format": {FORMAT}'
        got = shown(number) if "format" in stored else "nothing"
        return _nothing(Problem("E307", FILE, "no format that is known here", "format", got, str(FORMAT), fix))
    stored = {name: value for name, value in stored.items() if name != SEAL or not _is_digest(value)}
    problems = list(_unknown(stored))
    values: dict[str, Any] = {"dataset": "broken", "dataset_digest": "0" * 64, "space": PIXEL, "method": "broken"}
    for name, check in _CHECKS.items():
        if name not in stored:
            if name in _REQUIRED:
                problems.append(Problem("E307", FILE, "the field is missing", name, fix=f"write {_REQUIRED[name]}"))
            continue
        try:
            values[name] = check(name, stored[name])
        except DistillBenchError as fault:
            problems += fault.problems or [Problem("E307", FILE, str(fault).rstrip("."), name)]
    broken = {problem.field.partition(".")[0] for problem in problems}
    return Examined(Card(**values), not broken & _TRAINING, problems)


def _nothing(problem: Problem) -> Examined:
    return Examined(None, False, [problem])


def _unknown(stored: Mapping[str, Any]) -> Iterable[Problem]:
    known = {"format", *(f.name for f in fields(Card))}
    for name in islice((name for name in stored if name not in known), MOST):
        if name.lower() in MEASURES:
            yield Problem("E310", FILE, "no field of a card: it is measured here, or only claimed", plain(name))
        elif name.lower() in EVALUATIONS:
            yield Problem(
                "E606", FILE, "no field of a card: the evaluation is the same for everybody", shown(name)[1:-1]
            )
        else:
            yield Problem("E307", FILE, str(unknown_name("field", name, known)).rstrip("."), plain(name))


def _fail(name: str, value: Any, allowed: str, code: str = "E307") -> DistillBenchError:
    return refusal([Problem(code, FILE, "a value that is not allowed", name, shown(value), allowed)])


def _slug(name: str, value: Any) -> str:
    """A name: its code says in which way it is none."""
    allowed = "1 to 64 lower-case letters, digits, '.', '_' or '-', the first a letter or digit, the last no '.'"
    if not isinstance(value, str):
        raise _fail(name, value, allowed)
    if SLUG.fullmatch(value) and not value.endswith("."):
        return value
    if value[:1] in tuple("=+-@\t\r"):
        raise _fail(name, value, allowed, "E303")
    _check_visible(name, value)
    if not unicodedata.is_normalized("NFC", value):
        raise _fail(name, value, allowed, "E304")
    raise _fail(name, value, allowed, "E301" if set(value) & set("<>&\"'`{}$") else "E305")


def _dataset(name: str, value: Any) -> str:
    if not isinstance(value, str) or not SLUG.fullmatch(value) or value.endswith("."):
        text = str(unknown_name("dataset", str(value), registry.names("dataset"))).rstrip(".")
        raise refusal([Problem("E309" if isinstance(value, str) else "E307", FILE, text, name)])
    return value


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and HEX64.fullmatch(value) is not None


def _digest(name: str, value: Any) -> str:
    if not _is_digest(value):
        raise _fail(name, value, "a sha256 of 64 hex digits", "E309" if isinstance(value, str) else "E307")
    return str(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST[name]:
        raise _fail(name, value, f"text of at most {LONGEST[name]} characters")
    _check_visible(name, value, allowed="\n\t" if name in PARAGRAPHS else "")
    return unicodedata.normalize("NFC", value)


def _check_visible(name: str, value: str, allowed: str = "") -> None:
    bad = sorted({f"U+{ord(c):04X}" for c in value if unicodedata.category(c) in INVISIBLE and c not in allowed})
    if bad:
        raise refusal([Problem("E304", FILE, "characters without a shape", name, ", ".join(bad[:5]))])


def _link(name: str, value: Any) -> str:
    if isinstance(value, str) and len(value) > LONGEST[name]:
        raise _fail(name, value, f"a link of at most {LONGEST[name]} characters", "E302")
    text = _text(name, value)
    if text and not (text.isascii() and LINK.fullmatch(text)):
        raise _fail(name, value, "empty, or a link that begins with https://", "E302")
    return text


def _count(name: str, value: Any) -> int | None:
    smallest = 1 if name in ("ipc", "claims.n") else 0
    if value is not None and (type(value) is not int or not smallest <= value < 2**31):
        raise _fail(name, value, f"null or a whole number from {smallest}")
    return value


def _space(name: str, value: Any) -> Space:
    if isinstance(value, Mapping) and any(isinstance(v, list) and len(v) > 16 for v in value.values()):
        raise _fail(name, value, "a number for each channel, 16 at most")
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
    if value["name"] not in registry.names("decoder"):
        text = str(unknown_name("decoder", str(value["name"]), registry.names("decoder"))).rstrip(".")
        raise refusal([Problem("E309", FILE, text, "decoder.name")])
    current = registry.version("decoder", value["name"])
    version = value.get("version", current)
    if type(version) is not int or version != current:
        raise _fail("decoder.version", version, f"{current}, the version of {value['name']!r} here", "E309")
    options = value.get("options", {})
    if not isinstance(options, Mapping):
        raise _fail("decoder.options", options, "an object")
    known = _spec.keywords_of(registry.path("decoder", value["name"]), "decode")
    for option, chosen in options.items():
        if option not in known:
            text = str(unknown_name(f"option of decoder {value['name']!r}", option, known)).rstrip(".")
            raise refusal([Problem("E307", FILE, text, "decoder.options")])
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


def _training_parts() -> list[str]:
    return ["train", *(f"train-{part}" for part in PARTS if part.startswith(("minus-", "half-")))]


def _distilled_on(name: str, value: Any) -> str:
    if value not in _training_parts():
        raise _fail(name, value, "'train' or 'train-minus-holdout' (or another part: train-half-00, …)", "E309")
    return str(value)


def _origin(name: str, value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    by = value.get("by") if isinstance(value, Mapping) else None
    parts = {"by"} if by == "method" else {"by", "sha256", "trained_on"} if by == "teacher" else None
    if parts is None or set(value) != parts:
        allowed = '{"by": "method"} or {"by": "teacher", "sha256": "…", "trained_on": "train"}'
        raise _fail(name, value, allowed)
    if by == "teacher":
        _digest(f"{name}.sha256", value["sha256"])
        learned = value["trained_on"]
        if learned not in _training_parts():
            code = "E603" if isinstance(learned, str) else "E307"
            raise _fail(f"{name}.trained_on", learned, "'train' or a part of it", code)
    return dict(value)


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


def _date(name: str, value: Any) -> str:
    allowed = 'empty, or a day such as "2026-11-22"'
    if not isinstance(value, str):
        raise _fail(name, value, allowed)
    try:
        if value and (len(value) != 10 or date.fromisoformat(value).year < 2000):
            raise _fail(name, value, allowed, "E309")
    except ValueError:
        raise _fail(name, value, allowed, "E309") from None
    return value


def _facts(name: str, value: Any) -> Mapping[str, Any]:
    """A flat object of plain values: costs, versions."""
    plain = isinstance(value, Mapping) and all(v is None or type(v) in (int, float, str, bool) for v in value.values())
    if not plain or len(value) > 40 or any(len(str(part)) > 200 for pair in value.items() for part in pair):
        raise _fail(name, value, "an object of at most 40 plain values of at most 200 characters")
    for part in (part for pair in value.items() for part in pair if isinstance(part, str)):
        _check_visible(name, part)
    return dict(value)


def _claims(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or len(value) > CLAIMS:
        raise _fail(name, value, f"a list of at most {CLAIMS} objects")
    return tuple(_claim(name, one) for one in value)


def _claim(name: str, value: Any) -> Mapping[str, Any]:
    known = set(_CLAIM)
    if not isinstance(value, Mapping) or set(value) - known or not {"metric", "value"} <= set(value):
        raise _fail(name, value, f"an object with metric and value, and of {', '.join(sorted(known))} no other")
    return {part: _CLAIM[part](f"claims.{part}", value[part]) for part in sorted(value)}


def _number(name: str, value: Any) -> float | None:
    if value is None and name == "claims.sd":
        return None
    if type(value) not in (int, float) or not abs(value) < 1e12 or (name == "claims.sd" and value < 0):
        raise _fail(name, value, "a number" if name == "claims.value" else "null or a number from 0")
    return float(value)


_CLAIM: dict[str, Any] = {
    "metric": _text,
    "value": _number,
    "unit": _text,
    "n": _count,
    "sd": _number,
    "protocol": _text,
    "source": _link,
}
_REQUIRED = {
    "dataset": 'the dataset\'s name, e.g. "dataset": "cifar10"',
    "dataset_digest": "the digest that `distillbench list dataset` shows",
    "space": 'what the numbers are, e.g. "space": {"kind": "pixel"}',
    "method": 'the method\'s name on the boards, e.g. "method": "my-method"',
}
_TRAINING = {"dataset", "dataset_digest", "space", "labels", "decoder", "ipc", "classes"}
"""Fields without which nothing can be said about the tensors."""
_CHECKS: dict[str, Any] = {
    "dataset": _dataset,
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
    "label_origin": _origin,
    "title": _text,
    "source": _link,
    "licence": _text,
    "citation": _text,
    "contributor": _text,
    "notes": _text,
    "date": _date,
    "claims": _claims,
    "cost": _facts,
    "made_with": _facts,
}
