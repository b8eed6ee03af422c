"""`store fsck | merge | gc | export`: check, join, tidy and hand out what a store holds."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from benchmark._tables import show
from benchmark.commands._shared import as_json, every_option, open_store

if TYPE_CHECKING:
    from benchmark.store_check import Check

__all__ = ["store_group"]

wait = click.option(
    "--wait",
    type=click.FloatRange(0),
    default=10.0,
    metavar="SECONDS",
    help="How long to wait while another process maintains the store. Default: 10.",
)


@click.group(name="store")
def store_group() -> None:
    """Check, merge, tidy and export the store.

    \b
    Examples:
      distillbench store fsck
      distillbench store merge /mnt/other/store
      distillbench store export results.csv
    """


@store_group.command()
@click.option("--repair-from", metavar="STORE", help="Restore what is damaged or gone from another store that has it.")
@click.option("--forget", is_flag=True, help="Stop missing what is gone: it went on purpose.")
@click.option("--strict", is_flag=True, help="Let foreign and stale files count as well.")
@wait
@as_json
@every_option
def fsck(store: str | None, plugins: tuple[str, ...], as_json: bool, **named: Any) -> None:
    """Read every file, and name each that is damaged, incomplete, stale or foreign, with what to do.

    Exits with 0 where every object is there and whole, and with 3 otherwise. Foreign and stale files do no harm and
    are only told, unless --strict. Nothing is changed without --repair-from, and nothing is ever guessed: an object is
    restored from one of the same name that proves itself whole, and what it replaces goes to quarantine/.

    \b
    Examples:
      distillbench store fsck
      distillbench store fsck --repair-from /mnt/backup/store
    """
    from benchmark import store_check, store_gc
    from benchmark.store import Store

    opened = open_store(store, plugins)
    if named["forget"]:
        store_check.forget(opened)
    found = store_check.check(opened)
    if named["repair_from"]:
        with store_gc.maintenance(opened, "store fsck --repair-from", named["wait"]):
            found = store_check.repair(opened, found, Store(named["repair_from"]))
    _report(found, as_json)
    if not found.is_clean or (named["strict"] and found.findings):
        sys.exit(3)


def _report(found: Check, as_json: bool) -> None:
    listed = [("restored", one) for one in found.repaired] + [(one.kind, one) for one in found.findings]
    rows = [{"kind": kind, "path": one.path, "what": one.what, "fix": one.fix} for kind, one in listed]
    if as_json:
        click.echo(json.dumps({"objects": found.n_objects, "clean": found.is_clean, "findings": rows}, indent=1))
        return
    for row in rows:
        click.echo(f"{row['kind']}: {row['path']}: {row['what']}." + (f" Fix: {row['fix']}." if row["fix"] else ""))
    counts = Counter(row["kind"] for row in rows)
    told = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "nothing wrong"
    click.echo(f"{found.n_objects} objects, {found.n_bytes / 1e6:.1f} MB: {told}", err=True)


@store_group.command()
@click.argument("other")
@wait
@as_json
@every_option
def merge(other: str, as_json: bool, store: str | None, plugins: tuple[str, ...], wait: float) -> None:
    """Copy what the store OTHER holds into this one, each object checked on the way.

    In whichever order stores are merged, the same files come out. Where both have a name with different content, one
    takes the place by a fixed rule, and the other is kept in conflicts/. Damaged objects of OTHER are named and left
    there, and the exit code is 3; everything else is copied.

    \b
    Example:
      distillbench store merge /mnt/other/store
    """
    from benchmark import store_gc, store_merge
    from benchmark.store import Store

    opened = open_store(store, plugins)
    with store_gc.maintenance(opened, f"store merge {other}", wait):
        done = store_merge.merge(opened, Store(other))
    if as_json:
        refused = [{"path": one.path, "what": one.what} for one in done.refused]
        conflicts = [{"path": path, "kept": kept} for path, kept in done.conflicts]
        counts = {"copied": dict(done.copied), "mended": dict(done.mended), "same": done.n_same}
        click.echo(json.dumps({**counts, "conflicts": conflicts, "refused": refused}, indent=1))
    else:
        for path, kept in done.conflicts:
            click.echo(f"conflict: both stores have {path}; the one that gave way is kept as {kept}")
        for one in done.refused:
            click.echo(f"left there: {one.path}: {one.kind}: {one.what}. Fix: {one.fix}.")
        copied = ", ".join(f"{n} {kind}" for kind, n in sorted(done.copied.items())) or "nothing new"
        click.echo(f"copied {copied}; {done.n_same} were here already, {done.mended.total()} mended", err=True)
    if done.refused:
        sys.exit(3)


@store_group.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@wait
@as_json
@every_option
def gc(dry_run: bool, as_json: bool, store: str | None, plugins: tuple[str, ...], wait: float) -> None:
    """Clear away what killed processes left: to trash/ at first, and after seven days for good.

    What is younger than a day is left alone. Sets, what baselines made, outcomes, results and records are never
    cleared. Another process that is at it is waited for; then the exit code is 5, and the message names it.

    \b
    Example:
      distillbench store gc --dry-run
    """
    from benchmark import store_gc

    opened = open_store(store, plugins)
    if dry_run or not opened.root.is_dir():
        done = store_gc.collect_garbage(opened, dry_run=True)
    else:
        with store_gc.maintenance(opened, "store gc", wait):
            done = store_gc.collect_garbage(opened)
    rows = [{"path": path, "went": "to trash/"} for path in done.to_trash]
    show(rows + [{"path": path, "went": "for good"} for path in done.deleted], as_json)
    if not as_json:
        click.echo(f"{len(rows)} to trash/ ({done.n_bytes / 1e6:.1f} MB), {len(done.deleted)} deleted", err=True)


@store_group.command()
@click.argument("file", type=click.Path(dir_okay=False))
@every_option
def export(file: str, store: str | None, plugins: tuple[str, ...]) -> None:
    """Write all result rows into one FILE: .parquet, .csv or .json, by its ending.

    Parquet and JSON are exact; in CSV a text that a spreadsheet would run as a formula gets an apostrophe.

    \b
    Examples:
      distillbench store export results.csv
      distillbench store export results.json
    """
    from benchmark import store_export

    n = store_export.export(open_store(store, plugins), file)
    click.echo(f"{n} rows in {file}", err=True)
