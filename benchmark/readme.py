"""Writes the README.md of a set folder: YAML front matter that the Hugging Face hub reads, then a page for people.

Everything comes from card.json and the tensors, and most of card.json from strangers: in the front matter every text is
a double-quoted YAML scalar with escapes, in the page every text is escaped or indented as a block of code, so that it
stays text. Fields of the front matter: the hub's page on dataset cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchmark import datasets
from benchmark._set_check import expected_tensors
from benchmark.synthetic_set import Card, SyntheticSet

__all__ = ["front_matter", "readme"]

LICENCES = re.compile(
    r"apache-2\.0|mit|bsd(-[23]-clause)?|cc0-1\.0|cc-by(-nc)?(-nd|-sa)?-4\.0|cc-by(-nc)?-[23]\.0|[al]?gpl-3\.0|gpl-2\.0|"
    r"mpl-2\.0|odbl|odc-by|pddl|openrail|unlicense|cdla-(permissive-2|sharing-1)\.0"
)
"""Identifiers of the hub that a card's licence is turned into where it is plainly one of them."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~.&:@$^=/-])")
"""What Markdown, HTML or the hub's renderer may take for more than text."""


def readme(synthetic: SyntheticSet) -> str:
    """The content of README.md."""
    return front_matter(synthetic) + "\n" + "\n".join(_page(synthetic)) + "\n"


def front_matter(synthetic: SyntheticSet) -> str:
    """The YAML block between lines of dashes: strings and lists of strings alone."""
    card, n_images = synthetic.card, len(synthetic.tensors["labels"])
    licence = re.sub(r"[\s_]+", "-", card.licence.strip().lower())
    fields: dict[str, str | list[str]] = {"pretty_name": card.title or f"{card.method} on {card.dataset}"}
    if LICENCES.fullmatch(licence):
        fields["license"] = licence
    elif licence:
        fields |= {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", licence).strip("-") or "own"}
    else:
        fields["license"] = "unknown"
    fields["tags"] = ["dataset-distillation", "distillbench", card.dataset, card.method, f"{card.track}-labels"]
    fields["task_categories"] = ["image-classification"]
    fields["size_categories"] = [next((name for bound, name in SIZES if n_images < bound), "1M<n<10M")]
    fields["source_datasets"] = [f"extended|{card.dataset}"]
    return "---\n" + "".join(_yaml(name, value) for name, value in fields.items()) + "---\n"


def _yaml(name: str, value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return f"{name}: {_quoted(value)}\n"
    return f"{name}:\n" + "".join(f"- {_quoted(item)}\n" for item in value)


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar on one line; what YAML may not hold as it is, escaped."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def _page(synthetic: SyntheticSet) -> Iterator[str]:
    card = synthetic.card
    yield f"# {_text(card.title or card.method)}"
    yield ""
    yield (
        f"A synthetic set: {_count(synthetic)} that stand for the training images of {_text(_dataset_title(card))}. "
        "Made for DistillBench, the benchmark of dataset distillation."
    )
    yield ""
    yield from ("| | |", "|---|---|")
    for name, value in _facts(synthetic).items():
        yield f"| {name} | {value} |"
    yield from ("", "## Use", "", *_use(card))
    if card.citation:
        yield from ("", "## Citation", "", *_block(card.citation))
    if card.notes:
        yield from ("", "## Notes", "", *_block(card.notes))


def _facts(synthetic: SyntheticSet) -> Mapping[str, str]:
    card = synthetic.card
    facts = {
        "dataset": f"`{card.dataset}`, {_text(card.distilled_on)}",
        "method": f"`{card.method}`",
        "images per class": str(card.ipc or "differs"),
        "bytes": f"{synthetic.ledger['total']:,}",
        "value space": _space(card),
        "labels": _labels(card),
        "decoder": f"`{card.decoder.name}`",
        "digest": f"`{synthetic.digest}`",
        "source": f"<{card.source}>" if card.source else "",
        "licence": _text(card.licence) or "not stated: ask before you use it",
        "contributor": _text(card.contributor),
    }
    return {name: value for name, value in facts.items() if value}


def _space(card: Card) -> str:
    space = card.space
    if space.kind == "standardized":
        mean, std = (", ".join(f"{number:g}" for number in part) for part in (space.mean, space.std))
        return f"standardized: (pixel - mean) / std, mean {mean}, std {std}"
    return f"whitened by `{space.variant}`'s ZCA" if space.kind == "zca" else "pixels"


def _labels(card: Card) -> str:
    if card.labels.kind == "hard":
        return "class ids"
    return f"{card.labels.kind}, one row an image, temperature {card.labels.temperature:g}"


def _count(synthetic: SyntheticSet) -> str:
    what = "numbers of real images" if "indices" in synthetic.tensors else "images"
    return f"{len(synthetic.tensors['labels']):,} {what}"


def _dataset_title(card: Card) -> str:
    facts = datasets.facts(card.dataset)
    return facts.title or card.dataset


def _use(card: Card) -> list[str]:
    tensor, decoder = expected_tensors(card.decoder.name)[0], card.decoder.name
    decoded = f"Training images are made of them by the decoder `{decoder}` (docs/synthetic_set.md of DistillBench)."
    return [
        "```python",
        "from safetensors.numpy import load_file",
        "",
        'tensors = load_file("tensors.safetensors")',
        f'{tensor}, labels = tensors["{tensor}"], tensors["labels"]',
        "```",
        "",
        *([decoded, ""] if decoder not in ("identity", "indices") else []),
        "`card.json` says everything else, field by field. To score the set: `distillbench submit FOLDER`, then",
        "`distillbench evaluate DIGEST`.",
    ]


def _text(text: str) -> str:
    """A stranger's line as text of a page: nothing in it is markup, a link or a mention."""
    return MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def _block(text: str) -> list[str]:
    """A stranger's paragraphs as an indented block of code: kept as they are, never markup."""
    return [f"    {line}".rstrip() for line in text.splitlines()]
