"""NAS-Bench-201: parameter counts of our networks, and what two trivial proxies correlate over the whole table."""

from __future__ import annotations

import csv
import os

import numpy as np
import torch

from benchmark.architectures import build
from benchmark.rank_statistics import spearman
from evaluators._nas_spaces import (
    LISTS,
    NASBENCH201_SHA256,
    Row,
    best_tenth,
    bytes_of,
    read_nasbench201,
    read_space,
    representatives,
)
from evaluators.nas_proxy import TRUTH
from tests.evidence.bench import REAL_DATA, Bench, Finding, NotHere

EXPECTED = {"parameter-count": (0.753, 0.728, 0.691), "epochs-12": (0.871, 0.824, 0.809)}
DATASETS = ("c10", "c100", "in16")
LARGEST = 1_531_546


def table_path() -> str:
    """The user's table: named by the environment, or beside the checkout; raises NotHere."""
    named = os.environ.get(TRUTH) or str(REAL_DATA / "nasbench201_accuracy.csv.gz")
    if not os.path.exists(named):
        raise NotHere(f"needs the table of NAS-Bench-201 that {TRUTH} names (docs/nas_proxy.md)")
    return named


def correlations(rows: list[Row]) -> dict[str, list[float]]:
    """Spearman's rho of each proxy with the 200-epoch accuracy over all rows, by dataset."""
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name not in ("arch_str",)}
    found: dict[str, list[float]] = {name: [] for name in EXPECTED}
    for data in DATASETS:
        truth = columns[f"{data}_test_200"]
        found["parameter-count"].append(round(float(spearman(columns["params_c10"], truth)), 4))
        found["epochs-12"].append(round(float(spearman(columns[f"{data}_test_12"], truth)), 4))
    return found


def n_parameters(spec: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec, (3, 32, 32), 10).parameters())


def measure(bench: Bench) -> Finding:
    rows = read_nasbench201(bytes_of(table_path(), NASBENCH201_SHA256))
    counts = {row["index"]: int(row["params_c10"]) for row in rows}
    with (LISTS / "nasbench201.csv").open(encoding="ascii", newline="") as file:
        listed = {row["index"]: f"nasbench201:cell={row['cell']}" for row in csv.DictReader(file)}
    equal = sum(n_parameters(spec) == counts[index] for index, spec in listed.items())
    found, largest = correlations(rows), n_parameters("nasbench201")
    space, unique = read_space("nasbench201", table_path()), representatives(rows)
    early, truth = (np.array([getattr(one, name) for one in space.networks]) for name in ("early", "truth"))
    pairs = [pair for name, values in EXPECTED.items() for pair in zip(found[name], values, strict=True)]
    passed = all(abs(ours - stated) < 0.001 for ours, stated in pairs)
    return Finding(
        bar="NAS-Bench-201: parameters equal the table's for at least 200 networks, 1,531,546 at most; over the whole "
        "table rho .753/.728/.691 for parameter count and .871/.824/.809 for 12 epochs, within .001",
        passed=passed and equal == len(listed) >= 200 and largest == max(counts.values()) == LARGEST,
        value={"equal counts": equal, "of": len(listed), "largest": largest, "rho on CIFAR-10/100, ImageNet16": found},
        n=f"{len(listed)} listed networks; {len(rows)} rows",
        spread="none: a whole table",
        details={
            "sha256 of the table": NASBENCH201_SHA256,
            "rho of 12 epochs on CIFAR-10": {
                "in the best tenth of all rows": correlations(best_tenth(rows))["epochs-12"][0],
                "in the best tenth of unique, connected cells": correlations(best_tenth(unique))["epochs-12"][0],
                "over the 200 uniform networks of the list": round(float(spearman(early, truth)), 4),
            },
            "ceiling of any score's rho": {
                "over the space": round(space.ceiling, 3),
                "in the best tenth": round(space.top_ceiling, 3),
            },
        },
    )
