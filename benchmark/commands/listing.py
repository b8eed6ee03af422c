"""`list`: plug-ins, plans and stored sets."""

from __future__ import annotations

import click

from benchmark._tables import listing, show
from benchmark.commands._shared import as_json, every_option, open_store

__all__ = ["list_"]


@click.command(name="list")
@click.argument("kind", required=False)
@as_json
@every_option
def list_(kind: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """List what there is: plug-ins by KIND, plans or stored sets.

    KIND is architecture, augmentation, baseline, dataset, decoder, evaluator, probe, recipe, plan or set; without one,
    all plug-ins are listed.

    \b
    Examples:
      distillbench list
      distillbench list baseline
      distillbench list set --json
    """
    show(listing(kind, open_store(store, plugins)), as_json)
