"""What is asked of a contributor's set beyond its format, so not of sets that are made here or stored already.

Sets of ours may be as large, as bare and as alike as they are; a stranger's may not, and may not take another's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmark import registry
from benchmark._card_check import MEASURES
from benchmark._set_check import expected_tensors
from benchmark.errors import DistillBenchError
from benchmark.refusals import Problem, plain, shown

if TYPE_CHECKING:
    from benchmark.store import Store
    from benchmark.synthetic_set import Array, Card, SyntheticSet

__all__ = ["Stored", "of_card", "of_content", "of_store", "stored_sets"]

FILE = "card.json"
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that some systems take for devices, whatever follows a dot."""
ALIKE = (("0", "o"), ("1", "l"), ("rn", "m"), ("vv", "w"), ("_", "-"), (".", "-"))
"""What is easily taken for one another, of the characters that a name may have (after Unicode TR39, ASCII part)."""
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY",
    "an access token": r"(?<![A-Za-z0-9])(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{15,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|pypi-[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.)",
    "a password": r"(?i)(password|passwd|api[_-]?key|secret[_-]?key|access[_-]?token)[\"']?\s{0,5}[=:]\s{0,5}\S{8,}",
    "an e-mail address": r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,}",
    "a home folder": r"(?<![\w./-])(/home/|/Users/|/root/|[A-Za-z]:\\Users\\)[^\s/\\]",
}


@dataclass(frozen=True)
class Stored:
    """What a stored set says of itself, as far as newcomers are compared with it."""

    digest: str
    method: str
    dataset_digest: str
    ipc: int | None
    decoder: str
    identity: tuple[Any, ...]


def stored_sets(store: Store) -> list[Stored]:
    """Every set of a store and its fallbacks whose card can be read."""
    found = []
    for digest in store.set_digests():
        try:
            card = store.read_card(digest)
        except DistillBenchError:
            continue
        facts = (card.dataset_digest, card.ipc, card.decoder.name)
        found.append(Stored(digest, card.method, *facts, _identity(card)))
    return found


def _identity(card: Card) -> tuple[Any, ...]:
    """Two sets that agree in this claim to be the same one."""
    kind = (card.labels.kind, card.decoder.name)
    return (card.dataset_digest, card.method, card.preset, card.ipc, card.distil_seed, card.distilled_on, *kind)


def of_card(card: Card) -> Iterator[Problem]:
    """What the card alone breaks."""
    if card.method in registry.names("baseline"):
        what = f"method {card.method!r} is the name of a baseline here"
        yield Problem("E609", FILE, what, "method", fix=f'give your method another name, e.g. "{card.method}-yours"')
    if card.method.partition(".")[0] in DEVICES:
        yield Problem("E305", FILE, "the name of a device on some systems", "method", shown(card.method))
    if card.classes is not None:
        yield Problem("E610", FILE, "a set of some of the classes", "classes", shown(list(card.classes)), "null")
    if card.labels.kind != "hard" and card.label_origin is None:
        yield Problem(
            "E603",
            FILE,
            "labels of rows of numbers, and no word of where they come from",
            "label_origin",
            "nothing",
            fix='write {"by": "method"}, or {"by": "teacher", "sha256": "…", "trained_on": "train"}',
        )
    if not card.licence.strip():
        yield Problem("E608", FILE, "no licence", "licence", "nothing", "text")
    latest = datetime.now(UTC).date() + timedelta(days=1)  # somewhere it is tomorrow already
    if card.date and date.fromisoformat(card.date) > latest:
        yield Problem("E309", FILE, "a day in the future", "date", shown(card.date), str(latest))
    for name in ("cost", "made_with"):
        for key in getattr(card, name):
            if key.lower() in MEASURES:
                yield Problem("E310", FILE, "a score of your own", f"{name}.{key}")
    yield from _secrets(card.to_json(), "")


def _secrets(value: Any, field: str) -> Iterator[Problem]:
    """Secrets and addresses in any text of the card, keys included; told without saying them again."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _secrets(str(key), field)
            yield from _secrets(part, f"{field}.{plain(str(key))}".strip("."))
    elif isinstance(value, list):
        for part in value:
            yield from _secrets(part, field)
    elif isinstance(value, str):
        for kind, pattern in SECRETS.items():
            match = re.search(pattern, value)
            if match:
                yield Problem("E311", FILE, f"what looks like {kind}", field, f"{match[0][:4]}…, masked")


def of_content(synthetic: SyntheticSet) -> Iterator[Problem]:
    """What card and tensors break together: sets that say nothing, and claims about what is counted here."""
    counted = {"bytes": synthetic.ledger["total"], "ipc": synthetic.card.ipc}
    for claim in synthetic.card.claims:
        ours = counted.get(str(claim["metric"]).lower())
        if ours is not None and claim["value"] != ours:
            got, limit = shown(claim["value"]), f"{ours:,}"
            yield Problem("E310", FILE, f"{claim['metric']} is counted here", "claims", got, limit, "leave it out")
    stored = expected_tensors(synthetic.card.decoder.name)[0]
    for name, tensor in synthetic.tensors.items():
        if name == "bases" and len(tensor) == 1:  # of one base the styles make images that differ, as `validate` saw
            continue
        if name in (stored, "labels") and tensor.ndim and _is_constant(tensor):
            what = "all labels are the same" if name == "labels" else "all images are the same"
            yield Problem("E212", "tensors.safetensors", what, name, f"{len(tensor):,} times the same")


def _is_constant(tensor: Array) -> bool:
    """Whether all rows are equal; one row alone says nothing either."""
    rows = max(1, 2**20 // max(1, tensor[:1].size))
    return all(bool((tensor[i : i + rows] == tensor[:1]).all()) for i in range(0, len(tensor), rows))


def of_store(card: Card, digest: str | None, known: list[Stored], new_version: bool) -> Iterator[Problem]:
    """What stands against other sets: a name like another one, the same content or the same identity as another set."""
    names = {*(one.method for one in known), *registry.names("baseline")} - {card.method}
    alike = sorted(name for name in names if _skeleton(name) == _skeleton(card.method))
    if alike:
        fix = f'write "{alike[0]}" if it is the same method, else choose a name that nobody takes for it'
        yield Problem("E305", FILE, f"too like the method {alike[0]!r}", "method", shown(card.method), fix=fix)
    if digest is None:
        return
    for one in known:
        if one.digest == digest:
            if one.method != card.method:
                what = f"this very set is stored already, under the method {one.method!r}"
                yield Problem("E604", FILE, what, "method", shown(card.method), f"set {digest[:12]}")
            return
    twins = [one for one in known if one.identity == _identity(card)]
    if twins and not new_version:
        what = f"set {twins[0].digest[:12]} of this method, seed and size has other content"
        yield Problem("E404", FILE, what, "distil_seed", shown(card.distil_seed))


def _skeleton(name: str) -> str:
    """What a hurried reader sees."""
    for one, other in ALIKE:
        name = name.replace(one, other)
    return name
