"""Takes in a set folder that somebody made elsewhere: read within bounds, checked whole, nothing in it ever executed.

One validator for the command line, Python and the checks of a pull request: `check` tells everything that is wrong at
once, with a code each (docs/errors.md), and touches nothing; `submit` stores what `check` accepts, from the very bytes
that were checked. docs/synthetic_set.md states the format, docs/submit.md how to write one with numpy and json alone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import _intake, _rules, _twins, preview
from benchmark.errors import EnvironmentFault
from benchmark.refusals import Problem, raise_for, refusal

if TYPE_CHECKING:
    from benchmark.store import Store
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["Receipt", "check", "check_file", "coded_faults", "read_set_folder", "submit"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IMPOSSIBLE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EISDIR)


@dataclass(frozen=True)
class Receipt:
    """What was stored."""

    digest: str
    method: str
    track: str
    ledger: Mapping[str, int]
    is_new: bool
    """False where the very set was there already."""


def read_set_folder(folder: str | Path) -> SyntheticSet:
    """Read a set folder, format checked; raises InvalidInput with one line for each problem. Nothing is changed."""
    intake = _intake.read_folder(os.path.expanduser(folder))
    raise_for(intake.problems)
    assert intake.synthetic is not None  # without problems there is a set
    return intake.synthetic


def check(folder: str | Path, store: Store | None = None, new_version: bool = False) -> SyntheticSet:
    """Read a set folder and check all that `submit` checks; nothing is written anywhere.

    With a `store` its sets are looked at too: names that are too alike, sets that are there under another name.
    Raises InvalidInput, PolicyRefusal or EnvironmentFault whose `problems` are everything that is wrong.
    """
    intake = _intake.read_folder(os.path.expanduser(folder))
    problems = list(intake.problems)
    if intake.card is not None:
        problems += _rules.of_card(intake.card)
    if intake.synthetic is not None and not any(problem.code[:2] in ("E1", "E2") for problem in problems):
        problems += _rules.of_content(intake.synthetic)
    if intake.card is not None and store is not None:
        synthetic = None if problems else intake.synthetic
        known = _rules.stored_sets(store)
        problems += _rules.of_store(intake.card, synthetic.digest if synthetic else None, known, new_version)
        if synthetic is not None and not problems:
            problems += _twins.problems(synthetic, store, known)
    raise_for(problems)
    assert intake.synthetic is not None
    return intake.synthetic


def check_file(file: str | Path) -> None:
    """Check one file alone: a card, or the container of a tensor file. Raises as `check` does."""
    raise_for(_intake.read_file(os.path.expanduser(file)).problems)


def submit(folder: str | Path, store: Store, new_version: bool = False) -> Receipt:
    """Check a set folder and take it in; the folder is not changed, and the store only where nothing is wrong.

    Raises what `check` raises, and EnvironmentFault where the store cannot be written.
    """
    synthetic = check(folder, store, new_version)
    raise_for(list(_links(store.root)))
    drawn = preview.draw(synthetic) if synthetic.card.decoder.name != "indices" else None
    with coded_faults(str(store.root)):
        is_new = store.add_set(synthetic, drawn)
    return Receipt(synthetic.digest, synthetic.card.method, synthetic.card.track, synthetic.ledger, is_new)


def _links(root: Path) -> Iterator[Problem]:
    """Folders of a store that lead elsewhere: what is put in place must lie where it was staged."""
    for name in ("tmp", "sets"):
        if (root / name).is_symlink():
            fix = "move the folder itself there, or name another store"
            yield Problem("E402", str(root / name), "a symbolic link in the store", fix=fix)


@contextmanager
def coded_faults(place: str) -> Iterator[None]:
    """Give what the machine refuses the code that its cause has."""
    try:
        yield
    except EnvironmentFault as fault:
        if fault.problems:
            raise
        number = fault.__cause__.errno if isinstance(fault.__cause__, OSError) else None
        code = "E502" if number in FULL else "E506" if number in IMPOSSIBLE else "E501" if number else "E505"
        what, _, fix = str(fault).partition(" Fix: ")
        raise refusal([Problem(code, place, what.rstrip("."), fix=fix.rstrip("."))]) from fault
