"""The command line: `distillbench`. Tables go to stdout, progress to stderr; names choose things, no option tunes them.

Nothing heavy is imported before a command needs it, so that `--help`, `list`, `submit` and `leaderboard` answer at
once and work without torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from benchmark import __version__
from benchmark.bench.command import bench
from benchmark.commands.contract import test
from benchmark.commands.contribution import contribution
from benchmark.commands.conversion import convert
from benchmark.commands.documents import document
from benchmark.commands.evaluation import demo, distill, evaluate
from benchmark.commands.leaderboard import leaderboard
from benchmark.commands.listing import list_
from benchmark.commands.publishing import publish
from benchmark.commands.reproduce import reproduce
from benchmark.commands.results import results
from benchmark.commands.scan import scan
from benchmark.commands.states import retract, status
from benchmark.commands.store import store_group
from benchmark.commands.submission import check, submit
from benchmark.errors import DistillBenchError

__all__ = ["cli", "main"]

EXIT_CODES = """\b
Exit codes: 0 fine, 1 some cells failed, 2 usage, 3 invalid input,
4 refused by policy, 5 environment (try again), 6 our bug."""


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
        _stop(str(fault) if fault.problems else f"error: {fault}", fault.exit_code)
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


@click.group(cls=_Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="distillbench")
def cli() -> None:
    """Score distilled datasets, fairly and reproducibly.

    \b
    Examples:
      distillbench demo                                   everything, on digits, in minutes
      distillbench distill dm --dataset digits --ipc 10   make a synthetic set
      distillbench check my-set/                          look at one made elsewhere
      distillbench submit my-set/                         take it in
      distillbench evaluate 3f2a                          score it (a digest's beginning)
      distillbench leaderboard                            build the site
    """


COMMANDS = (
    demo,
    list_,
    distill,
    convert,
    check,
    submit,
    scan,
    status,
    retract,
    evaluate,
    reproduce,
    results,
    leaderboard,
    publish,
    contribution,
    store_group,
    test,
    document,
    bench,
)
for command in COMMANDS:
    cli.add_command(command)

if __name__ == "__main__":
    main()
