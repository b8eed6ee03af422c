"""`results`: find stored scores at once, however many there are."""

from __future__ import annotations

import json
from typing import Any

import click

from benchmark._tables import show, summary
from benchmark.commands._shared import as_json, every_option, open_store, store_places

__all__ = ["results"]

TEXTS = ("dataset", "method", "evaluator", "recipe", "architecture", "condition", "metric", "track", "status")
NUMBERS = ("ipc", "seed", "distil_seed")


def _column(name: str, kind: Any) -> Any:
    return click.option(
        f"--{name.replace('_', '-')}", name, multiple=True, type=kind, help=f"Only this {name}; may be repeated."
    )


def _columns(command: Any) -> Any:
    """An option for each column that one may look for."""
    for name in reversed((*TEXTS, *NUMBERS)):
        command = _column(name, int if name in NUMBERS else str)(command)
    return command


@click.command()
@click.argument("sets", nargs=-1)
@_columns
@click.option("--rows", is_flag=True, help="Every row, one a training seed, with status and numerics.")
@as_json
@every_option
def results(sets: tuple[str, ...], rows: bool, as_json: bool, store: str | None, **named: Any) -> None:
    """Show stored scores: mean, SD and n of each measurement, of SETS, or of whatever the options say.

    Nothing is computed but what is shown. Sets are named by the beginnings of their digests.

    \b
    Examples:
      distillbench results --dataset digits --method dm
      distillbench results 3f2a --evaluator cross-architecture --json
      distillbench results --status failed --rows
    """
    from benchmark import row_index
    from benchmark._format import read_format

    plugins = named.pop("plugins")
    wanted = {name: values for name, values in named.items() if values}
    if sets:
        opened = open_store(store, plugins)
        wanted["set"] = [opened.resolve_set(one) for one in sets]
    roots = store_places(store, plugins)  # in place of the store, which takes longer to load than this to answer
    for root in roots:
        read_format(root)
    found = row_index.select(roots, wanted, roots[0] / "tmp" if roots[0].is_dir() else None)
    if rows and as_json:
        click.echo(json.dumps(found, indent=1))
    elif rows:
        show([{**row, "set": row["set"][:12]} for row in found], False)
    else:
        show(summary(found), as_json)
