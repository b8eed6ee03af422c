"""Makes strangers' text safe to show, to link and to name files after.

Every text field of a card or a result may be hostile. Escaping is the template engine's work; here goes what escaping
does not cover: characters that have no shape or turn the text around, links, file names, shell commands.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

__all__ = ["LONGEST", "page_name", "registry_words", "safe_url", "shorten", "slug", "visible"]

LONGEST = 4000
"""Characters of one text that a page shows."""

NOTHING = "(none)"
"""Stands for an empty text, so that no link or heading is empty."""

SHAPELESS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories without a shape of their own: controls, bidi marks, lone surrogates, private use."""

REGISTRY_WORD = re.compile(r"[a-z0-9][a-z0-9._:=,/\[\]-]{0,127}")


def visible(value: object) -> object:
    """Replace each shapeless character of a text by its code in ⟨⟩, and cut it at `LONGEST`; keep other values."""
    if type(value) is not str:
        return value
    shown = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_shape(character) for character in shown)


def shorten(value: str, longest: int = 60) -> str:
    """One line of at most `longest` characters, for table cells and titles; says so where there is nothing."""
    line = " ".join(value.split()) or NOTHING
    return line if len(line) <= longest else line[: longest - 1] + "…"


def slug(*parts: object) -> str:
    """Lower-case letters, digits and hyphens, at most 80 characters; never empty. Not unique: see `page_name`."""
    text = "-".join(str(part) for part in parts).lower()
    return re.sub(r"[^a-z0-9]+", "-", text)[:80].strip("-") or "x"


def page_name(words: Sequence[object], key: Sequence[object]) -> str:
    """A file name without suffix: readable words, and a hash of the whole key that keeps it unique."""
    canonical = json.dumps([str(part) for part in key], ensure_ascii=True)
    return f"{slug(*words)}-{hashlib.sha256(canonical.encode()).hexdigest()[:10]}"


def safe_url(text: str) -> str | None:
    """The text if it is a plain http or https link that may be put into a page, else None."""
    if not text.isascii() or not text.isprintable() or re.search(r"[\s<>\"'`\\]", text):
        return None
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return None
    fine = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and port_is_fine
    return text if fine else None


def registry_words(*words: str) -> bool:
    """Whether all are plain registry names, so that a command line may hold them unquoted."""
    return all(REGISTRY_WORD.fullmatch(word) for word in words)


def _shape(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in SHAPELESS:
        return character
    return f"⟨U+{ord(character):04X}⟩"
