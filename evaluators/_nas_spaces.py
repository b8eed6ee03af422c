"""The spaces of networks that `nas-proxy` ranks, and what each network really reaches.

Truth is the test accuracy after full training. That of `convnet-digits` is shipped; that of `nasbench201` is read from
the user's copy of the table, that of `convnet-grid` from a file that `python -m tests.evidence.nas_truth` writes; both
are named by path and sha256, so a score can only mean one content. docs/nas_proxy.md describes the files.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from benchmark.architectures import canonical
from benchmark.errors import EnvironmentFault, InvalidInput, UsageError
from benchmark.rank_statistics import Array, mean_ceiling, spearman

__all__ = [
    "DATASETS",
    "LISTS",
    "NASBENCH201_SHA256",
    "Candidate",
    "Row",
    "Space",
    "best_tenth",
    "bytes_of",
    "convnet_digits",
    "convnet_grid",
    "draw_nasbench201",
    "nasbench201_cell",
    "read_nasbench201",
    "read_space",
    "representatives",
]

LISTS = Path(__file__).resolve().parent / "_nas_lists"
DATASETS = {"convnet-digits": "digits", "nasbench201": "cifar10", "convnet-grid": "cifar10"}
"""The dataset of each space; the first that names a dataset is its default."""
NASBENCH201_SHA256 = "c22a6a59e9ce5416f281a22f9eace50ffebd1dd077256ad950901302a76d92bc"
"""Of the table that the bars are measured with; docs/nas_proxy.md says how it was made."""
NASBENCH201_PASSES = 200 * 50_000
EARLY_SHARE = 12 / 200
N_UNIFORM, N_TOP = 200, 100
DRAW = 201
"""Seed of the published list."""
Row = dict[str, str]


@dataclass(frozen=True)
class Candidate:
    """One network of a space."""

    architecture: str
    """A canonical spec."""
    truth: float
    """Test accuracy in percent after full training, the mean over the truth's seeds."""
    early: float | None = None
    """Test accuracy in percent after 12 epochs of its own schedule, where the table has it."""


@dataclass(frozen=True)
class Space:
    """Networks in the order in which they were drawn, so that the first k are a sample too."""

    name: str
    networks: tuple[Candidate, ...]
    """Uniform over the space."""
    top: tuple[Candidate, ...]
    """Networks among the truly best; some or all of them may stand in `networks` too."""
    top_name: str
    """`top_decile` or `top_quarter`: which part of the space `top` is drawn from."""
    ceiling: float
    """The rho of a perfect, noiseless score with this truth over the space; NaN where it cannot be told."""
    top_ceiling: float
    passes: int
    """Image passes of one full training."""

    def first(self, n: int) -> Space:
        """The space with its first `n` networks, and its top in proportion; 0: the whole space."""
        if n == 0 or n >= len(self.networks):
            return self
        kept, n_top = self.networks[:n], math.ceil(len(self.top) * n / len(self.networks))
        drawn_apart = not set(self.top) <= set(self.networks)
        top = self.top[:n_top] if drawn_apart else tuple(sorted(kept, key=lambda one: -one.truth)[:n_top])
        return replace(self, networks=kept, top=top)


def convnet_digits() -> tuple[str, ...]:
    """Specs of the slice that 8x8 images take and train in seconds: 36 networks of width 16, in a drawn order."""
    return _grid((16,), (1, 2, 3), ("none", "instance", "batch"), ("relu", "sigmoid"), ("none", "avg"))


def convnet_grid() -> tuple[str, ...]:
    """Specs of the 720 networks of Zhao, Mopuri and Bilen (ICLR 2021, section 4.3), in a drawn order."""
    norms, activations = ("none", "batch", "layer", "instance", "group"), ("sigmoid", "relu", "leakyrelu")
    return _grid((32, 64, 128, 256), (1, 2, 3, 4), norms, activations, ("none", "max", "avg"))


def read_space(name: str, truth: str = "", sha256: str = "") -> Space:
    """A space with its truth; `truth` is the path of the file where none is shipped, `sha256` its content's.

    Raises UsageError for an unknown name or a missing path, EnvironmentFault for a file that cannot be read,
    InvalidInput for other content.
    """
    if name not in DATASETS:
        raise UsageError(f"unknown space {name!r}. Known: {', '.join(DATASETS)}.")
    if name == "convnet-digits":
        return _shipped()
    if not truth:
        raise UsageError(f"the truth of {name} is a file of yours: give its path. See docs/nas_proxy.md.")
    return _read(name, truth, sha256 or NASBENCH201_SHA256)


@cache
def _shipped() -> Space:
    return _trained("convnet-digits", convnet_digits(), (LISTS / "convnet_digits.json").read_bytes())


@lru_cache(maxsize=8)
def _read(name: str, truth: str, sha256: str) -> Space:
    content = bytes_of(truth, sha256)
    if name == "convnet-grid":
        return _trained(name, convnet_grid(), content)
    return _tabular(read_nasbench201(content))


def bytes_of(truth: str, sha256: str) -> bytes:
    """The content of a file, which must have this sha256; raises EnvironmentFault or InvalidInput."""
    try:
        content = Path(truth).expanduser().read_bytes()
    except OSError as fault:
        raise EnvironmentFault(
            f"{truth} cannot be read ({fault.strerror}). Fix: give the path of the table."
        ) from fault
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InvalidInput(f"{truth} has the sha256 {found}, not {sha256}. Fix: give that file, or its own sha256.")
    return content


# ConvNets, whose truth this project's engine trains


