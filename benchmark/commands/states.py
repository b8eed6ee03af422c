"""`status` and `retract`: where each set stands, and taking one back without deleting anything."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from benchmark._tables import show
from benchmark.commands._shared import as_json, every_option, open_store
from benchmark.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    from benchmark.states import State
    from benchmark.store import Store

__all__ = ["retract", "status"]


@click.command()
@click.argument("sets", nargs=-1)
@as_json
@every_option
def status(sets: tuple[str, ...], as_json: bool, store: str | None, plugins: tuple[str, ...]) -> None:
    """Say where each set stands, since when and why, and what to do next; with SETS, all that was said of them.

    A set is received, then scored once it has a result; records say refused, needs-review, verified, disputed,
    retracted or superseded. Sets are named by the beginnings of their digests.

    \b
    Examples:
      distillbench status
      distillbench status 3f2a
      distillbench status --json
    """
    opened = open_store(store, plugins)
    states = opened.states()
    chosen = [states[_resolved(states, one)] for one in sets] if sets else list(states.values())
    rows = [_as_json(state) if as_json else _as_row(state) for state in chosen]
    if not rows and not as_json:
        print("the store holds no sets yet. Next: distillbench demo, or distillbench submit FOLDER", file=sys.stderr)
    show(rows, as_json)
    if sets and not as_json:
        for state in chosen:
            _show_history(state)


@click.command()
@click.argument("set_", metavar="SET")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is shown to everybody.")
@click.option("--dispute", is_flag=True, help="Say that its results are in doubt, instead: it stays ranked, marked.")
@click.option("--superseded-by", metavar="DIGEST", help="Say instead that this other stored set replaces it.")
@click.option("--withdraw", is_flag=True, help="Take the latest retraction, supersession or dispute back.")
@click.option("--by", default="", metavar="NAME", help="Who says so. Default: nobody is named.")
@as_json
@every_option
def retract(set_: str, reason: str, as_json: bool, store: str | None, plugins: tuple[str, ...], **named: Any) -> None:
    """Take a SET off the boards, for a REASON that everybody reads.

    Nothing is deleted: a record is added, and the set's page stays with it. What was retracted by mistake comes back
    with --withdraw.

    \b
    Examples:
      distillbench retract 3f2a --reason "labels of two classes were swapped"
      distillbench retract 3f2a --reason "version 2 is out" --superseded-by 77c0
      distillbench retract 3f2a --reason "cannot be reproduced" --dispute
    """
    from benchmark.states import Record, now

    if sum(bool(named[option]) for option in ("dispute", "superseded_by", "withdraw")) > 1:
        raise UsageError("--dispute, --superseded-by and --withdraw each say something else. Give one of them.")
    if not reason.strip() or len(reason) > 2000:
        raise UsageError("a reason is a text of 1 to 2000 characters: it is all that readers learn.")
    opened = open_store(store, plugins)
    states = opened.states()
    before = states[_resolved(states, set_)]
    said, evidence = _to_say(opened, before, named)
    if said == before.state and evidence.get("successor", "") == before.successor:
        print(f"already {said} since {before.since}: {before.reason}", file=sys.stderr)
    else:
        opened.write_status(Record(before.set, said, reason.strip(), now(), named["by"], evidence))
    after = opened.state(before.set)
    show([_as_json(after) if as_json else _as_row(after)], as_json)


def _to_say(store: Store, before: State, named: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The state to record, and its evidence."""
    if named["superseded_by"]:
        successor = store.resolve_set(named["superseded_by"])
        if successor == before.set:
            raise UsageError("a set cannot supersede itself. Name the other one.")
        return "superseded", {"successor": successor}
    if not named["withdraw"]:
        return ("disputed" if named["dispute"] else "retracted"), {}
    withdrawn = {record.evidence.get("withdraws") for record in before.history}
    theirs = ("disputed", "retracted", "superseded")
    found = [record for record in before.history if record.state in theirs and record.id not in withdrawn]
    if not found:
        raise UsageError(f"set {before.set[:12]} is {before.state}: there is nothing to withdraw.")
    return "received", {"withdraws": found[-1].id}


def _resolved(states: dict[str, State], prefix: str) -> str:
    """The one digest, of a stored set or one that is spoken of, that begins so; raises InvalidInput."""
    found = [name for name in states if name.startswith(prefix.lower())] if len(prefix) >= 4 else []
    if len(found) != 1:
        what = "no set begins" if not found else f"{len(found)} sets begin"
        raise InvalidInput(f"{what} with {prefix!r} (at least 4 digits are needed). See `distillbench status`.")
    return found[0]


def _as_row(state: State) -> dict[str, Any]:
    from benchmark.states import next_command

    known = {"set": state.set[:12], "state": state.state, "age": _age(state.since), "reason": _line(state.reason)}
    return {**known, "next": next_command(state)}


def _as_json(state: State) -> dict[str, Any]:
    from benchmark.states import next_command

    fields = json.loads(json.dumps(asdict(state)))
    return {**fields, "ranked": state.is_ranked, "next": next_command(state)}


def _show_history(state: State) -> None:
    for record in state.history:
        click.echo(
            f"\n{record.at}  {record.state}{f', by {_line(record.by)}' if record.by else ''}  ({record.id[:12]})"
        )
        if record.reason:
            click.echo(f"  {_line(record.reason, 2000)}")
        for name, value in sorted(record.evidence.items()):
            click.echo(f"  {_line(name)}: {_line(json.dumps(value), 2000)}")


def _line(text: str, longest: int = 60) -> str:
    """A stranger's text on one line of a terminal, without control characters."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def _age(since: str) -> str:
    if not since:
        return ""
    from benchmark.states import TIME

    then = datetime.strptime(since, TIME).replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
