"""The command line: `distillbench`. Tables go to stdout, progress to stderr; names choose things, no option tunes them.

Nothing heavy is imported before a command needs it, so that `--help`, `list`, `submit` and `leaderboard` answer at
once and work without torch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark import __version__, _requests, registry
from benchmark._tables import listing, score_rows, show
from benchmark.bench.command import bench
from benchmark.errors import DistillBenchError, UsageError

if TYPE_CHECKING:
    from benchmark.plan import Plan
    from benchmark.runner import Report, Runner
    from benchmark.store import Store

__all__ = ["cli", "main"]

REPOSITORY = Path(__file__).resolve().parent.parent
EXIT_CODES = """\b
Exit codes: 0 fine, 1 some cells failed, 2 usage, 3 invalid input,
4 refused by policy, 5 environment (try again), 6 our bug."""
F = TypeVar("F", bound=Callable[..., Any])


class _ReaderLeft(Exception):
    """Whoever read our output is gone, e.g. `| head`. Click would exit with 1, which means failed cells here."""


class _Group(click.Group):
    """Lists commands in the order of use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as fault:
            raise _ReaderLeft from fault


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; an error is one line on stderr, never a traceback (but for our bugs)."""
    try:
        code = cli.main(args=arguments, prog_name="distillbench", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        _stop("stopped. Run the same command again to go on.", 130)
    except click.ClickException as fault:
        fault.show()
        sys.exit(fault.exit_code)
    except DistillBenchError as fault:
        _stop(f"error: {fault}", fault.exit_code)
    except (_ReaderLeft, BrokenPipeError):
        # Python flushes stdout once more at its end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as fault:
        what = f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror or str(fault)
        _stop(f"error: {what}. Fix: check the file or folder and its permissions, and try again.", 5)
    except Exception:
        import traceback

        traceback.print_exc()
        _stop("error: this is a bug of DistillBench. Please report it with the lines above.", 6)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)


def _options(command: F) -> F:
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


def _open(store: str | None, plugins: Iterable[str]) -> Store:
    from benchmark.store import Store

    for folder in plugins:
        registry.add_folder(folder)
    return Store(store or REPOSITORY / "artifacts" / "local", [REPOSITORY / "artifacts" / "reference"])


@click.group(cls=_Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="distillbench")
def cli() -> None:
    """Score distilled datasets, fairly and reproducibly.

    \b
    Examples:
      distillbench demo                                   everything, on digits, in minutes
      distillbench distill dm --dataset digits --ipc 10   make a synthetic set
      distillbench submit my-set/                         take in one made elsewhere
      distillbench evaluate 3f2a                          score it (a digest's beginning)
      distillbench leaderboard                            build the site
    """


@cli.command()
@site_folder
@n_workers
@on_cluster
@as_json
@_options
def demo(out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...], **named: Any) -> None:
    """Make, score and show every baseline on digits.

    Runs benchmark/plans/demo.toml, writes the result tables, builds the site and prints the main table. Killed at any
    moment and started again, it goes on where it was.

    \b
    Example:
      distillbench demo
    """
    opened = _open(store, plugins)
    report = _carry_out(_runner(opened, {**named, "device": "auto"}), _requests.plan_of("demo"))
    _build_site(opened, out, as_json)
    _finish(report)


@cli.command(name="list")
@click.argument("kind", required=False)
@as_json
@_options
def list_(kind: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """List what there is: plug-ins by KIND, plans or stored sets.

    KIND is architecture, augmentation, baseline, dataset, decoder, evaluator, probe, recipe, plan or set; without one,
    all plug-ins are listed.

    \b
    Examples:
      distillbench list
      distillbench list baseline
      distillbench list set --json
    """
    show(listing(kind, _open(store, plugins)), as_json)


@cli.command()
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
@_options
def distill(baseline: str, dataset: str, seed: int, store: str | None, plugins: tuple[str, ...], **named: Any) -> None:
    """Make a synthetic set with a BASELINE and store it; prints its digest.

    \b
    Examples:
      distillbench distill random-real --dataset digits --ipc 1
      distillbench distill dm --dataset cifar10 --ipc 10 --preset paper --seed 2
    """
    opened = _open(store, plugins)
    made = _requests.set_to_make(baseline, dataset, seed, named)
    runner = _runner(opened, named)
    found = runner.make([made])
    runner.workers.close()
    if made not in found:
        click.echo(f"failed: {runner.report.problems[0]}", err=True)
        sys.exit(1)
    click.echo(found[made])


@cli.command()
@click.argument("folder", type=click.Path())
@as_json
@_options
def submit(folder: str, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Take in a set FOLDER that was made elsewhere; prints its digest.

    The folder holds tensors.safetensors and card.json (docs/submit.md shows how to write both with numpy and json
    alone). It is checked whole before anything is stored, never changed, and nothing in it is ever executed.

    \b
    Example:
      distillbench submit my-set/ && distillbench evaluate 3f2a && distillbench leaderboard
    """
    from benchmark import preview, submission

    opened = _open(store, plugins)
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


@cli.command()
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
@_options
def evaluate(sets: tuple[str, ...], plan_name: str | None, **named: Any) -> None:
    """Score stored SETS (digests or their beginnings), or carry out a --plan.

    \b
    Examples:
      distillbench evaluate 3f2a
      distillbench evaluate 3f2a --evaluator augmentation --recipe standard-v1
      distillbench evaluate --plan demo --dry-run
    """
    opened = _open(named["store"], named["plugins"])
    if bool(sets) == bool(plan_name):
        raise UsageError("name some sets, or a --plan. See `distillbench list set` and `distillbench list plan`.")
    if plan_name and any(named[option] for option in ("evaluators", "recipe", "architectures", "quick")):
        raise UsageError(
            "a plan says itself how its sets are scored. Leave --evaluator, --recipe, --architecture and --quick out."
        )
    chosen = _requests.plan_of(plan_name) if plan_name else _requests.plan_of_sets(opened, sets, named)
    if named["dry_run"]:
        _dry_run(_runner(opened, named), chosen, named["as_json"])
        return
    report = _carry_out(_runner(opened, named), chosen)
    show(
        score_rows(opened.results(), {job.images for job in chosen.jobs if isinstance(job.images, str)}),
        named["as_json"],
    )
    _finish(report)


def _runner(store: Store, named: Mapping[str, Any]) -> Runner:
    """What carries work out, by the options --device, --workers and --scheduler."""
    if named["scheduler"] and named["workers"]:
        raise UsageError("--workers are processes here, --scheduler is a cluster elsewhere. Give one of them.")
    from benchmark.runner import Runner

    return Runner(store, named["device"], named["workers"], named["scheduler"])


def _dry_run(runner: Runner, chosen: Plan, as_json: bool) -> None:
    from dataclasses import asdict

    from benchmark.runner import describe

    estimate = runner.estimate(chosen.jobs, chosen.made)
    runner.workers.close()
    click.echo(json.dumps({**asdict(estimate), "seconds": estimate.seconds}) if as_json else describe(estimate))


def _carry_out(runner: Runner, chosen: Plan) -> Report:
    from benchmark.progress import duration, say
    from benchmark.runner import describe

    say(describe(runner.estimate(chosen.jobs, chosen.made)))
    runner.make(chosen.made)
    report = runner.evaluate(chosen.jobs)
    runner.store.collect()
    say(
        f"made {report.n_made} sets, trained {report.n_trained} networks, reused {report.n_reused}, "
        f"{report.n_rows} result rows, in {duration(report.seconds)}"
    )
    return report


def _finish(report: Report) -> None:
    """Exit 1 when some cells failed, naming the first few."""
    if report.problems:
        for problem in report.problems[:5]:
            click.echo(f"failed: {problem}", err=True)
        click.echo(f"{len(report.problems)} cells failed. Run the same command again to try them again.", err=True)
        sys.exit(1)


@cli.command()
@site_folder
@as_json
@_options
def leaderboard(out: str | None, as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Build the static site from the results of the store, and print the main table.

    \b
    Example:
      distillbench leaderboard --out /tmp/site
    """
    _build_site(_open(store, plugins), out, as_json)


def _build_site(store: Store, out: str | None, as_json: bool) -> None:
    import leaderboard as site

    if not len(store.results()):
        raise UsageError("the store holds no results yet. Run `distillbench demo`, or evaluate a set.")
    store.collect()
    place = Path(out) if out else REPOSITORY / "site"
    summary = site.build(store.roots, place)
    table = site.board_table(store.results())
    click.echo(table.to_json(orient="records") if as_json else table.to_string(index=False))
    click.echo(f"\n{summary.index}", err=as_json)


@cli.command()
@click.argument("kind")
@click.argument("name")
@_options
def test(kind: str, name: str, store: str | None, plugins: tuple[str, ...]) -> None:
    """Run the public contract tests on a plug-in of a KIND.

    \b
    Examples:
      distillbench test evaluator cross-architecture
      distillbench test baseline my-method --plugins my-plugins/
    """
    _open(store, plugins)
    registry.path(kind, name)
    from benchmark import contract

    failures = 0
    for check, problem in contract.run(kind, name):
        failures += problem is not None
        click.echo(f"{'FAIL' if problem else 'ok  '}  {check}{': ' + problem if problem else ''}")
    if failures:
        click.echo(f"{failures} checks failed.", err=True)
        sys.exit(1)


cli.add_command(bench)

if __name__ == "__main__":
    main()
