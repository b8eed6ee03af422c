"""A step of DM, DC and DSA at CIFAR-10 size against the authors' public code, interleaved on the same machine.

The public code (VICO-UoE/DatasetCondensation, commit 53f63a6, MIT) lies in the folder that DATASET_CONDENSATION names
and is no part of this repository: its networks, augmentation and distance run as they are, in the order in which
`main_DM.py` and `main.py` call them for a step at 1 image per class. Ours are whole steps of the presets for a CPU.
The public code has a process of its own, since ours sets the memory allocator, which would make it faster too. Compiled
passes are compared with plain ones here as well, since compiling takes a minute.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import rotate

from benchmark import architectures, baseline, datasets, engine
from benchmark.engine.passes import Passes, Seen
from benchmark.run import Run, TrialOver
from benchmark.space import Space
from benchmark.values import Budget, Real
from tests.evidence.bench import Bench, Finding, NotHere

BARS = {"dm": ("cifar-5000", 3.0), "dc": ("cifar-1000", 2.0), "dsa": ("cifar-1000", 2.0)}
"""Preset whose way of computing is taken, and how many times as fast it has to be. Both sides take 256 real images."""
BATCH_REAL, ROUNDS = 256, 5
STRATEGY = "color_crop_cutout_flip_scale_rotate"
SHAPE = (3, 32, 32)
Step = Callable[[], float]
"""Takes one step and returns its seconds."""


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    place = os.environ.get("DATASET_CONDENSATION", "")
    if not (Path(place) / "main_DM.py").exists():
        raise NotHere("needs a checkout of VICO-UoE/DatasetCondensation in the folder that DATASET_CONDENSATION names")
    engine.prepare(torch.device("cpu"), False)
    found, passed = {}, True
    for name, (preset, bar) in BARS.items():
        built: Any = replace(baseline.load(name, preset), batch_real=BATCH_REAL)  # type: ignore[type-var]
        sides: dict[str, Step] = {"public": in_a_process(place, name), "ours": own_step(bench, built)}
        seconds: dict[str, list[float]] = {who: [] for who in sides}
        for number in range(ROUNDS + 1):
            for who, step in sides.items():
                taken = step()
                if number:
                    seconds[who].append(round(taken, 3))
        medians = {who: statistics.median(values) for who, values in seconds.items()}
        times = medians["public"] / medians["ours"]
        passed = passed and times >= bar
        found[name] = {**medians, "times as fast": round(times, 2), "bar": bar, "rounds": seconds}
    return Finding(
        bar="CIFAR-10, 1 per class, 256 real images of each class: a step of dm >= 3 times as fast as the public "
        "code's, of dc and dsa >= 2 times",
        passed=passed,
        value={**found, "compiled against plain": differences(real_images())},
        n=f"{ROUNDS} interleaved steps of each, after one that is not counted",
        spread="seconds of every step; medians are compared",
        details={"threads": torch.get_num_threads(), "public code": "VICO-UoE/DatasetCondensation 53f63a6"},
    )


def in_a_process(place: str, name: str) -> Step:
    """Steps of the public code in a process of its own, whose memory allocator and threads are as they come."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=_serve, args=(there, place, name), daemon=True).start()

    def step() -> float:
        here.send("step")
        seconds: float = here.recv()
        return seconds

    return step


def _serve(connection: Connection, place: str, name: str) -> None:
    step = PUBLIC[name](public_code(place), real_images(), name)
    with suppress(EOFError):  # when the other side is done
        while connection.recv():
            connection.send(step())


def public_code(place: str) -> SimpleNamespace:
    """The modules of the public code."""
    old = ModuleType("scipy.ndimage.interpolation")  # a name that scipy has dropped, and the public code imports
    old.rotate = rotate  # type: ignore[attr-defined]
    sys.modules.setdefault("scipy.ndimage.interpolation", old)
    sys.path.insert(0, place)
    try:
        return SimpleNamespace(utils=importlib.import_module("utils"), networks=importlib.import_module("networks"))
    finally:
        sys.path.remove(place)


def real_images() -> torch.Tensor:
    """(10, 5000, 3, 32, 32) float32 by class, standardized, as the public code holds them."""
    dataset = datasets.load("cifar10")
    seen = dataset.facts.statistics["vico"]
    rows = [torch.from_numpy(dataset.train.images[dataset.train.labels == c]) for c in range(10)]
    return (
        Space("standardized", seen.mean, seen.std)
        .from_pixel(torch.stack(rows).float().flatten(0, 1) / 255)
        .view(10, -1, *SHAPE)
    )


