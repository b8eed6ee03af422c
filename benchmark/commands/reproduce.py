"""`reproduce`: published tables beside our own numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark import registry
from benchmark._tables import show
from benchmark.commands._shared import (
    REPOSITORY,
    as_json,
    carry_out,
    every_option,
    finish,
    n_workers,
    on_cluster,
    on_device,
    open_store,
    runner_of,
    show_estimate,
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
@click.option("--stored", is_flag=True, help="Run nothing; show what the store holds, else the committed record.")
@click.option("--write", is_flag=True, help="Write docs/reproduction.md and its record, with what was measured now.")
@click.option("--reference", is_flag=True, help="Build the reference store instead, from its plan, and pack it.")
@click.option("--plan", "plan_name", metavar="PLAN", help="With --reference: another plan than `reference`.")
@click.option("--out", type=click.Path(), help="Folder of --write (docs/) or of --reference (artifacts/reference).")
@n_workers
@on_cluster
@on_device
@as_json
@every_option
def reproduce(table: str | None, cells: tuple[str, ...], **named: Any) -> None:
    """Run what a published TABLE lacks, and show ours beside it: difference, standard error, verdict.

    Without a TABLE the tables are listed. Killed at any moment and started again, it goes on where it was. With
    --reference the sets and scores that ship with the repository are made anew, in a store of their own, and packed.

    \b
    Examples:
      distillbench reproduce
      distillbench reproduce selection --cell random-cifar10-1 --dry-run
      distillbench reproduce dc --cell cifar10-1 --write
      distillbench reproduce --reference
    """
    if named["reference"]:
        if table or cells or named["stored"] or named["write"]:
            raise UsageError("--reference builds a store; a table, --cell, --stored and --write do not go with it.")
        _reference(named)
        return
    if named["plan_name"]:
        raise UsageError("--plan goes with --reference. To carry out a plan: `distillbench evaluate --plan`.")
    from benchmark.reproduce import page, record, tables

    docs = Path(named["out"]) if named["out"] else REPOSITORY / "docs"
    opened = open_store(named["store"], named["plugins"])
    found = record.read(docs / page.RECORD)  # now, so that a damaged one is told before hours of work
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
    found = record.read(docs / page.RECORD) | _measured(opened, chosen, asked)  # another run may have written
    if named["write"]:
        _write(docs, found)
    wanted = {cell.name for cell in asked}
    show([row for row in page.rows(chosen, found) if row["cell"] in wanted], named["as_json"])
    if report is not None:
        finish(report)


def _reference(named: dict[str, Any]) -> None:
    """Carry the plan out in a store that reads no other, and pack it where nothing failed."""
    from benchmark import _requests, packing
    from benchmark.store import Store

    for folder in named["plugins"]:
        registry.add_folder(folder)
    chosen = _requests.plan_of(named["plan_name"] or "reference")
    own = Store(named["store"] or _cache() / "reference")
    if named["dry_run"]:
        runner = runner_of(own, named)
        estimate = runner.estimate(chosen.jobs, chosen.made)
        runner.workers.close()
        show_estimate(estimate, named["as_json"])
        return
    finish(carry_out(runner_of(own, named), chosen))
    place = Path(named["out"]) if named["out"] else REPOSITORY / "artifacts" / "reference"
    packed = packing.pack(own, place)
    if named["as_json"]:
        click.echo(json.dumps(asdict(packed)))
        return
    click.echo(
        f"{place}: {packed.n_sets} sets, {packed.n_outcomes} outcomes ({packed.n_left_out} with arrays left out), "
        f"{packed.n_files} files, {packed.n_bytes / 2**20:.1f} MiB"
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distillbench"


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
    from benchmark.reproduce import measure

    runner = runner_of(opened, named)
    estimate = measure.estimate(runner, asked)
    runner.workers.close()
    show_estimate(estimate, named["as_json"])


def _run(opened: Store, named: dict[str, Any], asked: Sequence[TableCell]) -> Any:
    from benchmark.progress import say
    from benchmark.reproduce import measure

    runner = runner_of(opened, named)
    say(str(measure.estimate(runner, asked)))
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
