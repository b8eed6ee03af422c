"""Renders docs/reproduction.md: a pure function of the committed tables and of what was measured. Free of torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.reproduce.record import Measured, Record, answer
from benchmark.reproduce.tables import Number, Table, TableCell
from benchmark.reproduce.verdict import BLUNT, WORDS, Verdict, judge
from benchmark.statistics import t_interval

__all__ = ["PAGE", "RECORD", "compared", "render", "rows"]

PAGE = "reproduction.md"
RECORD = "evidence/reproduction.json"
"""Both relative to the docs folder."""

INTRODUCTION = f"""\
# Published tables, reproduced

What publications state, beside what this repository measures when it makes the sets by its own builds of the methods
and trains by the publication's recipe ([recipes.md](recipes.md)). `distillbench reproduce TABLE --write` runs what a
table lacks and writes this page; every number follows from [{RECORD}]({RECORD}) and from the tables in
`benchmark/tables/`. What was not run says so.

## The rule

Fixed before anything was measured, and held by tests (`benchmark/reproduce/verdict.py`).

- **Ours** is the mean over distillation seeds, each the mean of its training seeds; always the last iteration of a set
  and the last epoch of a network. Its standard error is the SD over distillation seeds by √n. With one set of ours the
  spread between sets is unknown: the published SD stands in for it, or, where it is larger, the standard error over our
  training seeds.
- **Published** ± is an SD; its standard error is SD / √n, with n = 5 where a source gives none, and 0 where it gives no
  SD.
- `reproduced`: the difference is at most two combined standard errors, or within the tolerance of a number that was
  measured off a figure. `not reproduced`: it is larger, in either direction.
- `not comparable`: the table says why, or a training failed, or the combined standard error is above {BLUNT} points.
- `not run`: nothing was measured under the table as it stands now.
"""


def render(tables: Sequence[Table], found: Record) -> str:
    """The page in Markdown."""
    lines = [(table, cell, number, judged) for table in tables for cell, number, judged in compared(table, found)]
    counts = {word: sum(judged.word == word for *_, judged in lines) for word in WORDS}
    told = ", ".join(f"{n} {word}" for word, n in counts.items())
    parts = [INTRODUCTION, f"## Where it stands\n\n{len(lines)} published numbers: {told}.\n"]
    good = [(table, cell) for table, cell, _, judged in lines if judged.word == "reproduced"]
    if good:
        named = [f"- `{t.name}/{c.name}`: {c.baseline}, {c.dataset}, {c.ipc} per class" for t, c in dict.fromkeys(good)]
        parts.append("Cells that read `reproduced`:\n\n" + "\n".join(named) + "\n")
    return "\n".join([*parts, *(_section(table, found) for table in tables)])


def compared(table: Table, found: Record) -> Iterator[tuple[TableCell, Number, Verdict]]:
    """Every published number of a table with the verdict on it."""
    for cell in table.cells:
        measured = answer(found, table, cell.name)
        for number in cell.published:
            yield cell, number, judge(measured.values, number, measured.n_failed) if measured else Verdict("not run")


def rows(table: Table, found: Record) -> list[Mapping[str, Any]]:
    """The comparison as rows for the terminal and for scripts."""
    return [
        {
            "cell": cell.name,
            "published": number.value,
            "sd": number.sd,
            "ours": _mean(answer(found, table, cell.name)),
            "difference": _rounded(judged.difference),
            "standard_error": _rounded(judged.error),
            "verdict": judged.word,
            "reason": judged.reason,
            "source": number.source,
        }
        for cell, number, judged in compared(table, found)
    ]


def _section(table: Table, found: Record) -> str:
    head = "| cell | published | source | ours | difference | combined SE | verdict |\n|---|---|---|---|---|---|---|"
    lines = [_line(table, cell, number, judged, found) for cell, number, judged in compared(table, found)]
    paragraphs = [f"## `{table.name}`", table.summary, table.note, f"{head}\n" + "\n".join(lines), _cells(table, found)]
    return "\n\n".join(_wrapped(part) for part in paragraphs if part) + "\n"


def _line(table: Table, cell: TableCell, number: Number, judged: Verdict, found: Record) -> str:
    published = f"{number.value:g}" + (f" ± {number.sd:g}" if number.sd is not None else "")
    where = f"{number.source} ({number.tier})"
    verdict = f"**{judged.word}**" if judged.word == "reproduced" else judged.word
    verdict += f": {judged.reason}" if judged.reason else ""
    measured = answer(found, table, cell.name)
    texts = [
        f"`{cell.name}`",
        published,
        where,
        _ours(measured),
        _signed(judged.difference),
        _plain(judged.error),
        verdict,
    ]
    return "| " + " | ".join(text.replace("|", "/") for text in texts) + " |"


def _cells(table: Table, found: Record) -> str:
    """How each cell is made and scored, what it takes, and how it differs from the published one."""
    lines = []
    for cell in table.cells:
        measured = answer(found, table, cell.name)
        networks = "one network each" if cell.paired else "the recipe's networks each"
        parts = [
            f"`{cell.name}`: {cell.dataset}, {cell.ipc} per class; `{cell.baseline}`, preset `{cell.preset}`, "
            f"{cell.n_sets} {'set' if cell.n_sets == 1 else 'sets'}; recipe `{cell.recipe}`, `{cell.architecture}`, "
            f"{networks}."
        ]
        parts += [f"Differs: {cell.caveat}"] if cell.caveat else []
        parts += [_took(measured)] if measured else [f"Expected: {cell.cost}"] if cell.cost else []
        lines.append(textwrap.fill(" ".join(parts), 120, initial_indent="- ", subsequent_indent="  "))
    return "\n".join(lines)


def _took(measured: Measured) -> str:
    return (
        f"Took {measured.distil_seconds:.0f} s to distil and {measured.train_seconds:.0f} s to train, "
        f"torch {measured.torch}, {', '.join(measured.numerics)}."
    )


def _wrapped(text: str) -> str:
    return text if text.startswith(("#", "|", "- ")) else textwrap.fill(text, 120)


def _ours(measured: Measured | None) -> str:
    if measured is None or not measured.values:
        return "-"
    several = len(measured.values) > 1
    means = [sum(of_set) / len(of_set) for of_set in measured.values]
    seen = t_interval(means if several else measured.values[0])
    n_networks = sum(len(of_set) for of_set in measured.values)
    count = f"{len(measured.values)} {'sets' if several else 'set'}, {n_networks} networks"
    spread = f" ± {seen.sd:.1f}" if seen.n > 1 else ""
    return f"{seen.mean:.1f}{spread} ({count})"


def _mean(measured: Measured | None) -> float | None:
    if measured is None or not measured.values:
        return None
    return round(sum(sum(of_set) / len(of_set) for of_set in measured.values) / len(measured.values), 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
