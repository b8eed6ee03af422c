"""What commands share: their common options, and how a store is opened and work carried out by these."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark import registry
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.estimate import Estimate
    from benchmark.plan import Plan
    from benchmark.runner import Report, Runner
    from benchmark.store import Store

__all__ = [
    "REPOSITORY",
    "as_json",
    "build_site",
    "carry_out",
    "every_option",
    "finish",
    "n_workers",
    "on_cluster",
    "on_device",
    "open_store",
    "runner_of",
    "show_estimate",
    "site_folder",
    "store_places",
]

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = "DISTILLBENCH_REFERENCE"
"""Environment variable: the store that is read behind every other, in place of artifacts/reference; empty: none."""
F = TypeVar("F", bound=Callable[..., Any])


def every_option(command: F) -> F:
    """Options that every command takes."""
    plugins = click.option("--plugins", multiple=True, metavar="FOLDER", help="Also search FOLDER for plug-ins.")
    store = click.option(
        "--store",
        default=None,
        metavar="FOLDER",
        envvar="DISTILLBENCH_STORE",
        help="Where sets and outcomes are kept. Default: artifacts/local of this checkout.",
    )
    return plugins(store(command))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
site_folder = click.option("--out", type=click.Path(), help="Where the site goes. Default: site/ of this checkout.")
n_workers = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Worker processes. Default: one a GPU, or one a core for what gets one thread.",
)
on_cluster = click.option("--scheduler", metavar="ADDRESS", help="Let a Dask cluster do it, e.g. tcp://host:8786.")
on_device = click.option("--device", default="auto", help="auto (default), cpu, cuda or cuda:N.")


def open_store(store: str | None, plugins: Iterable[str], alone: bool = False) -> Store:
    """The store that a command is to use; `alone`: without those that it would read through to."""
    from benchmark.store import Store

    root, *fallbacks = store_places(store, plugins)
    return Store(root, () if alone else fallbacks)


def store_places(store: str | None, plugins: Iterable[str]) -> list[Path]:
    """The store that a command is to use, and those that it reads through to."""
    for folder in plugins:
        registry.add_folder(folder)
    root = Path(store or REPOSITORY / "artifacts" / "local").expanduser().resolve()
    named = os.environ.get(SHIPPED)
    shipped = REPOSITORY / "artifacts" / "reference" if named is None else Path(named).expanduser()
    return [root] if named == "" or root == shipped.resolve() else [root, shipped]


def runner_of(store: Store, named: Mapping[str, Any]) -> Runner:
    """What carries work out, by the options --device, --workers and --scheduler."""
    if named["scheduler"] and named["workers"]:
        raise UsageError("--workers are processes here, --scheduler is a cluster elsewhere. Give one of them.")
    from benchmark.runner import Runner

    return Runner(store, named["device"], named["workers"], named["scheduler"])


def carry_out(runner: Runner, chosen: Plan) -> Report:
    from benchmark.progress import duration, say

    say(str(runner.estimate(chosen.jobs, chosen.made)))
    runner.make(chosen.made)
    report = runner.evaluate(chosen.jobs)
    runner.store.collect()
    say(
        f"made {report.n_made} sets, trained {report.n_trained} networks, reused {report.n_reused}, "
        f"{report.n_rows} result rows, in {duration(report.seconds)}"
    )
    return report


def show_estimate(estimate: Estimate, as_json: bool) -> None:
    """What a dry run prints."""
    click.echo(json.dumps({**asdict(estimate), "seconds": estimate.seconds}) if as_json else str(estimate))


def finish(report: Report) -> None:
    """Exit 1 when some cells failed, naming the first few."""
    if report.problems:
        for problem in report.problems[:5]:
            click.echo(f"failed: {problem}", err=True)
        click.echo(f"{len(report.problems)} cells failed. Run the same command again to try them again.", err=True)
        sys.exit(1)


def build_site(store: Store, out: str | None, as_json: bool) -> None:
    import leaderboard as site
    from benchmark.progress import duration, say

    if not len(store.results()):
        raise UsageError("the store holds no results yet. Run `distillbench demo`, or evaluate a set.")
    store.collect()
    place = Path(out) if out else REPOSITORY / "site"
    summary = site.build(store.roots, place, _progress())
    table = site.board_table(store.results())
    click.echo(table.to_json(orient="records") if as_json else table.to_string(index=False))
    say(f"{summary.n_made} of {summary.n_files} files made, in {duration(summary.seconds)}")
    click.echo(f"\n{summary.index}", err=as_json)


def _progress() -> Callable[[int, int, str], None]:
    """Show how far a build is: a bar on a terminal, a line now and then elsewhere."""
    from benchmark.progress import Progress

    bars: list[Progress] = []

    def tell(done: int, total: int, path: str) -> None:
        if not bars:
            bars.append(Progress("site", float(total), total))
        bars[0].advance(1.0, path.partition("/")[0])
        if done == total:
            bars[0].close()

    return tell
