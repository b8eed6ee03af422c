"""`document`: the pages that are written from the code."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark import registry
from benchmark.commands._shared import REPOSITORY

__all__ = ["document"]


@click.command()
@click.option("--out", type=click.Path(), help="The folder of the docs. Default: docs/ of this checkout.")
def document(out: str | None) -> None:
    """Write a page for every baseline from its file, its presets and the reference store's cards.

    \b
    Example:
      distillbench document
    """
    from benchmark import baseline_page
    from benchmark.durable import write_replacing
    from benchmark.store import Store

    folder = Path(out or REPOSITORY / "docs") / baseline_page.FOLDER
    reference = Store(REPOSITORY / "artifacts" / "reference")
    names = registry.names("baseline")
    for name in names:
        write_replacing(folder / f"{name}.md", baseline_page.render(name, reference).encode(), folder)
    for file in folder.glob("*.md"):
        if file.stem not in names:
            file.unlink()
    click.echo(f"{folder}: {len(names)} pages")
