"""The rules by which numbers are measured and read, by version. A version's text never changes: a test holds its hash.

Whoever changes a rule adds `templates/protocol_v<N>.html`, and the hash of the text below.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["SHA256", "versions"]

TEMPLATES = Path(__file__).parent / "templates"
SHA256 = {1: "b5fb687a26a343afd4c409c2d2507dc4688dfc577bb1f34a625dd9a2c3a096b6"}
"""Of each version's text."""


def versions() -> list[int]:
    """Every version, oldest first."""
    return sorted(SHA256)
