"""`leaderboard`: build the site."""

from __future__ import annotations

import click

from benchmark.commands._shared import as_json, build_site, every_option, open_store, site_folder

__all__ = ["leaderboard"]


@click.command()
@site_folder
@as_json
@every_option
def leaderboard(out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Build the static site from the results of the store, and print the main table.

    \b
    Example:
      distillbench leaderboard --out /tmp/site
    """
    build_site(open_store(store, plugins), out, as_json)
