"""`test`: the public contract tests of a plug-in."""

from __future__ import annotations

import sys

import click

from benchmark import registry
from benchmark.commands._shared import every_option, open_store

__all__ = ["test"]


@click.command()
@click.argument("kind")
@click.argument("name")
@every_option
def test(kind: str, name: str, store: str | None, plugins: tuple[str, ...]) -> None:
    """Run the public contract tests on a plug-in of a KIND.

    \b
    Examples:
      distillbench test evaluator cross-architecture
      distillbench test baseline my-method --plugins my-plugins/
    """
    open_store(store, plugins)
    registry.path(kind, name)
    from benchmark import contract

    failures = 0
    for check, problem in contract.run(kind, name):
        failures += problem is not None
        click.echo(f"{'FAIL' if problem else 'ok  '}  {check}{': ' + problem if problem else ''}")
    if failures:
        click.echo(f"{failures} checks failed.", err=True)
        sys.exit(1)
