"""What changed and when, by the dates in the status records: a page, an Atom feed, and JSON. Never by the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from leaderboard.paths import entry_path
from leaderboard.records import Event
from leaderboard.text import shorten, visible

__all__ = ["Change", "changes", "feed", "listing"]

FORMAT = 1
NEVER = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated; Atom wants a date."""
IN_FEED = 100


class Change(NamedTuple):
    """A record, and what it is about."""

    event: Event
    name: str
    path: str
    """The set's page; empty where the site has none."""


def changes(events: Sequence[Event], names: Mapping[str, str]) -> list[Change]:
    """Newest first; equal dates by id. `names` are the titles of the sets that have a page."""
    newest = sorted(events, key=lambda event: (event.at, event.id), reverse=True)
    paths = {digest: entry_path(digest) for digest in names}
    return [Change(event, names.get(event.set, f"set {event.set[:12]}"), paths.get(event.set, "")) for event in newest]


def listing(found: Sequence[Change]) -> bytes:
    """changes.json."""
    told = [{**change.event._asdict(), "name": change.name, "page": change.path or None} for change in found]
    return (json.dumps({"format": FORMAT, "changes": told}, indent=1, allow_nan=False) + "\n").encode("ascii")


def feed(found: Sequence[Change]) -> bytes:
    """feed.xml: Atom (RFC 4287), with links relative to the feed."""
    updated = found[0].event.at if found else NEVER
    entries = "".join(_entry(change) for change in found[:IN_FEED])
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">\n'
        "<title>DistillBench: changes</title>\n<id>urn:distillbench:changes</id>\n"
        f"<updated>{escape(updated)}</updated>\n<author><name>DistillBench</name></author>\n"
        '<link rel="self" type="application/atom+xml" href="feed.xml"/>\n'
        f'<link rel="alternate" type="text/html" href="changes.html"/>\n{entries}</feed>\n'
    ).encode()


def _entry(change: Change) -> str:
    event = change.event
    title = _text(f"{event.state}: {change.name}", 200)
    return (
        f"<entry>\n<title>{title}</title>\n<id>urn:sha256:{escape(event.id)}</id>\n"
        f"<updated>{escape(event.at)}</updated>\n"
        f'<link rel="alternate" type="text/html" href={quoteattr(change.path or "changes.html")}/>\n'
        f"<summary>{_text(event.reason or 'No reason given.', 1000)}</summary>\n</entry>\n"
    )


def _text(value: str, longest: int) -> str:
    return escape(shorten(str(visible(value)), longest))
