"""Renders docs/performance.md: a pure function of what the bench wrote down."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from benchmark.bench.cells import BenchCell
from benchmark.bench.record import Measured, Spread, spread
from benchmark.values import Json

__all__ = ["CHECKS", "FIGURE", "PRECISION", "RECORD", "REFERENCE_CHECK", "render"]

FIGURE = "images/performance.svg"
RECORD = "evidence/performance.json"
REFERENCE_CHECK = "evidence/reference_loop.json"
PRECISION = ("evidence/precision.json", "evidence/precision_alexnet.json", "evidence/precision_resnet18.json")
BASELINES = "evidence/baselines_speed.json"
CHECKS = (REFERENCE_CHECK, *PRECISION, BASELINES)
"""Evidence that the page tells beside the times, relative to the page as the others: what the modules of tests/evidence
that have their names write."""

WHO = ("public", "ours")
SHARES = {"train": 22, "test": 45}
"""Bars of ours on a CPU, percent of the floor."""
KINDS = {"cpu": "CPU", "cuda": "GPU"}

INTRODUCTION = f"""\
# Performance

How long a score takes here, beside the field's usual evaluation loop on the same machine, and beside what the machine
could do at best. `distillbench bench` measures all of it again and writes this page; every number follows from
[{RECORD}]({RECORD}).

## How to read it

- **A cell** is one synthetic set (random real images), one architecture and one recipe, trained with several seeds and
  tested on the whole test split. Its seconds are those of all seeds, from the data in memory to the last accuracy.
  The recipes are the papers', but for one thing: they ask for float32, and here the engine may choose the precision
  (`precision = "auto"`), as under our own recipes. With a paper's recipe as it stands everything is float32, and a
  command computes in the time of a compiled step in float32, where the engine's table has one, or of an eager one.
- **Reference.** `loop` is the field's usual one, written in our own words in `benchmark/bench/reference.py`: a
  DataLoader over a TensorDataset, eager float32, one seed after another, loss and predictions copied to the host at
  every batch, the test images sent through PIL transforms once after the first epoch and once at the end. `tidy` is
  our own loop without any of that: eager float32 on tensors, all cores, tested once. Both use our architectures, our
  recipe, the same initial weights and the same test images.
- **Ours** is the engine as commands use it under such a recipe. *Warm*: a new process that finds what an earlier one
  compiled; where the cell alone is not worth compiling, that was a larger plan of the same shapes. *Cold*: the first
  run of all, with an empty cache of compiled code. On a GPU nothing is taken up from a larger plan: what is not worth
  compiling is recorded as a CUDA graph, in each run anew, which takes little.
- **Interleaved.** Each part runs in a process of its own, in turn: a seed of the reference, all seeds of ours, the next
  seed of the reference, and so on. The range behind a ratio is that of each reference seed, times the seeds, beside
  the nearest run of ours.
- **The floor** is the convolutions and matrix products of the cell, counted, at the rate of the faster of two square
  matrix products (bfloat16 and float32), timed before and after, the better time of both. The share of it that is
  reached says how much of the machine is used, with the share that the project asks of itself in brackets.
  Convolutions may be faster than square products, so it can even be exceeded. One pass over the test images is
  counted, since one is needed.
- **The bar** is the ratio that the project set itself; for CIFAR-10 on a CPU, with two cores that have AMX in mind.
  A cold run beside the tidy loop must not be slower.
