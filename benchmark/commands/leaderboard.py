"""`leaderboard`: build the site, serve it on this machine, and say what a change does to the ranks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmark.commands._shared import (
    REPOSITORY,
    as_json,
    build_site,
    every_option,
    open_store,
    site_folder,
)
from benchmark.errors import UsageError

__all__ = ["leaderboard"]

PORT = 8000
GIVEN = click.core.ParameterSource.COMMANDLINE


@click.group(invoke_without_command=True)
@site_folder
@as_json
@every_option
@click.pass_context
def leaderboard(
    context: click.Context, out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]
) -> None:
    """Build the static site from the results of the store, and print the main table.

    Without a command it builds, as `build` does.

    \b
    Examples:
      distillbench leaderboard --out /tmp/site
      distillbench leaderboard serve --out /tmp/site
      distillbench leaderboard diff old-store/ new-store/
    """
    if context.invoked_subcommand is None:
        build_site(open_store(store, plugins), out, as_json)
    elif any(context.get_parameter_source(name) is GIVEN for name in context.params):
        raise UsageError(f"options of `{context.invoked_subcommand}` stand behind it, not before it.")


@leaderboard.command()
@site_folder
@as_json
@every_option
def build(out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Build the static site, and print the main table. Only what changed is made again.

    \b
    Example:
      distillbench leaderboard build --out /tmp/site
    """
    build_site(open_store(store, plugins), out, as_json)


@leaderboard.command()
@site_folder
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, help=f"0: a free one. Default: {PORT}.")
def serve(out: str | None, port: int) -> None:
    """Show a built site to browsers of this machine, until Ctrl-C. It need not be served: it opens from the disk too.

    \b
    Example:
      distillbench leaderboard serve --port 8080
    """
    from leaderboard.serve import server

    listening = server(Path(out) if out else REPOSITORY / "site", port)
    click.echo(f"http://127.0.0.1:{listening.server_address[1]}/  (Ctrl-C stops it)")
    try:
        listening.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        listening.server_close()


@leaderboard.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--recipe", nargs=2, metavar="OLD NEW", help="Compare boards of one recipe with those of another.")
@as_json
def diff(old: Path, new: Path, recipe: tuple[str, str] | None, as_json: bool) -> None:
    """Say what differs in the ranks between OLD and NEW: stores, or built sites, whose ranks stand as they were built.

    \b
    Examples:
      distillbench leaderboard diff old-store/ new-store/
      distillbench leaderboard diff old-site/ artifacts/local      what new rules do
      distillbench leaderboard diff artifacts/local artifacts/local --recipe dc-2021 standard-v1
    """
    from leaderboard import diff as site

    found = site.differences(site.load(old), site.load(new), recipe)
    click.echo(json.dumps(site.as_json(found)) if as_json else site.told(found))
