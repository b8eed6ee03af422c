"""`publish`: put a set where others find it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands._shared import every_option, open_store
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.store import Store
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["publish"]


@click.command()
@click.argument("chosen", metavar="SET")
@click.option("--to", "folder", type=click.Path(), help="Write a new folder.")
@click.option("--hub", "repository", metavar="OWNER/NAME", help="Upload to the Hugging Face hub, as a dataset.")
@every_option
def publish(
    chosen: str, folder: str | None, repository: str | None, store: str | None, plugins: tuple[str, ...]
) -> None:
    """Publish a SET (a digest's beginning, or a set folder) with a README.md made from its card.

    The README begins with the fields that the Hugging Face hub reads. --hub needs the extra `hub` and its login.

    \b
    Examples:
      distillbench publish 3f2a --to my-release
      distillbench publish my-set/ --hub my-name/my-set
    """
    if bool(folder) == bool(repository):
        raise UsageError("where to? Give --to FOLDER or --hub OWNER/NAME.")
    from benchmark import publish as publishing

    synthetic = _set(open_store(store, plugins), chosen)
    if not synthetic.card.licence:
        click.echo("note: the card states no licence, so others may not use the set.", err=True)
    click.echo(publishing.to_folder(synthetic, folder) if folder else publishing.to_hub(synthetic, repository or ""))


def _set(opened: Store, chosen: str) -> SyntheticSet:
    """A stored set, or the set in a folder."""
    from benchmark import submission

    if Path(chosen).is_dir():
        return submission.read_set_folder(chosen)
    return opened.read_set(opened.resolve_set(chosen))
