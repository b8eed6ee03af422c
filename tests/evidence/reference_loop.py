"""The bench's reference loop beside DC-BENCH's own: it must cost as much, or every ratio on the page is worth less.

Needs a copy of github.com/justincui03/dc_benchmark in the folder that DISTILLBENCH_DC_BENCHMARK names; nothing of it is
kept here. Their `EvaluatorUtils.epoch` and our `reference.epoch` are timed in turn in this process: some epochs of
training, then one pass over some test images, each with a network of the same initial weights. Their test images come
from torchvision's own CIFAR10 class, as in their code; it is only spared the download.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import os
import statistics
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

from benchmark.bench import parts, reference
from benchmark.bench.cells import BenchCell, known
from benchmark.datasets import Split
from benchmark.engine import Examples, devices
from benchmark.engine.training import build_network
from tests.evidence.bench import Bench, Finding, NotHere

FOLDER = "DISTILLBENCH_DC_BENCHMARK"
CELLS = {"cifar10-1": 40, "cifar10-10": 8, "cifar10-1-dsa": 40}
"""Epochs of each cell that are timed: a shortened schedule."""
TEST_IMAGES = 2_000
REPEATS = 5
LIMIT = 0.2


@dataclass(frozen=True)
class Contest:
    """One cell, ready to be run by either loop: each callable makes one epoch's or pass's seconds."""

    train: tuple[Callable[[], float], Callable[[], float]]
    """Theirs, ours."""
    test: tuple[Callable[[], float], Callable[[], float]]


def measure(bench: Bench) -> Finding:
    theirs = _their_code()
    bench.data("cifar10")
    rows: dict[str, Any] = {}
    for name, epochs in CELLS.items():
        contest = _contest(bench, theirs, known()[name])
        rows[f"{known()[name].title}: training"] = _row(contest.train, epochs)
        if not any("testing" in row for row in rows):
            rows["CIFAR-10, ConvNet-D3: testing"] = _row(contest.test, 1)
    return Finding(
        bar="our reference loop costs within 20 % of DC-BENCH's own, training and testing",
        passed=all(abs(row["ratio"] - 1) <= LIMIT for row in rows.values()),
        value=rows,
        n=f"{REPEATS} repeats of each loop in turn",
        spread="low and high: lowest and highest ratio of neighbours",
        details={
            "epochs timed": CELLS,
            "test images": TEST_IMAGES,
            "threads": torch.get_num_threads(),
            "their code": "github.com/justincui03/dc_benchmark, evaluator/evaluator_utils.py",
            "its sha256": hashlib.sha256(Path(str(theirs.__file__)).read_bytes()).hexdigest(),
        },
    )


def _row(loops: tuple[Callable[[], float], Callable[[], float]], n: int) -> dict[str, float]:
    """Median seconds of one epoch or pass; each repeat runs `n` of theirs, then `n` of ours, or the other way about."""
    for loop in loops:
        loop()
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(REPEATS):
        for who in (0, 1) if repeat % 2 == 0 else (1, 0):
            times[who].append(sum(loops[who]() for _ in range(n)) / n)
    ratios = [ours / theirs for theirs, ours in zip(*times, strict=True)]
    medians = [statistics.median(found) for found in times]
    return {
        "theirs": round(medians[0], 5),
        "ours": round(medians[1], 5),
        "ratio": round(medians[1] / medians[0], 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
    }


def _contest(bench: Bench, theirs: Any, cell: BenchCell) -> Contest:
    materials = bench.runner.materials
    asked = cell.asked(parts.set_of(replace(cell.made, preset="default"), str(bench.store.root), materials.device))
    recipe = asked.training.recipe
    examples = materials.training_examples(asked.training.stages[0].stream, recipe)
    whole = materials.dataset(cell.dataset).test
    rows = np.linspace(0, len(whole.labels) - 1, TEST_IMAGES).astype(np.int64)  # in class order: all classes
    test = Split(whole.images[rows], whole.labels[rows])
    networks = [build_network(asked.training.architecture, examples, 0, materials.device) for _ in range(2)]
    loop = reference.Loop(networks[1], examples, recipe, 0)
    mine = reference.train_loader(examples, recipe, 0), reference.test_loader(test, examples.space)
    arguments = _their_arguments(theirs, materials.device, dsa=recipe.augmentation == "dsa")
    optimizer = torch.optim.SGD(networks[0].parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    loaders = _their_loaders(theirs, examples, test)

    def their_epoch(mode: str) -> float:
        started = devices.now(materials.device)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints lines at every epoch
            theirs.EvaluatorUtils.epoch(
                mode,
                loaders[mode],
                networks[0],
                optimizer,
                torch.nn.CrossEntropyLoss(),
                arguments,
                aug=mode == "train",
                ep=0,
                logging=types.SimpleNamespace(info=lambda *words: None),
            )
        return devices.now(materials.device) - started

    def our_epoch(train: bool) -> float:
        started = devices.now(materials.device)
        reference.epoch(loop, mine[0] if train else mine[1], train)
        return devices.now(materials.device) - started

    return Contest(
        (lambda: their_epoch("train"), lambda: our_epoch(True)), (lambda: their_epoch("test"), lambda: our_epoch(False))
    )


def _their_code() -> Any:
    """Their module; raises NotHere where no copy is at hand."""
    folder = Path(os.environ.get(FOLDER, ""))
    if FOLDER not in os.environ or not (folder / "evaluator" / "evaluator_utils.py").is_file():
        raise NotHere(f"needs a copy of github.com/justincui03/dc_benchmark in the folder that {FOLDER} names")
    for place in (folder, folder / "evaluator"):
        sys.path.append(str(place))
    warnings.filterwarnings("ignore", module="evaluator_utils")  # written for a much older torch and scipy
    return importlib.import_module("evaluator_utils")


def _their_arguments(theirs: Any, device: torch.device, dsa: bool) -> Any:
    """What their command line would make: `--dsa` or nothing."""
    return types.SimpleNamespace(
        device=str(device),
        dsa=dsa,
        aug="",
        dsa_strategy="color_crop_cutout_flip_scale_rotate",
        dsa_param=theirs.EvaluatorUtils.ParamDiffAug(),
        dc_aug_param=None if dsa else theirs.EvaluatorUtils.get_daparam("CIFAR10", "convnet", "", 1),
    )


def _their_loaders(theirs: Any, examples: Examples, test: Split) -> dict[str, Any]:
    """Made as their `evaluate_synset_dataset` and `get_dataset` make them."""
    dataset = CIFAR10.__new__(CIFAR10)
    dataset.data, dataset.targets = test.images.transpose(0, 2, 3, 1).copy(), test.labels.tolist()
    steps = [transforms.ToTensor(), transforms.Normalize(examples.space.mean, examples.space.std)]
    dataset.transform, dataset.target_transform = transforms.Compose(steps), None
    synthetic = theirs.TensorDataset(examples.images.cpu(), examples.labels.cpu())
    return {
        "train": DataLoader(synthetic, batch_size=256, shuffle=True, num_workers=0),
        "test": DataLoader(dataset, batch_size=256, shuffle=False, num_workers=0),
    }
