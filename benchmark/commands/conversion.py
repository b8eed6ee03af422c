"""`convert`: turn what a method's own code left into a set folder."""

from __future__ import annotations

import json
from typing import Any

import click

from benchmark.commands._shared import as_json, every_option, open_store

__all__ = ["convert"]

_DESCRIBING = ("title", "source", "licence", "contributor")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--dataset", required=True, help="What was distilled: a dataset's name, or your own data.")
@click.option("--method", required=True, help="Your method's name on the boards.")
@click.option("--ipc", type=click.IntRange(1), required=True, help="Stored images per class.")
@click.option("--out", required=True, type=click.Path(), help="The set folder to write; it must be new.")
@click.option("--space", default="", help="What the numbers mean, e.g. pixel, standardized:vico, zca:kornia.")
@click.option("--as-declared", is_flag=True, help="Keep --space though the numbers resemble another; the card says so.")
@click.option("--labels", type=click.Choice(["hard", "probabilities", "logits"]), help="What rows of labels are.")
@click.option("--temperature", type=float, default=1.0, help="Of --labels logits. Default: 1.")
@click.option("--labels-by", help="Who made such rows: `method`, or a teacher on train, by the sha256 of its weights.")
@click.option("--index", type=click.IntRange(0), help="Which set of a file that holds several, from 0.")
@click.option("--factor", type=click.IntRange(1, 16), help="Formations on a side of an image (IDC); 1: none.")
@click.option("--learning-rate", type=float, help="The learned one, where the files lack it.")
@click.option("--dtype", type=click.Choice(["uint8", "float16", "float32"]), help="Store images so: bytes count.")
@click.option("--seed", type=click.IntRange(0), help="Which of several sets of your method this is.")
@click.option("--title", help="The method as a page shows it.")
@click.option("--source", help="A link to paper or code.")
@click.option("--licence", help="Of the set, e.g. CC-BY-4.0.")
@click.option("--contributor", help="Who hands it in.")
@as_json
@every_option
def convert(files: tuple[str, ...], out: str, as_json: bool, store: str | None, **named: Any) -> None:
    """Turn the FILES that a method's own code wrote into a set folder.

    Reads what DC, DSA, DM, DataDAM, MTT, TESLA, FTD, DATM, HaBa, IDC, DREAM, KIP, RFAD, FRePo, RCIG, SRe2L and RDED
    write, and bare numpy and torch arrays (docs/convert.md). What the files do not say is asked for. They are opened in
    a process with limits, tensors only; nothing in them is executed.

    \b
    Examples:
      distillbench convert res_DM_CIFAR10_ConvNet_10ipc.pt --index 0 --space standardized:vico \\
          --dataset cifar10 --method my-method --ipc 10 --licence CC-BY-4.0 --out my-set
      distillbench convert images_best.pt labels_best.pt --space zca:kornia \\
          --dataset cifar10 --method my-method --ipc 1 --out my-set
    """
    from benchmark import convert as conversion

    open_store(store, named.pop("plugins"))
    conversion.check_new(out)
    card = {name: named.pop(name) for name in _DESCRIBING}
    card |= {"distil_seed": named.pop("seed"), "label_origin": _origin(named.pop("labels_by"))}
    described = {name: value for name, value in card.items() if value is not None}
    named["labels"], named["space"], named["dtype"] = (named[name] or "" for name in ("labels", "space", "dtype"))
    converted = conversion.convert(files, conversion.Request(card=described, **named))
    place = conversion.write(converted, out)
    _tell(converted, str(place), out, as_json)


def _origin(maker: str | None) -> dict[str, str] | None:
    if not maker or maker == "method":
        return {"by": maker} if maker else None
    return {"by": "teacher", "sha256": maker, "trained_on": "train"}


def _tell(converted: Any, place: str, out: str, as_json: bool) -> None:
    from benchmark import _rules

    synthetic = converted.synthetic
    row = {"folder": place, "layout": converted.layout, "set": synthetic.digest, "bytes": synthetic.ledger["total"]}
    row |= {"space": synthetic.card.space.to_json(), "labels": synthetic.card.labels.to_json()}
    if as_json:
        click.echo(json.dumps({**row, "remarks": list(converted.remarks)}))
        return
    click.echo(out)
    click.echo(f"read as: {converted.layout}", err=True)
    for remark in converted.remarks:
        click.echo(f"note: {remark}", err=True)
    for problem in [*_rules.of_card(synthetic.card), *_rules.of_content(synthetic)]:
        click.echo(f"before you submit: {problem.line()}", err=True)
    name = "bases" if "bases" in synthetic.tensors else "images"
    stored = synthetic.tensors[name]
    what = (
        f"{len(stored)} {name} {stored.dtype}, {synthetic.card.space.kind} space, {synthetic.card.labels.kind} labels"
    )
    click.echo(f"{what}, {row['bytes']:,} bytes. Next: distillbench submit {out}", err=True)