- ± is a sample standard deviation, n stands beside it: of single seeds for the reference, of whole runs for ours.
"""


def render(
    cells: Mapping[str, Measured], known: Iterable[BenchCell], checks: Mapping[str, Json] = MappingProxyType({})
) -> str:
    """The page in Markdown. `known`: all committed cells; `checks`: what those of CHECKS hold that there are."""
    order = [cell for cell in known]
    found = [cells[cell.name] for cell in order if cell.name in cells]
    parts = [INTRODUCTION, *_warning(found)]
    for device, kind in KINDS.items():
        here = [cell for cell in found if cell.cell.device == device]
        if here:
            parts += [f"## {kind}\n", _speed(here), _apart(here), _floor(here), _accuracy(here), _machines(here)]
    if found:
        parts.append(f"## Where the time goes\n\n![Shares of training and testing, reference and ours]({FIGURE})\n")
    parts += _not_run([cell for cell in order if cell.name not in cells])
    parts += [
        *_precision({name: checks[name] for name in PRECISION if name in checks}),
        *_check(checks.get(REFERENCE_CHECK)),
    ]
    parts += _baselines(checks.get(BASELINES))
    return "\n".join(parts)


def _warning(found: Sequence[Measured]) -> Iterator[str]:
    cut = max((cell.cell.cut for cell in found), default=1)
    if cut > 1:
        yield (
            f"**Shortened schedules: every training has 1/{cut} of its epochs, and fewer seeds.\n"
            "These numbers show that the bench works. They are no measurement, and stand beside no full one.**\n"
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _speed(cells: Sequence[Measured]) -> str:
    head = ["cell", "reference", "seconds (n)", "ours, warm (n)", "ratio (range)", "bar", "ours, cold", "ratio, cold"]
    rows = []
    for cell in cells:
        low, high = cell.ratios
        met = "" if cell.cell.cut > 1 else ", met" if cell.ratio >= cell.cell.bar else ", missed"
        rows.append(
            [
                f"{cell.cell.title}, {cell.cell.n_seeds} seeds",
                cell.cell.reference,
                _reference_seconds(cell, "seconds"),
                _seconds(cell.seconds("ours")),
                f"**{cell.ratio:.1f}** ({low:.1f} to {high:.1f})",
                f"{cell.cell.bar:g}{met}",
                f"{float(cell.cold['seconds']):.2f}",
                f"{cell.cold_ratio:.1f}{_cold_verdict(cell)}",
            ]
        )
    return "### Whole cells\n\n" + _table(head, rows)


def _cold_verdict(cell: Measured) -> str:
    """Beside the tidy loop, a first run must not be slower."""
    if cell.cell.reference != "tidy" or cell.cell.cut > 1:
        return ""
    return ", met" if cell.cold_ratio >= 1 else ", missed"


def _apart(cells: Sequence[Measured]) -> str:
    head = ["cell", "reference, training", "reference, testing", "ours, training", "ours, testing", "backend"]
    rows = [
        [
            cell.cell.title,
            *(_reference_seconds(cell, f"{part}_seconds") for part in ("train", "test")),
            *(_seconds(cell.seconds("ours", f"{part}_seconds")) for part in ("train", "test")),
            f"`{cell.warm[0]['numerics']}`",
        ]
        for cell in cells
    ]
    return "### Training and testing apart, seconds\n\n" + _table(head, rows)


def _floor(cells: Sequence[Measured]) -> str:
    head = ["cell", "operations, training", "testing", "floor", "reference, training", "testing"]
    rows = [
        [
            cell.cell.title,
            *(f"{cell.cell.n_seeds * cell.operations[part] / 1e12:.3g} T" for part in ("train", "test")),
            f"{cell.floor_seconds('train') + cell.floor_seconds('test'):.2f} s",
            *(f"{100 * cell.share('reference', part):.1f} %" for part in ("train", "test")),
            *(_judged(cell, part) for part in ("train", "test")),
        ]
        for cell in cells
    ]
    return "### Share of the floor\n\n" + _table([*head, "ours, training", "testing"], rows)


def _judged(cell: Measured, part: str) -> str:
    """Our share of the floor; on a CPU with the bar that it was set."""
    share, bar = 100 * cell.share("ours", part), SHARES[part]
    if cell.cell.device != "cpu" or cell.cell.cut > 1:
        return f"{share:.1f} %"
    return f"{share:.1f} % ({bar}, {'met' if share >= bar else 'missed'})"


def _accuracy(cells: Sequence[Measured]) -> str:
    head = ["cell", "reference, %", "ours, %", "difference by seed, largest"]
    rows = []
    for cell in cells:
        theirs, ours = (cell.accuracies(who) for who in ("reference", "ours"))
        gap = max(abs(a - b) for a, b in zip(theirs, ours, strict=True))
        rows.append([cell.cell.title, _percent(spread(theirs)), _percent(spread(ours)), f"{gap:.2f} points"])
    return "### Accuracy of both\n\n" + _table(head, rows)


def _machines(cells: Sequence[Measured]) -> str:
    head = ["cell", "machine", "versions", "bfloat16 product", "float32 product", "bfloat16 conv.", "float32 conv."]
    rows = []
    for cell in cells:
        machine = cell.machine
        versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
        kinds = [f"{dtype} {what}" for what in ("product", "convolution") for dtype in ("bfloat16", "float32")]
        runs = (*cell.reference, *cell.warm, cell.cold)
        load = max(float(run["load"]) for run in runs)
        words = (
            f"{machine['device']}, {machine['cores']} cores, {machine['threads']} threads, {machine['instructions']}"
        )
        rows.append(
            [cell.cell.title, f"{words}; load up to {load:.1f}; {cell.measured}", versions]
            + [f"{float(machine['rates'][kind]) / 1e9:,.0f}" for kind in kinds]
        )
    commands = ", ".join(f"`{text}`" for text in dict.fromkeys(cell.command for cell in cells))
    return f"### Machine, and its rates in GFLOP/s\n\n{_table(head, rows)}\nMade by {commands}.\n"


def _not_run(cells: Sequence[BenchCell]) -> Iterator[str]:
    if not cells:
        return
    yield "## Not run yet\n"
    for device, kind in KINDS.items():
        names = [cell for cell in cells if cell.device == device]
        if names:
            asked = "".join(f" --cell {cell.name}" for cell in names)
            tuned = ", and tunes the engine for it first" if device == "cuda" else ""
            yield f"On a {kind}; `distillbench bench --device {device}{asked}` produces them{tuned}:\n"
            rows = ([f"`{c.name}`", c.title, f"{_recipe(c)}, {c.n_seeds} seeds", f"{c.bar:g}"] for c in names)
            yield _table(["cell", "what", "recipe", "bar: reference over ours"], rows)


def _recipe(cell: BenchCell) -> str:
    """A recipe's name, and what is changed of it."""
    return ", ".join([cell.recipe, *(f"{name} {value}" for name, value in cell.changes)])


