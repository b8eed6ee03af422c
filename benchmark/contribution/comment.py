"""Turns the scores of a contribution, as its workflow left them, into the text of a comment.

Run as `python -m benchmark.contribution.comment ARCHIVE RUN_URL` with write permission on pull requests, so what is in
the archive is believed in nothing: whoever opened the pull request may have written it. One member of a known name and
a bounded size, strict JSON, known columns, letters of an allow-list, all of it in one block of code. Standard library
alone.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark._strict import parse_json
from benchmark.errors import InvalidInput

__all__ = ["body", "main", "rows_of"]

MEMBER = "scores.json"
LARGEST = 256 * 1024
"""Bytes of the archive, and of the member."""
MOST_ROWS, WIDEST = 100, 40
COLUMNS = ("dataset", "ipc", "method", "set", "evaluator", "recipe", "architecture", "condition", "metric")
NUMBERS = ("mean", "sd", "n")
STRANGE = re.compile(r"[^A-Za-z0-9 .,:=/+_-]")
URL = re.compile(r"https://github\.com/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/actions/runs/[0-9]+")
FAILED = (
    "**Your set was not scored.** The workflow's log says why, in one line for each problem: {url}\n\n"
    "`distillbench contribution --base origin/main` says the same on your machine (docs/pull_request.md).\n"
)
SCORED = (
    "**Scores of this contribution** in the quick recipe, from the workflow's run: {url}\n\n```text\n{table}\n```\n\n"
    "They tell that the set can be scored. Entries on the boards come from the maintainers' own runs.\n"
)


def rows_of(archive: Path) -> list[dict[str, Any]]:
    """The rows of an archive; raises InvalidInput for anything but a short list of flat objects."""
    if archive.stat().st_size > LARGEST:
        raise InvalidInput("the archive is too large.")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            if [member.filename for member in members] != [MEMBER] or members[0].file_size > LARGEST:
                raise InvalidInput(f"the archive must hold {MEMBER} alone, and little of it.")
            content = opened.read(MEMBER)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as fault:
        raise InvalidInput("the archive is damaged.") from fault
    rows = parse_json(content, MEMBER)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(f"{MEMBER} is no list of rows.")
    return rows[:MOST_ROWS]


def _cell(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    if column in NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{value:.6g}" if is_number and abs(value or 0) < 1e9 else ""
    if type(value) is int:
        return str(value)[:WIDEST]
    return STRANGE.sub("?", value)[:WIDEST].strip() if isinstance(value, str) else ""


def body(rows: Sequence[dict[str, Any]], url: str) -> str:
    """The comment's text, in Markdown; of `rows` only letters of an allow-list come through, in a block of code."""
    if not URL.fullmatch(url):
        raise InvalidInput("the address of the run is none.")
    if not rows:
        return FAILED.format(url=url)
    columns = [*COLUMNS, *NUMBERS]
    lines = [columns, *([_cell(row, column) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    kept = [i for i in range(len(columns)) if any(line[i] for line in lines[1:])]
    table = "\n".join("  ".join(line[i].ljust(widths[i]) for i in kept).rstrip() for line in lines)
    return SCORED.format(url=url, table=table)


def main(arguments: Sequence[str]) -> None:
    """Print the comment for an archive, or that there is no score where it is missing or not to be believed."""
    archive, url = Path(arguments[0]), arguments[1]
    try:
        rows = rows_of(archive) if archive.is_file() else []
    except InvalidInput as fault:
        print(f"not shown: {fault}", file=sys.stderr)
        rows = []
    print(body(rows, url), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
