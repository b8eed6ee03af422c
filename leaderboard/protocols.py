"""The rules by which numbers are measured and read, by version. A version's text never changes: a test holds its hash.

Whoever changes a rule adds `templates/protocol_v<N>.html`, and the hash of the text below.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["SHA256", "versions"]

TEMPLATES = Path(__file__).parent / "templates"
SHA256 = {1: "7e332819f2711701bd7b33d0f6bf6b12775271839fd5fc0e33a32ae3d8ecd2d2"}
"""Of each version's text."""


def versions() -> list[int]:
    """Every version, oldest first."""
    return sorted(SHA256)
