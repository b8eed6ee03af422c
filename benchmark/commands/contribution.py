"""`contribution`: check the set folder that a branch adds, as the pull request's workflow does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmark.commands._shared import every_option, open_store

__all__ = ["contribution"]


@click.command()
@click.option("--base", default="origin/main", help="The branch that it is to be merged into. Default: origin/main.")
@click.option("--head", default="HEAD", help="The branch that adds the set. Default: HEAD.")
@click.option("--repository", type=click.Path(), default=".", help="The checkout. Default: the current folder.")
@click.option("--out", type=click.Path(), help="Also write the set folder here; it must be new.")
@every_option
def contribution(
    base: str, head: str, repository: str, out: str | None, store: str | None, plugins: tuple[str, ...]
) -> None:
    """Check the set folder that a branch adds under artifacts/submissions/; prints its digest.

    The branch may add one folder with card.json and tensors.safetensors and change nothing else (docs/pull_request.md).
    It is read from git's objects: nothing of it is checked out or run.

    \b
    Example:
      distillbench contribution --base origin/main
    """
    from benchmark import submission
    from benchmark.contribution import changes
    from benchmark.convert import check_new

    opened = open_store(store, plugins)
    place = check_new(out) if out else None
    found = changes.changes(Path(repository), base, head)
    name = changes.added_folder(found)
    with tempfile.TemporaryDirectory(prefix="distillbench-contribution-") as folder:
        changes.extract(Path(repository), found, Path(folder))
        synthetic = submission.check(folder, opened)
        if place:
            place.mkdir(parents=True)
            changes.extract(Path(repository), found, place)
    click.echo(synthetic.digest)
    click.echo(f"{changes.PLACE}/{name}: fine, {synthetic.ledger['total']:,} bytes, {synthetic.card.method}.", err=True)
