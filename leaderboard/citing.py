"""BibTeX of a set, from its card."""

from __future__ import annotations

from leaderboard.sources import Card, Row
from leaderboard.text import safe_url, shorten, visible

__all__ = ["bibtex"]

ESCAPES = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
ESCAPES |= {letter: f"\\{letter}" for letter in "{}%&#_$"}


def bibtex(digest: str, row: Row, methods: tuple[str, ...], card: Card) -> str:
    """A @misc record of the set; every character that LaTeX would read as a command is escaped."""
    title = card.text("title") or ", ".join(methods)
    size = "" if row.ipc is None else f", {row.ipc} images per class"
    url = safe_url(card.text("source"))
    fields = [
        ("title", f"{{{_escaped(title)}}}"),
        ("author", f"{{{_escaped(card.text('contributor') or 'unknown')}}}"),
        ("note", f"Synthetic set of {_escaped(row.dataset)}{size}, sha256 {_escaped(digest)}"),
        *([("howpublished", f"\\url{{{url}}}")] if url and not set(url) & set("{}%#") else []),
    ]
    body = ",\n".join(f"  {name} = {{{text}}}" for name, text in fields)
    return f"@misc{{distillbench-{digest[:12] if digest.isalnum() else 'set'},\n{body}\n}}"


def _escaped(text: str) -> str:
    line = shorten(str(visible(text)), 300)
    return "".join(ESCAPES.get(letter, letter) for letter in line)