def _grid(
    widths: Sequence[int], depths: Sequence[int], norms: Sequence[str], acts: Sequence[str], pools: Sequence[str]
) -> tuple[str, ...]:
    specs = [
        canonical(f"convnet:width={w},depth={d},norm={n},activation={a},pooling={p}")
        for w, d, n, a, p in itertools.product(widths, depths, norms, acts, pools)
    ]
    return tuple(specs[i] for i in np.random.default_rng(DRAW).permutation(len(specs)))


def _trained(name: str, specs: tuple[str, ...], content: bytes) -> Space:
    """A space whose truth was trained twice; networks without truth are an error, not a smaller space."""
    try:
        stored = json.loads(content)
        pairs = [[float(value) for value in stored["networks"][spec]] for spec in specs]
        passes = int(stored["image_passes"])
        first, second = np.array(pairs).T
        if stored["format"] != 1 or stored["space"] != name or not np.isfinite(pairs).all():
            raise ValueError("another format, another space or a value that is no number")
    except (KeyError, TypeError, ValueError) as fault:
        raise InvalidInput(f"the truth of {name} is no such file, or lacks a network ({fault}).") from fault
    truth = np.round((first + second) / 2, 6)  # equal counts of right images must be equal numbers
    share, top_name = (0.25, "top_quarter") if len(specs) < 200 else (0.1, "top_decile")
    best = np.sort(np.argsort(-truth, kind="stable")[: math.ceil(share * len(specs))])
    networks = tuple(Candidate(spec, float(value)) for spec, value in zip(specs, truth, strict=True))
    top = tuple(networks[i] for i in best)
    ceilings = mean_ceiling(first, second), mean_ceiling(first[best], second[best])
    return Space(name, networks, top, top_name, *ceilings, passes)


# NAS-Bench-201


def nasbench201_cell(text: str) -> str:
    """The `cell` option of a cell given as the benchmark writes it: `|nor_conv_3x3~0|+|…`."""
    return ".".join(re.findall(r"([a-z0-9_]+)~\d", text))


def read_nasbench201(content: bytes) -> list[Row]:
    """The rows of the table, by column; raises InvalidInput where it is none."""
    try:
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(content).decode("ascii"))))
        if not {"index", "arch_str", "iso_class", "connected", "c10_test_200", "c10_test_12"} <= set(rows[0]):
            raise ValueError("a column is missing")
    except (OSError, ValueError, EOFError, IndexError) as fault:
        raise InvalidInput(f"this is no table of NAS-Bench-201 ({fault}). See docs/nas_proxy.md.") from fault
    return rows


def draw_nasbench201(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Draw the published list: (stratum, index in the table), the uniform stratum first.

    One network of each class of isomorphic ones, the first; connected; 200 uniform over these, then 100 others of
    those whose truth on CIFAR-10 is in the best tenth.
    """
    there = representatives(rows)
    draws = np.random.default_rng(DRAW)
    uniform = [there[i] for i in draws.permutation(len(there))[:N_UNIFORM]]
    taken = {row["index"] for row in uniform}
    rest = [row for row in best_tenth(there) if row["index"] not in taken]
    best = [rest[i] for i in draws.permutation(len(rest))[:N_TOP]]
    return [*(("uniform", int(row["index"])) for row in uniform), *(("top", int(row["index"])) for row in best)]


def representatives(rows: Sequence[Row]) -> list[Row]:
    """The first connected network of each class of isomorphic ones."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["connected"] == "1":
            found.setdefault(row["iso_class"], row)
    return list(found.values())


def best_tenth(there: Sequence[Row]) -> list[Row]:
    """Of these rows those with the highest truth on CIFAR-10, in the order in which they are."""
    best = sorted(there, key=lambda row: (-float(row["c10_test_200"]), int(row["index"])))
    chosen = {row["index"] for row in best[: math.ceil(len(there) / 10)]}
    return [row for row in there if row["index"] in chosen]


def _tabular(rows: Sequence[Row]) -> Space:
    """The published list with the table's truth."""
    by_index = {row["index"]: row for row in rows}
    strata: dict[str, list[Candidate]] = {"uniform": [], "top": []}
    with (LISTS / "nasbench201.csv").open(encoding="ascii", newline="") as file:
        for listed in csv.DictReader(file):
            row = by_index[listed["index"]]
            cell = nasbench201_cell(row["arch_str"])
            if cell != listed["cell"]:
                raise InvalidInput(f"the table counts otherwise: its {listed['index']} is {cell}, not as listed.")
            values = float(row["c10_test_200"]), float(row["c10_test_12"])
            strata[listed["stratum"]].append(Candidate(canonical(f"nasbench201:cell={cell}"), *values))
    ceilings = _twin_ceilings(rows)
    networks, top = tuple(strata["uniform"]), tuple(strata["top"])
    return Space("nasbench201", networks, top, "top_decile", *ceilings, NASBENCH201_PASSES)


def _twin_ceilings(rows: Sequence[Row]) -> tuple[float, float]:
    """Ceilings over the space and in its best tenth, from cells that compute the same and were trained apart.

    The rho of twins is the truth's reliability, and its root the most that any score can correlate with it. In the
    best tenth the first twin was selected, not the second: an approximation.
    """
    members: dict[str, list[Row]] = {}
    for row in rows:
        if row["connected"] == "1":
            members.setdefault(row["iso_class"], []).append(row)
    best = {row["iso_class"] for row in best_tenth(representatives(rows))}

    def ceiling(classes: Sequence[str]) -> float:
        pairs = [[float(row["c10_test_200"]) for row in members[one][:2]] for one in classes if len(members[one]) > 1]
        twins: Array = np.array(pairs).T
        r = float(spearman(twins[0], twins[1])) if len(pairs) > 2 else math.nan
        return math.sqrt(r) if r > 0 else math.nan

    return ceiling(list(members)), ceiling([one for one in members if one in best])
