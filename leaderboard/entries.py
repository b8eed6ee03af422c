"""Entries: one for each synthetic set, with everything that its page states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.plan import QUICK
from leaderboard.beside import Claim, claims_of
from leaderboard.cells import FULL_DATA, OURS, REFERENCE, group
from leaderboard.citing import bibtex
from leaderboard.sources import Card, Preview, Row, Source
from leaderboard.studies import Block, blocks
from leaderboard.text import registry_words, safe_url

__all__ = ["Entry", "Fact", "entries"]

BOTH = " + "
"""Between two architectures that one score stands on."""


class Fact(NamedTuple):
    """One line of the list of facts."""

    label: str
    text: str
    url: str | None = None
    """A link that may be followed; None: text only."""


@dataclass(frozen=True)
class Entry:
    """A set as it stands on the boards."""

    digest: str
    row: Row
    """One of its rows, for what they all share; where there is one, of those that tell the set's own labels."""
    methods: tuple[str, ...]
    """Usually one; methods that happen to make the same set share its page."""
    seeds: tuple[int, ...]
    """Distillation seeds that made it."""
    card: Card | None
    preview: Preview | None
    blocks: tuple[Block, ...]
    rows: tuple[Row, ...]
    facts: tuple[Fact, ...]
    claims: tuple[Claim, ...]
    """What its contributor states; never ranked."""
    bibtex: str
    """Empty where there is no card."""
    commands: tuple[str, ...]
    """Shell lines that make and score the set again; empty where its names are not plain registry names."""


def entries(rows: Sequence[Row], source: Source) -> list[Entry]:
    """One entry for each set that has rows, by dataset, size, method and seed."""
    by_set = group(rows, lambda row: row.set)
    found = [_entry(digest, members, source) for digest, members in by_set.items() if digest]
    return sorted(found, key=_position)


def _position(entry: Entry) -> tuple[object, ...]:
    row = entry.row
    return (row.dataset, row.ipc is None, row.ipc or 0, row.method, row.distil_seed or 0, entry.digest)


def _entry(digest: str, rows: list[Row], source: Source) -> Entry:
    card = source.cards.get(digest)
    distinct = {(*_place(row), row.seed): row for row in reversed(rows)}  # methods that gave one set share its rows
    shown = [row for row in rows if distinct[(*_place(row), row.seed)] is row]
    own = next((row for row in rows if row.track != "teacher"), rows[0])
    facts = tuple(fact for fact in _facts(card) if fact.text) if card else ()
    return Entry(
        digest=digest,
        row=own,
        methods=tuple(sorted({row.method for row in rows})),
        seeds=tuple(sorted({seed for row in rows for seed in row.distil_seeds})),
        card=card,
        preview=source.previews.get(digest),
        blocks=blocks(shown),
        rows=tuple(shown),
        facts=facts,
        claims=tuple(claims_of(digest, card)) if card else (),
        bibtex=bibtex(digest, rows[0], tuple(sorted({row.method for row in rows})), card) if card else "",
        commands=_commands(digest, rows, card),
    )


def _place(row: Row) -> tuple[object, ...]:
    return (row.evaluator, row.version, row.recipe, row.architecture, row.condition, row.metric)


def _facts(card: Card) -> list[Fact]:
    """What the card states, in the order of a reader's questions: what is it, where from, what did it cost."""
    source = card.text("source")
    parts = [Fact(label, _listed(card, name)) for label, name in (("Cost", "cost"), ("Made with", "made_with"))]
    return [
        Fact("Title", card.text("title")),
        Fact("Contributor", card.text("contributor")),
        Fact("Preset", card.text("preset")),
        Fact("Value space", _listed(card, "space")),
        Fact("Labels", _listed(card, "labels")),
        Fact("Decoder", _listed(card, "decoder")),
        Fact("Carried schedule", _listed(card, "schedule")),
        Fact("Made from", card.text("distilled_on")),
        Fact("Labels come from", _listed(card, "label_origin")),
        Fact("Classes made apart", "yes" if card.fields.get("class_by_class") is True else ""),
        Fact("Source", source, safe_url(source)),
        Fact("Licence", card.text("licence")),
        Fact("Citation", card.text("citation")),
        Fact("Notes", card.text("notes")),
        *parts,
        Fact("Dataset digest", card.text("dataset_digest")),
    ]


def _listed(card: Card, name: str) -> str:
    """An object of the card as `kind; key value; …`."""
    part = dict(card.part(name))
    head = [str(part.pop(key)) for key in ("kind", "name") if key in part]
    told = [(key.replace("_", " "), value) for key, value in sorted(part.items()) if value not in ({}, None)]
    words = head + [f"{key} {_short(value)}" for key, value in told]
    return "; ".join(words) if words or card.part(name) else card.text(name)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(_short(item) for item in value) if isinstance(value, list) else str(value)


def _commands(digest: str, rows: Sequence[Row], card: Card | None) -> tuple[str, ...]:
    """How to do it again. Strangers' words go in only where they are registry names, so that pasting is harmless."""
    lines = [_distil(rows[0], card)] if card and card.text("contributor") in ("", OURS) else []
    architectures: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        named = architectures.setdefault((row.evaluator, row.recipe.removesuffix(REFERENCE)), [])
        named += [name for name in row.architecture.split(BOTH) if name not in named]
    for (evaluator, recipe), named in sorted(architectures.items()):
        options = "".join(f" --architecture {name}" for name in named)
        if registry_words(evaluator, recipe, digest, *named):
            whole = evaluator.removesuffix(QUICK)
            quick = "" if whole == evaluator else " --quick"
            lines.append(f"distillbench evaluate {digest[:12]} --evaluator {whole} --recipe {recipe}{options}{quick}")
    return tuple(line for line in lines if line)


def _distil(row: Row, card: Card) -> str:
    """The command that makes the set; empty where a baseline of ours did not make it in a way that options can say."""
    preset, part = card.text("preset"), card.text("distilled_on")
    parts = {"train": "", "train-minus-holdout": " --holdout"}
    has_size = row.ipc is not None or row.method == FULL_DATA
    if (
        not has_size
        or row.distil_seed is None
        or part not in parts
        or not registry_words(row.method, preset, row.dataset)
    ):
        return ""
    size = "" if row.ipc is None else f" --ipc {row.ipc}"
    rest = f"{size} --preset {preset} --seed {row.distil_seed}{parts[part]}"
    return f"distillbench distill {row.method} --dataset {row.dataset}{rest}"
