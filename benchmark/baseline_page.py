"""Renders docs/baselines/<name>.md from a baseline's file, its presets and the costs on the reference store's cards.

What the page says stands in the baseline's own file, so that it can be read in one place and is wrong in none.
"""

from __future__ import annotations

import ast
import inspect
import re
import statistics
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import pairwise
from typing import Any

from benchmark import baseline, registry
from benchmark.store import Store

__all__ = ["FOLDER", "render"]

FOLDER = "baselines"
"""Of the pages, in the docs folder."""


def render(name: str, reference: Store) -> str:
    """The page in Markdown; `reference` is the committed store, whose cards tell what sets have cost."""
    kind = registry.load("baseline", name)
    head, told, differs = _paragraphs(registry.module("baseline", name).__doc__ or "")
    parts = [
        f"# `{name}`",
        f"<!-- Written by `distillbench document` from baselines/{name.replace('-', '_')}.py; do not edit. -->",
        head,
        _facts(name, kind),
        *told,
        *differs,
        "## Presets",
        *_presets(name, kind),
        "## Cost",
        _cost(name, reference),
        "All baselines: [baselines.md](../baselines.md).",
    ]
    return "\n\n".join(parts) + "\n"


def _paragraphs(docstring: str) -> tuple[str, list[str], list[str]]:
    """The first line, the paragraphs after it, and those that tell what differs from the source."""
    head, *rest = [paragraph.strip() for paragraph in inspect.cleandoc(docstring).split("\n\n")]
    return head, [p for p in rest if not p.startswith("Differs:")], [p for p in rest if p.startswith("Differs:")]


def _facts(name: str, kind: Any) -> str:
    source = kind.source
    rows = {
        "source": f"[{source.title}]({source.url})",
        "citation": source.citation,
        "licence": source.licence,
        "version": str(registry.version("baseline", name)),
        "budget": "images per class, or bytes" if kind.takes_budget else "none: everything is kept",
        "classes apart": "yes: the images of a class do not depend on the other classes"
        if kind.class_by_class
        else "no",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {text} |" for key, text in rows.items())])


def _presets(name: str, kind: Any) -> Iterator[str]:
    """What each preset is for, and a table of all hyper-parameters."""
    known, meant = baseline.presets(name), _comments(name)
    told = [f"- `{preset}`: {meant[preset]}" for preset in known if meant.get(preset)]
    if told:
        yield "\n".join(textwrap.fill(line, 120, subsequent_indent="  ") for line in told)
    meanings = _meanings(kind)
    names = [field.name for field in fields(kind)]
    used = [field for field in names if field in meanings or any(field in preset for preset in known.values())]
    used += [field for field in names if field not in used and getattr(kind, field, None)]
    if not used:
        yield "It has no hyper-parameter, and answers to any preset's name."
        return
    built = {preset: baseline.load(name, preset) for preset in known}
    lines = [f"| hyper-parameter | {' | '.join(f'`{preset}`' for preset in known)} | meaning |"]
    lines.append("|---" * (len(known) + 2) + "|")
    for field in [one for one in names if one in used]:
        values = " | ".join(_shown(getattr(one, field)) for one in built.values())
        lines.append(f"| `{field}` | {values} | {meanings.get(field, '')} |")
    yield "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"`{value}`"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _comments(name: str) -> dict[str, str]:
    """The comment right above each table of the preset file."""
    file = registry.path("baseline", name).with_suffix(".toml")
    if not file.exists():
        return {}
    found = re.findall(r"((?:^#.*\n)+)^\[([^\]\n]+)\]", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {table: " ".join(line.lstrip("# ") for line in comment.splitlines()) for comment, table in found}


def _meanings(kind: type) -> Mapping[str, str]:
    """The text below each field, of the class and those that it derives from."""
    found: dict[str, str] = {}
    for one in kind.__mro__[:-1]:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        body = getattr(tree, "body", [])
        for field, text in pairwise(body):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if (
                isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found.setdefault(field.target.id, " ".join(text.value.value.split()).replace("|", "/"))
    return found


def _cost(name: str, reference: Store) -> str:
    """Median seconds and image passes of the sets in the reference store, by dataset, size and preset."""
    seen: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for digest in reference.set_digests():
        card = reference.read_card(digest)
        if card.method == name and card.cost.get("seconds") is not None:
            seen.setdefault((card.dataset, card.ipc or 0, card.preset), []).append(card.cost)
    if not seen:
        return "No set of it is in the [reference store](../../artifacts/reference/README.md)."
    lines = ["| dataset | images per class | preset | sets | seconds | image passes | computed |", "|---" * 7 + "|"]
    for (dataset, ipc, preset), costs in sorted(seen.items()):
        seconds = statistics.median(float(cost["seconds"]) for cost in costs)
        passes = statistics.median(int(cost.get("image_passes") or 0) for cost in costs)
        how = ", ".join(sorted({f"`{cost.get('numerics')}`" for cost in costs}))
        lines.append(
            f"| `{dataset}` | {ipc or 'all'} | `{preset}` | {len(costs)} | {seconds:.1f} | {passes:,.0f} | {how} |"
        )
    return "Medians of the sets in the reference store.\n\n" + "\n".join(lines)
