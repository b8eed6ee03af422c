"""`check` and `submit`: look at a set that was made elsewhere, and take it in."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands._shared import as_json, every_option, open_store
from benchmark.errors import DistillBenchError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from benchmark.scan import Scan
    from benchmark.store import Store
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["check", "submit"]

is_new_version = click.option(
    "--new-version", is_flag=True, help="The store holds another set of this method, seed and size; keep both."
)


@click.command()
@click.argument("place", type=click.Path(), required=False, metavar="[FILE_OR_FOLDER]")
@click.option("--explain", metavar="CODE", help="Print what a code means, and nothing else.")
@click.option("--scan", "with_scan", is_flag=True, help="Look for test images in it too; needs the dataset here.")
@is_new_version
@as_json
@every_option
def check(place: str | None, explain: str | None, with_scan: bool, **named: Any) -> None:
    """Check a set FOLDER as `submit` would, without storing anything; of a FILE its format alone.

    Every problem is told at once, one line each, with a code that docs/errors.md explains.

    \b
    Examples:
      distillbench check my-set/
      distillbench check my-set/ --scan
      distillbench check my-set/tensors.safetensors
      distillbench check --explain E207
    """
    from benchmark import problems, submission

    if bool(place) == bool(explain):
        raise UsageError("name a set folder or a file, or a code with --explain.")
    if explain:
        click.echo(problems.explained(explain), nl=False)
        return
    with _told(named["as_json"]):
        if Path(str(place)).expanduser().is_file():
            submission.check_file(str(place))
            click.echo(json.dumps({"file": str(place), "problems": []}) if named["as_json"] else "the format is fine")
            click.echo("Name the folder to check the whole set.", err=True)
            return
        synthetic = submission.check(str(place), _opened(named), named["new_version"])
        _show(synthetic, named["as_json"], _scanned(str(place), synthetic) if with_scan else None)


def _scanned(place: str, synthetic: SyntheticSet) -> Scan:
    """What a scan finds (docs/scan.md); raises PolicyRefusal where the set holds test images."""
    from benchmark import datasets
    from benchmark.refusals import Problem, raise_for
    from benchmark.scan import scan

    found = scan(synthetic, datasets.load(synthetic.card.dataset))
    raise_for([Problem(found.code, place, found.reason.rstrip("."))] if found.state == "refused" else [])
    return found


def _show(synthetic: SyntheticSet, as_json: bool, scan: Scan | None) -> None:
    card, ledger = synthetic.card, synthetic.ledger
    found = {"set": synthetic.digest, "method": card.method, "dataset": card.dataset, "track": card.track}
    if as_json:
        told = {"scan": scan.to_json()} if scan else {}
        click.echo(json.dumps({**found, "bytes": ledger["total"], "ledger": ledger, "problems": [], **told}))
        return
    parts = ", ".join(f"{name} {size:,}" for name, size in ledger.items() if name != "total")
    read = {"scan": " ".join(filter(None, (scan.state, scan.code, scan.reason)))} if scan else {}
    for name, value in {**found, "bytes": f"{ledger['total']:,} ({parts})", **read}.items():
        click.echo(f"{name:8} {value}")
    click.echo("nothing is wrong, and nothing was stored.", err=True)


@click.command()
@click.argument("folder", type=click.Path())
@is_new_version
@as_json
@every_option
def submit(folder: str, **named: Any) -> None:
    """Take in a set FOLDER that was made elsewhere; prints its digest.

    The folder holds tensors.safetensors and card.json (docs/submit.md shows how to write both with numpy and json
    alone). It is checked whole before anything is stored, never changed, and nothing in it is ever executed.

    \b
    Example:
      distillbench submit my-set/ && distillbench evaluate 3f2a && distillbench leaderboard
    """
    from benchmark import submission

    with _told(named["as_json"]), _ends_in_order():
        receipt = submission.submit(folder, _opened(named), named["new_version"])
    row = {"set": receipt.digest, "method": receipt.method, "bytes": receipt.ledger["total"], "new": receipt.is_new}
    if named["as_json"]:
        click.echo(json.dumps(row))
    else:
        click.echo(receipt.digest)
        state = "stored" if receipt.is_new else "already present"
        click.echo(f"{state}. Next: distillbench evaluate {receipt.digest[:12]}", err=True)


def _opened(named: dict[str, Any]) -> Store:
    from benchmark import submission

    with submission.coded_faults(str(named["store"] or "the store")):
        return open_store(named["store"], named["plugins"])


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """With --json, an error is told on stdout as an object."""
    try:
        yield
    except DistillBenchError as fault:
        if not as_json:
            raise
        from benchmark.refusals import MOST

        told = [problem.to_json() for problem in fault.problems[:MOST]]
        more = len(fault.problems) - len(told)
        text = {} if told else {"error": str(fault)}
        click.echo(json.dumps({"exit_code": fault.exit_code, "problems": told, "more": more, **text}))
        sys.exit(fault.exit_code)


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Let SIGTERM end the process as Ctrl-C does, so that what was staged is swept up."""

    def stop(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone may be told of signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