def _precision(studies: Mapping[str, Json]) -> Iterator[str]:
    """Whether networks trained in bfloat16 are as good."""
    if not studies:
        return
    study = next(iter(studies.values()))
    sources = "; ".join(f"`tests/evidence/{PurePosixPath(name).stem}.py`, [{name}]({name})" for name in studies)
    yield "## Is bfloat16 equal to float32?\n"
    text = (
        "Each seed is trained twice, from the same weights on the same images in the same order: eager in float32, and "
        "compiled in bfloat16. Equal means that the 95 % interval of the mean difference lies within half a point. "
        f"{study['n'].capitalize()}; {study['spread']} ({sources}). "
        f"{study['device']}, torch {study['versions']['torch']}. The engine uses bfloat16 for these architectures "
        "alone, where its table has a line for one and the work pays (engine.md), on any data set, size and recipe "
        "that asks for no precision, and on a GPU too: the study stands for these, though it did not see them."
    )
    yield textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"
    head = [
        "cell",
        "epochs",
        "float32, %",
        "bfloat16, %",
        "difference",
        "95 % interval",
        "seeds",
        "within half a point",
    ]
    rows = [
        [
            name,
            str(study["details"]["epochs"]),
            f"{row['float32']:.2f}",
            f"{row['bfloat16']:.2f}",
            f"{row['difference']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}",
            str(row["n"]),
            "yes" if study["details"]["held"][name] else "no",
        ]
        for study in studies.values()
        for name, row in study["value"].items()
    ]
    yield _table(head, rows)


def _check(check: Json | None) -> Iterator[str]:
    """How the reference was held against the loop that it stands for."""
    if check is None:
        return
    yield "## Is the reference a fair one?\n"
    text = (
        "It must cost within 20 % of DC-BENCH's own loop. Their public code was fetched to a folder beside this "
        "repository and left unchanged; its `epoch` function was timed in turn with ours in one process, on the same "
        "images, network and settings, on a shortened schedule (`tests/evidence/reference_loop.py`, "
        f"[{REFERENCE_CHECK}]({REFERENCE_CHECK})). Seconds are for one epoch of training, and for one pass over "
        f"{check['details']['test images']} test images; {check['n']}, medians. {check['device']}, "
        f"torch {check['versions']['torch']}."
    )
    yield textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"
    head = ["", "DC-BENCH", "our reference", "ours over theirs (range)"]
    rows = [
        [
            name,
            f"{row['theirs']:.4f}",
            f"{row['ours']:.4f}",
            f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
        ]
        for name, row in check["value"].items()
    ]
    yield _table(head, rows)


def _baselines(study: Json | None) -> Iterator[str]:
    """How fast the baselines that learn are, beside their authors' public code."""
    if study is None:
        return
    yield "## How fast are the baselines?\n"
    text = (
        "One step of distilling CIFAR-10 at 1 image per class on 256 real images of each class, ours and the authors' "
        f"public code ({study['details']['public code']}, fetched to a folder beside this repository and left "
        "unchanged, eager in float32) in turn, each in a process of its own; ours compiled with convolutions in "
        f"bfloat16, as the presets `cifar-5000` and `cifar-1000` have it; {study['n']}; medians "
        f"(`tests/evidence/baselines_speed.py`, [{BASELINES}]({BASELINES})). {study['device']}, torch "
        f"{study['versions']['torch']}."
    )
    yield textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"
    methods = {name: row for name, row in study["value"].items() if "bar" in row}
    rows = [
        [
            f"`{name}`",
            *(f"{row[who]:.2f} ({min(row['rounds'][who]):.2f} to {max(row['rounds'][who]):.2f})" for who in WHO),
            f"**{row['times as fast']:.1f}**",
            f"{row['bar']:g}, {'met' if row['times as fast'] >= row['bar'] else 'missed'}",
        ]
        for name, row in methods.items()
    ]
    yield _table(["method", "authors' code, s (range)", "ours, s (range)", "times as fast", "bar"], rows)


def _reference_seconds(cell: Measured, part: str) -> str:
    """All seeds; the deviation is that of one."""
    found = cell.seconds("reference", part)
    each = "" if found.sd is None else f"; {found.mean / cell.cell.n_seeds:.2f} ± {found.sd:.2f} a seed"
    return f"{found.mean:.2f} ({found.n}{each})"


def _seconds(found: Spread) -> str:
    return f"{found.mean:.2f}" + ("" if found.sd is None else f" ± {found.sd:.2f}") + f" ({found.n})"


def _percent(found: Spread) -> str:
    return f"{found.mean:.2f}" + ("" if found.sd is None else f" ± {found.sd:.2f}") + f" ({found.n})"
