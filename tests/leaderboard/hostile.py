"""Strangers' text for every field of every record, and a store that holds it there."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from benchmark.results import COLUMNS
from benchmark.states import Record
from tests.leaderboard.conftest import FakeStore, card_of, png
from tests.leaderboard.rich import add_record

__all__ = ["ESCAPED", "HOSTILE", "SHOWN", "TEXT_COLUMNS", "hostile_store"]

SHOWN = [
    '<script>document.title="owned"</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></svg></style><script>",
    "{{1237*1000}}{% raw %}{#",
    "$\\frac{1}{0}$ $$",
    "--><!-- ]]>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "../../../etc/passwd%00",
    "url(https://example.net/x)",
    "=1+1",
    "@SUM(A1)",
    "-1",
    "日本語 العربية é",
]
"""Shown letter by letter."""
ESCAPED = {"\u202eevil": "⟨U+202E⟩evil", "\x00nul": "⟨U+0000⟩nul", "\x1b[2J": "⟨U+001B⟩[2J", "a\u200bb": "a⟨U+200B⟩b"}
"""Shown with codes for what has no shape."""
HOSTILE = [*SHOWN, *ESCAPED, "\t=1", "\r=1", "\n", "x" * 5000, ""]
TEXT_COLUMNS = [name for name, kind in COLUMNS.items() if kind == "string" and name not in ("set", "status")]


def hostile_store(root: Path) -> FakeStore:
    """A set for each text, with the text in every field of its card and its rows; two architectures, two conditions."""
    store = FakeStore(root)
    for text in HOSTILE:
        plain = card_of(text, 1, 0)
        inside = {"kind": text, "name": text, text: [text, {text: text}]}
        texts = {name: text for name, value in plain.items() if isinstance(value, str)}
        parts = {name: inside for name, value in plain.items() if isinstance(value, dict)}
        claim = {name: text for name in ("metric", "unit", "protocol", "source")} | {
            "value": 1.5,
            "sd": text,
            "n": text,
        }
        claims = {"claims": [claim, text, {text: text}]}
        digest = store.add_set({**plain, **texts, **parts, "notes": text, "schedule": text, text: text, **claims})
        row = {**{name: text for name in TEXT_COLUMNS}, "set": digest, "condition": ""}
        for architecture in ("convnet", text):
            store.add_row(**{**row, "architecture": architecture})
        for condition in ("none", text):
            store.add_row(**{**row, "evaluator": f"e{text}", "condition": condition})
        store.add_row(**{**row, "status": text, "condition": text, "value": None, "seed": 1})
        store.add_row(**{**row, "set": text or "/"})
        _say(store, digest, text, inside)
    surrogate = store.add_set({"title": "\ud800", "\udfff": "\udfff", "space": {"kind": "\ud800"}})
    store.add_row(set=surrogate)
    return store


def _say(store: FakeStore, digest: str, text: str, inside: dict[str, Any]) -> None:
    """A status record, a claim and a scan of a set, with the text wherever they hold one."""
    add_record(store, Record(digest, "disputed", text, "2026-11-01T10:00:00Z", text, {"note": text}))
    folder = store.root / "scans"
    folder.mkdir(exist_ok=True)
    scan = {
        "format": 1,
        "state": text,
        "reason": text,
        text: text,
        "inside": inside,
        "pairs": [{text: text, "turn": text}],
    }
    (folder / f"{digest}.json").write_text(json.dumps(scan), encoding="utf-8")
    (folder / f"{digest}.png").write_bytes(png(8, 8, random.Random(1)))
