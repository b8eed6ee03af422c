"""`demo`, `distill` and `evaluate`: make sets, train on them, score them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmark import _requests
from benchmark._tables import score_rows, show
from benchmark.commands._shared import (
    as_json,
    build_site,
    carry_out,
    every_option,
    finish,
    n_workers,
    on_cluster,
    on_device,
    open_store,
    runner_of,
    show_estimate,
    site_folder,
)
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.plan import Plan
    from benchmark.runner import Runner

__all__ = ["demo", "distill", "evaluate"]


@click.command()
@site_folder
@n_workers
@on_cluster
@as_json
@every_option
def demo(out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...], **named: Any) -> None:
    """Make, score and show twelve baselines on digits.

    Runs benchmark/plans/demo.toml, writes the result tables, builds the site and prints the main table. Takes nothing
    from artifacts/reference. Killed at any moment and started again, it goes on where it was.

    \b
    Example:
      distillbench demo
    """
    opened = open_store(store, plugins, alone=True)  # nothing is taken from what ships: it shows the work being done
    report = carry_out(runner_of(opened, {**named, "device": "auto"}), _requests.plan_of("demo"))
    build_site(opened, out, as_json)
    finish(report)


@click.command()
@click.argument("baseline")
@click.option("--dataset", required=True, help="A dataset's name, an .npz file or an image folder.")
@click.option("--ipc", type=int, help="Images per class.")
@click.option("--bytes", "n_bytes", type=int, help="Canonical bytes of the whole set, instead of --ipc.")
@click.option("--preset", default=None, help="Named hyper-parameters. Default: lite, or what there is.")
@click.option("--seed", type=int, default=0, help="Distillation seed. Default: 0.")
@click.option("--holdout", is_flag=True, help="Distil on train minus its holdout, for choosing things honestly.")
@n_workers
@on_cluster
@on_device
@every_option
def distill(baseline: str, dataset: str, seed: int, store: str | None, plugins: tuple[str, ...], **named: Any) -> None:
    """Make a synthetic set with a BASELINE and store it; prints its digest.

    \b
    Examples:
      distillbench distill random-real --dataset digits --ipc 1
      distillbench distill dm --dataset cifar10 --ipc 1 --preset cifar-5000 --seed 2
    """
    opened = open_store(store, plugins)
    made = _requests.set_to_make(baseline, dataset, seed, named)
    runner = runner_of(opened, named)
    found = runner.make([made])
    runner.workers.close()
    if made not in found:
        click.echo(f"failed: {runner.report.problems[0]}", err=True)
        sys.exit(1)
    click.echo(found[made])


@click.command()
@click.argument("sets", nargs=-1)
@click.option("--plan", "plan_name", help="Carry out a whole plan instead: a name, or a TOML file.")
@click.option("--evaluator", "evaluators", multiple=True, help="May be repeated. Default: cross-architecture.")
@click.option("--recipe", help="How networks are trained. Default: standard-v1-lite.")
@click.option("--architecture", "architectures", multiple=True, help="Only these, instead of the evaluator's own list.")
@click.option("--quick", is_flag=True, help="Evaluators' quick forms: less of everything, in rows of their own.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it would take here.")
@n_workers
@on_cluster
@on_device
@as_json
@every_option
def evaluate(sets: tuple[str, ...], plan_name: str | None, **named: Any) -> None:
    """Score stored SETS (digests or their beginnings), or carry out a --plan.

    \b
    Examples:
      distillbench evaluate 3f2a
      distillbench evaluate 3f2a --evaluator augmentation --recipe standard-v1
      distillbench evaluate --plan demo --dry-run
    """
    opened = open_store(named["store"], named["plugins"])
    if bool(sets) == bool(plan_name):
        raise UsageError("name some sets, or a --plan. See `distillbench list set` and `distillbench list plan`.")
    if plan_name and any(named[option] for option in ("evaluators", "recipe", "architectures", "quick")):
        raise UsageError(
            "a plan says itself how its sets are scored. Leave --evaluator, --recipe, --architecture and --quick out."
        )
    chosen = _requests.plan_of(plan_name) if plan_name else _requests.plan_of_sets(opened, sets, named)
    if named["dry_run"]:
        _dry_run(runner_of(opened, named), chosen, named["as_json"])
        return
    report = carry_out(runner_of(opened, named), chosen)
    rows = score_rows(opened.results(), {job.images for job in chosen.jobs if isinstance(job.images, str)})
    show(rows if named["as_json"] else _without_points(rows), named["as_json"])
    finish(report)


def _without_points(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A table to read has no line for each point of a curve; the ends of intervals stay."""
    from leaderboard.studies import ENDS, parts

    metrics: dict[str, set[str]] = {}
    for row in rows:
        metrics.setdefault(row["evaluator"], set()).add(row["metric"])
    points = {(name, part) for name, known in metrics.items() for part in parts(known) if not part.endswith(ENDS)}
    kept = [row for row in rows if (row["evaluator"], row["metric"]) not in points]
    if len(kept) < len(rows):
        click.echo(f"{len(rows) - len(kept)} points of curves are not shown; --json has them.", err=True)
    return kept


def _dry_run(runner: Runner, chosen: Plan, as_json: bool) -> None:
    estimate = runner.estimate(chosen.jobs, chosen.made)
    runner.workers.close()
    show_estimate(estimate, as_json)