def own_step(bench: Bench, built: Any) -> Step:
    """The first step of a run, as it is."""

    def step() -> float:
        run = Run(engine.Materials(bench.store, torch.device("cpu")), Real("cifar10"), 0, trial_steps=1)
        with suppress(TrialOver):
            built.distill(run.real, Budget(ipc=1), run)
        return run.marks[1] - run.marks[0]

    return step


def _timed(step: Callable[[], object]) -> Step:
    def timed() -> float:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    return timed


def _public_dm(theirs: SimpleNamespace, pools: torch.Tensor, name: str) -> Step:
    utils, options = theirs.utils, theirs.utils.ParamDiffAug()
    images = pools[:, 0].clone().requires_grad_()
    optimizer = torch.optim.SGD([images], lr=1.0, momentum=0.5)

    def step() -> None:
        network = utils.get_network("ConvNet", 3, 10, SHAPE[1:]).train()
        for weight in network.parameters():
            weight.requires_grad = False
        loss = torch.tensor(0.0)
        for c in range(10):
            seed = int(time.time() * 1000) % 100000
            real = pools[c][np.random.permutation(len(pools[c]))[:BATCH_REAL]]
            real = _augmented(utils, real, seed, options)
            seen = _augmented(utils, images[c : c + 1], seed, options)
            wanted = network.embed(real).detach()
            loss = loss + (wanted.mean(dim=0) - network.embed(seen).mean(dim=0)).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return _timed(step)


def _public_gradients(theirs: SimpleNamespace, pools: torch.Tensor, name: str) -> Step:
    utils, options = theirs.utils, theirs.utils.ParamDiffAug()
    arguments = SimpleNamespace(device="cpu", dis_metric="ours")
    images = (pools[:, 0].clone() if name == "dsa" else torch.randn(10, *SHAPE)).requires_grad_()
    optimizer = torch.optim.SGD([images], lr=0.1, momentum=0.5)

    def step() -> None:
        network = utils.get_network("ConvNet", 3, 10, SHAPE[1:]).train()
        weights, loss = list(network.parameters()), torch.tensor(0.0)
        for c in range(10):
            real, seen = pools[c][np.random.permutation(len(pools[c]))[:BATCH_REAL]], images[c : c + 1]
            if name == "dsa":
                seed = int(time.time() * 1000) % 100000
                real, seen = (_augmented(utils, x, seed, options) for x in (real, seen))
            labels = torch.full((BATCH_REAL,), c)
            wanted = torch.autograd.grad(F.cross_entropy(network(real), labels), weights)
            found = torch.autograd.grad(F.cross_entropy(network(seen), labels[:1]), weights, create_graph=True)
            loss = loss + utils.match_loss(found, [part.detach().clone() for part in wanted], arguments)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return _timed(step)


def _augmented(utils: Any, images: torch.Tensor, seed: int, options: Any) -> torch.Tensor:
    """Of a lone image two copies are augmented alike: newer versions of PyTorch refuse what the code does to one."""
    copies = torch.cat([images, images]) if len(images) == 1 else images
    seen: torch.Tensor = utils.DiffAugment(copies, STRATEGY, seed=seed, param=options)
    return seen[: len(images)]


PUBLIC = {"dm": _public_dm, "dc": _public_gradients, "dsa": _public_gradients}


def differences(pools: torch.Tensor) -> dict[str, float]:
    """How far compiled passes in bfloat16 are from plain ones in float32, in one network: 1 - cosine of the means of
    features, and of gradients, over all classes."""
    facts, device = datasets.facts("cifar10"), torch.device("cpu")
    network = architectures.build("convnet", SHAPE, 10).requires_grad_(False)
    batches = list(pools[:, :BATCH_REAL])
    labels = [torch.full((BATCH_REAL,), c) for c in range(10)]
    found = []
    for compiled, precision in ((False, "float32"), (True, "bfloat16")):
        passes = Passes.of("convnet", facts, device, precision, compiled)
        (means,) = passes.statistics(network, batches, _features)
        found.append((means.flatten(), torch.cat([g.flatten() for g in passes.gradients(network, batches, labels)])))
    pairs = zip(("features", "gradients"), *found, strict=True)
    return {what: round(1 - F.cosine_similarity(a, b, dim=0).item(), 6) for what, a, b in pairs}


def _features(seen: Seen) -> tuple[torch.Tensor, ...]:
    return (seen.features,)
