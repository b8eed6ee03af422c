"""What the command line prints: rows as aligned columns, or as JSON; and which rows each listing has."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmark import registry
from benchmark.errors import DistillBenchError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.store import Store

__all__ = ["listing", "score_rows", "show", "summary"]

Row = Mapping[str, Any]
_SCORE_KEYS = ["dataset", "ipc", "method", "set", "distil_seed"]
_SCORE_KEYS += ["evaluator", "recipe", "architecture", "condition", "metric"]


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Print rows that all have the same columns; without any, nothing, or `[]`."""
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        return
    texts = [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(len(name), *(len(text[i]) for text in texts)) for i, name in enumerate(rows[0])]
    for line in [list(rows[0]), *texts]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def listing(kind: str | None, store: Store) -> list[Row]:
    """The rows of `list KIND`; without a kind, all plug-ins. Raises UsageError for an unknown kind."""
    if kind == "set":
        return list(_sets(store))
    if kind == "plan":
        return list(_plans())
    if kind is not None and kind not in registry.KINDS:
        raise unknown_name("kind", kind, [*registry.KINDS, "plan", "set"])
    rows = [row for one in ([kind] if kind else registry.KINDS) for row in _plugins(one)]
    return [{**row, **_dataset_columns(str(row["name"]))} for row in rows] if kind == "dataset" else rows


def _plugins(kind: str) -> Iterator[Row]:
    for name in registry.names(kind):
        about = {"version": registry.version(kind, name), "summary": registry.summary(kind, name)}
        yield {"kind": kind, "name": name, **about}


def _dataset_columns(name: str) -> Row:
    from benchmark import datasets

    facts = datasets.facts(name)
    return {"images": f"{facts.n_train}+{facts.n_test}", "digest": facts.digest or "not committed"}


def _plans() -> Iterator[Row]:
    from benchmark.plan import PLANS, plan_names

    for name in plan_names():
        yield {"kind": "plan", "name": name, "summary": registry.read_toml(PLANS / f"{name}.toml").get("summary", "")}


def _sets(store: Store) -> Iterator[Row]:
    """One row a set; of one that cannot be read a line on stderr, so that it does not hide the others."""
    for digest in store.set_digests():
        try:
            card = store.read_card(digest)
        except DistillBenchError as fault:
            print(f"E504 left out: {fault}", file=sys.stderr)
            continue
        known = {"dataset": card.dataset, "method": card.method, "ipc": card.ipc, "seed": card.distil_seed}
        yield {"set": digest[:12], **known, "space": card.space.kind, "labels": card.labels.kind}


def score_rows(table: pd.DataFrame, digests: Collection[str]) -> list[Row]:
    """Mean, SD and number of seeds of each measurement of these sets; of all sets where none is named."""
    chosen = table[table["set"].isin(list(digests))] if digests else table
    plain = chosen[[*_SCORE_KEYS, "status", "value"]].astype(object)
    return summary(plain.where(plain.notna(), None).to_dict("records"))


def summary(rows: Iterable[Mapping[Any, Any]]) -> list[Row]:
    """Mean, SD and number of seeds of each measurement among result rows that are `ok`, sorted, what is absent last."""
    import statistics

    values: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row["status"] == "ok" and row["value"] is not None:
            values.setdefault(tuple(row[name] for name in _SCORE_KEYS), []).append(float(row["value"]))
    found: list[Row] = []
    for key in sorted(values, key=_absent_last):
        named = dict(zip(_SCORE_KEYS, key, strict=True))
        spread = round(statistics.stdev(values[key]), 2) if len(values[key]) > 1 else None
        measured = {"mean": round(statistics.fmean(values[key]), 2), "sd": spread, "n": len(values[key])}
        found.append({**named, "set": str(named["set"])[:12], **measured})
    return found


def _absent_last(key: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(part is None, 0 if part is None else part) for part in key]
