"""`distillbench bench`: the command alone; torch is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.errors import DistillBenchError

if TYPE_CHECKING:
    import torch

    from benchmark.bench.cells import BenchCell
    from benchmark.bench.record import Measured
    from benchmark.bench.turns import Turns

__all__ = ["bench", "write_page"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


@click.command()
@click.option("--cell", "names", multiple=True, metavar="NAME", help="Only this cell; may be repeated. See --list.")
@click.option("--list", "only_list", is_flag=True, help="List the cells, their bars and what is missing for them.")
@click.option("--page", "only_page", is_flag=True, help="Measure nothing; write the page again from what is recorded.")
@click.option("--quick", is_flag=True, help="Cut the epochs to 1/30 and the seeds to 2: a check, no measurement.")
@click.option("--repeats", type=click.IntRange(1), default=3, help="Runs of ours with a warm cache. Default: 3.")
@click.option("--device", default="auto", help="auto (default), cpu, cuda or cuda:N; cells are for one kind.")
@click.option("--tune", is_flag=True, help="Write the engine's table anew for this kind of device, then stop.")
@click.option("--architecture", "tuned", multiple=True, metavar="NAME", help="With --tune: only this one.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the page. Default: docs/ of this checkout.")
def bench(names: tuple[str, ...], quick: bool, repeats: int, device: str, out: Path | None, **only: Any) -> None:
    """Measure the engine beside the field's usual loop, and write docs/performance.md.

    Reference and ours run in turn, in processes of their own; leave the machine alone meanwhile. All cells of a CPU
    take hours, mostly the reference's. Killed at any moment and started again, it goes on where it was; a cell that is
    complete is measured anew. With --quick the page goes into a folder of your cache, unless --out names another.

    \b
    Examples:
      distillbench bench --list
      distillbench bench --quick --cell digits-1
      distillbench bench --device cuda
      distillbench bench --tune --architecture convnet
    """
    from benchmark._tables import show
    from benchmark.bench import cells, page, record

    if only["only_list"]:
        rows = [(cell, cell.missing_data()) for cell in cells.known().values()]
        show([{"cell": c.name, "device": c.device, "bar": c.bar, "what": c.title, "needs": n} for c, n in rows], False)
        return
    folder = out or (_quick_folder() if quick else DOCS)
    if only["only_page"]:
        recorded = record.read(folder / page.RECORD)
        record.write(folder / page.RECORD, recorded)
        write_page(recorded, folder)
        click.echo(folder / "performance.md")
        return
    from benchmark.architectures import parse
    from benchmark.bench.turns import Turns
    from benchmark.engine import choose_device
    from benchmark.engine.backends import rules
    from benchmark.progress import say

    if only["tune"]:
        _tune(choose_device(device), only["tuned"])
        return
    chosen_device = choose_device(device)
    if chosen_device.type == "cuda" and chosen_device.index is None:  # one GPU, as the reference has
        chosen_device = type(chosen_device)("cuda", 0)
    chosen = cells.choose(names, chosen_device.type)
    if chosen_device.type == "cuda" and not quick and not any(rule.device == "cuda" for rule in rules()):
        say("the engine's table has no line for a GPU, and would compute eagerly: it is tuned first")
        _tune(chosen_device, sorted({parse(cell.architecture)[0] for cell in chosen}))
    turns = Turns(chosen_device, repeats)
    if quick:
        chosen = [cell.shortened() for cell in chosen]
    record.check_length(folder / page.RECORD, chosen[0])
    sys.exit(_measure(turns, chosen, folder, _typed(names, quick, repeats, chosen_device.type)))


def _quick_folder() -> Path:
    from benchmark.bench.turns import work_folder

    return work_folder() / "quick"


def _tune(device: torch.device, wanted: Sequence[str]) -> None:
    from benchmark import registry
    from benchmark.bench import tune
    from benchmark.engine.backends import TABLE
    from benchmark.engine.devices import device_kind

    for name in wanted:
        registry.path("architecture", name)
    tune.write_table(device_kind(device), tune.tune(device, wanted), TABLE, wanted)
    click.echo(TABLE)


def _measure(turns: Turns, chosen: Sequence[BenchCell], out: Path, command: str) -> int:
    """Measure cell by cell, writing the page after each; returns the exit code."""
    from benchmark.bench import page, record
    from benchmark.progress import Progress, duration, say

    missing = {cell.name: cell.missing_data() for cell in chosen}
    todo = [cell for cell in chosen if not missing[cell.name]]
    left = [seconds for cell in todo for seconds in turns.left(cell).values()]
    say(f"{len(todo)} cells, {len(left)} parts, about {duration(sum(left))} at a guess")
    problems = [f"{name}: {reason}" for name, reason in missing.items() if reason]
    progress = Progress("bench", sum(left), len(left))
    for cell in todo:
        try:
            found = turns.measure(cell, progress, command)
        except DistillBenchError as fault:
            problems.append(f"{cell.name}: {fault}")
            continue
        write_page(record.merge(out / page.RECORD, found), out)
        turns.forget(cell)
        say(f"{cell.name}: {found.ratio:.1f} times the reference's speed (bar: {cell.bar:g})")
    progress.close()
    for problem in problems:
        click.echo(f"not measured: {problem}", err=True)
    if len(problems) < len(chosen):
        click.echo(out / "performance.md")
    return 1 if problems else 0


def write_page(found: Mapping[str, Measured], out: Path) -> None:
    """Write page and figure of these cells into a docs folder."""
    import json

    from benchmark.bench import cells, figure, page
    from benchmark.durable import write_replacing

    known = list(cells.known().values())
    there = [name for name in page.CHECKS if (out / name).exists()]
    stated = {name: json.loads((out / name).read_text(encoding="utf-8")) for name in there}
    if found:
        drawn = figure.draw([found[cell.name] for cell in known if cell.name in found])
        write_replacing(out / page.FIGURE, drawn.encode(), (out / page.FIGURE).parent)
    write_replacing(out / "performance.md", page.render(found, known, stated).encode(), out)


def _typed(names: Sequence[str], quick: bool, repeats: int, device: str) -> str:
    """The command as it would be typed again; without folders of this machine."""
    words = ["distillbench bench", f"--device {device}", *(f"--cell {name}" for name in names)]
    words += ["--quick"] * quick + [f"--repeats {repeats}"] * (repeats != 3)
    return " ".join(words)
