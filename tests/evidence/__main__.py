"""`python -m tests.evidence [NAME …]`: measure all bars, or some; `--list` names them."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from tests.evidence.bench import Bench, NotHere, write

NOT_BARS = {"__init__", "__main__", "bench"}


def names() -> list[str]:
    """Every module of this folder that measures a bar."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in NOT_BARS)


def main(wanted: list[str]) -> int:
    if wanted == ["--list"]:
        print("\n".join(names()))
        return 0
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"unknown bars: {', '.join(sorted(unknown))}. Known: {', '.join(names())}", file=sys.stderr)
        return 2
    missed, bench = [], Bench()
    for name in wanted or names():
        try:
            finding = importlib.import_module(f"tests.evidence.{name}").measure(bench)
        except NotHere as reason:
            print(f"{name}: not measured here: {reason}", file=sys.stderr)
            continue
        except Exception:
            traceback.print_exc()
            missed.append(name)
            continue
        write(name, finding)
        if finding.passed is False:
            missed.append(name)
    if missed:
        print(f"missed or broken: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
