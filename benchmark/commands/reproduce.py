"""`reproduce`: published tables beside our own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark._tables import show
from benchmark.commands._shared import (
    REPOSITORY,
    as_json,
    every_option,
    finish,
    n_workers,
    on_cluster,
    on_device,
    open_store,
    runner_of,
)
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.reproduce.tables import Table, TableCell
    from benchmark.store import Store

__all__ = ["reproduce"]


@click.command()
@click.argument("table", required=False)
@click.option("--cell", "cells", multiple=True, metavar="NAME", help="Only this cell; may be repeated. Default: all.")
@click.option("--dry-run", is_flag=True, help="Say what would be run and how long it would take here.")
@click.option("--stored", is_flag=True, help="Run nothing; compare what the store holds.")
@click.option("--write", is_flag=True, help="Write docs/reproduction.md and its record, with what was measured now.")
@click.option("--out", type=click.Path(), help="With --write: the folder. Default: docs/ of this checkout.")
@n_workers
@on_cluster
@on_device
@as_json
@every_option
def reproduce(table: str | None, cells: tuple[str, ...], **named: Any) -> None:
    """Run what a published TABLE lacks, and show ours beside it: difference, standard error, verdict.

    Without a TABLE the tables are listed. Killed at any moment and started again, it goes on where it was.

    \b
    Examples:
      distillbench reproduce
      distillbench reproduce selection --cell random-cifar10-1 --dry-run
      distillbench reproduce dc --cell cifar10-1 --write
    """
    from benchmark.reproduce import page, record, tables

    docs = Path(named["out"]) if named["out"] else REPOSITORY / "docs"
    opened = open_store(named["store"], named["plugins"])
    found = record.read(docs / page.RECORD)
    if table is None:
        if cells or named["dry_run"] or named["stored"]:
            raise UsageError("which table? See `distillbench reproduce` for their names.")
        _write(docs, found) if named["write"] else show(_listed(found), named["as_json"])
        return
    chosen = tables.load(table)
    asked = [chosen.cell(name) for name in cells] or [cell for cell in chosen.cells if not cell.problem()]
    for cell in asked:
        if cell.problem():
            raise UsageError(f"cell {cell.name!r} of table {table!r}: {cell.problem()}.")
    if named["dry_run"]:
        _dry_run(opened, named, asked)
        return
    report = None if named["stored"] else _run(opened, named, asked)
    found |= _measured(opened, chosen, asked)
    if named["write"]:
        _write(docs, found)
    wanted = {cell.name for cell in asked}
    show([row for row in page.rows(chosen, found) if row["cell"] in wanted], named["as_json"])
    if report is not None:
        finish(report)


def _listed(found: Any) -> list[dict[str, Any]]:
    """One row for each table: how many of its published numbers read what."""
    from benchmark.reproduce import page, tables, verdict

    listed = []
    for name in tables.names():
        table = tables.load(name)
        words = [judged.word for *_, judged in page.compared(table, found)]
        counts = {word: words.count(word) for word in verdict.WORDS}
        listed.append({"table": name, "cells": len(table.cells), **counts, "summary": table.summary})
    return listed


def _dry_run(opened: Store, named: dict[str, Any], asked: Sequence[TableCell]) -> None:
    import json
    from dataclasses import asdict

    from benchmark.reproduce import measure
    from benchmark.runner import describe

    runner = runner_of(opened, named)
    estimate = measure.estimate(runner, asked)
    runner.workers.close()
    if named["as_json"]:
        click.echo(json.dumps({**asdict(estimate), "seconds": estimate.seconds}))
    else:
        click.echo(describe(estimate))


def _run(opened: Store, named: dict[str, Any], asked: Sequence[TableCell]) -> Any:
    from benchmark.progress import say
    from benchmark.reproduce import measure
    from benchmark.runner import describe

    runner = runner_of(opened, named)
    say(describe(measure.estimate(runner, asked)))
    measure.carry_out(runner, asked)
    return runner.report


def _measured(opened: Store, chosen: Table, asked: Sequence[TableCell]) -> dict[str, Any]:
    """What the store holds of these cells, by the record's keys."""
    from benchmark.reproduce import measure, record

    seen = {record.key_of(chosen, cell.name): measure.stored(opened, cell) for cell in asked}
    return {key: measured for key, measured in seen.items() if measured is not None}


def _write(docs: Path, found: Any) -> None:
    """Write the record, and the page that follows from it."""
    from benchmark.durable import write_replacing
    from benchmark.reproduce import page, record, tables

    record.write(docs / page.RECORD, found)
    text = page.render([tables.load(name) for name in tables.names()], found)
    write_replacing(docs / page.PAGE, text.encode(), docs)
    click.echo(docs / page.PAGE, err=True)
