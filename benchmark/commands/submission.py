"""`submit`: take in a set that was made elsewhere."""

from __future__ import annotations

import json

import click

from benchmark.commands._shared import as_json, every_option, open_store

__all__ = ["submit"]


@click.command()
@click.argument("folder", type=click.Path())
@as_json
@every_option
def submit(folder: str, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Take in a set FOLDER that was made elsewhere; prints its digest.

    The folder holds tensors.safetensors and card.json (docs/submit.md shows how to write both with numpy and json
    alone). It is checked whole before anything is stored, never changed, and nothing in it is ever executed.

    \b
    Example:
      distillbench submit my-set/ && distillbench evaluate 3f2a && distillbench leaderboard
    """
    from benchmark import preview, submission

    opened = open_store(store, plugins)
    synthetic = submission.read_set_folder(folder)
    submission.check_policy(synthetic)
    is_new = not opened.has_set(synthetic.digest)
    drawn = preview.draw(synthetic) if synthetic.card.decoder.name == "identity" else None
    digest = opened.write_set(synthetic, drawn)
    row = {"set": digest, "method": synthetic.card.method, "bytes": synthetic.ledger["total"], "new": is_new}
    if as_json:
        click.echo(json.dumps(row))
    else:
        click.echo(digest)
        state = "stored" if is_new else "already present"
        click.echo(f"{state}. Next: distillbench evaluate {digest[:12]}", err=True)
