"""`scan`: look for test images in sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark._tables import show
from benchmark.commands._shared import as_json, every_option, open_store
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.scan import Scan

__all__ = ["scan"]


@click.command()
@click.argument("sets", nargs=-1, required=True)
@click.option("--accept", metavar="REASON", help="After a review: rank the set again, for a REASON that is shown.")
@click.option("--by", default="", metavar="NAME", help="With --accept: who has reviewed it.")
@as_json
@every_option
def scan(sets: tuple[str, ...], accept: str | None, by: str, as_json: bool, **named: Any) -> None:
    """Look for test images in SETS: digests of stored ones, or folders that nobody has handed in yet.

    Copies of test images, turned or off by a level, refuse a set; images too near to test images hold it back from
    ranks until it was reviewed. The store keeps what was found, with the worst pairs side by side.

    \b
    Examples:
      distillbench scan 3f2a
      distillbench scan my-set/
      distillbench scan 3f2a --accept "frames of one film in both splits" --by "J. Doe"
    """
    from benchmark.scan import stored

    store = open_store(named["store"], named["plugins"])
    if accept is not None:
        if not accept.strip() or any(Path(one).is_dir() for one in sets):
            raise UsageError("--accept needs a reason, and the digests of stored sets.")
        for one in sets:
            stored.accept(store.resolve_set(one), accept.strip(), by, store)
    found = [_of_folder(one) if Path(one).is_dir() else stored.of_stored(store.resolve_set(one), store) for one in sets]
    show([each.to_json() if as_json else _as_row(each) for each in found], as_json)
    for each in found:
        picture = store.scan_picture(each.set)
        if each.is_suspect and picture:
            click.echo(f"set, test image, nearest training image side by side: {picture}", err=True)
    if any(each.state == "refused" for each in found):
        sys.exit(4)


def _as_row(found: Scan) -> dict[str, Any]:
    return {"set": found.set[:12], "scan": found.state, "code": found.code, "found": found.reason}


def _of_folder(folder: str) -> Scan:
    """The scan of a folder; nothing is written."""
    from benchmark import datasets
    from benchmark.scan import scan as scanned
    from benchmark.submission import read_set_folder

    synthetic = read_set_folder(folder)
    return scanned(synthetic, datasets.load(synthetic.card.dataset))
