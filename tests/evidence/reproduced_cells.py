"""At least six cells of published tables read `reproduced` on the CPU, three of them distilled, by two methods or more.

Measures nothing itself: it reads what `distillbench reproduce TABLE --write` has put down.
"""

from __future__ import annotations

from benchmark.reproduce import page, record, tables
from tests.evidence.bench import REPOSITORY, Bench, Finding

DISTILLED = ("datadam", "dc", "dm", "dsa", "mtt")


def measure(bench: Bench) -> Finding:
    found = record.read(REPOSITORY / "docs" / page.RECORD)
    lines = [(table, *line) for table in map(tables.load, tables.names()) for line in page.compared(table, found)]
    good = {f"{table.name}/{cell.name}": cell for table, cell, _, judged in lines if judged.word == "reproduced"}
    distilled = {name: cell.baseline for name, cell in good.items() if cell.baseline in DISTILLED}
    on_cpu = [name for name in good if all(how.startswith("cpu-") for how in found[name].numerics)]
    return Finding(
        bar="reproduce: six cells or more read `reproduced` on the CPU, three of them distilled by two methods or more",
        passed=len(on_cpu) >= 6
        and len([name for name in distilled if name in on_cpu]) >= 3
        and len({method for name, method in distilled.items() if name in on_cpu}) >= 2,
        value={"reproduced": sorted(good), "on_the_cpu": sorted(on_cpu), "distilled": sorted(distilled)},
        n=f"{len(lines)} published numbers, {len(found)} cells run",
        spread="see docs/reproduction.md",
    )
