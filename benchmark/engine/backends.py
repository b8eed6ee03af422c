"""Which way of computing each training gets: from a committed table, never from a timing at run time.

The table (`backends.toml`, written by `distillbench bench --tune`) says for each kind of device, architecture and size
of image what pays, and from how much work on: compiling costs seconds, so a shape is compiled only where everything
that a plan asks of it, finished parts included, is worth more. So a run that was killed goes on in the same way.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark import architectures, loss, registry
from benchmark.datasets import DatasetFacts
from benchmark.engine.blocks import Block
from benchmark.engine.counting import count_images
from benchmark.engine.materials import Materials
from benchmark.engine.process import SMALL_SIDE, is_small
from benchmark.engine.way import EAGER, Way
from benchmark.errors import DoesNotFit

__all__ = [
    "STUDIED",
    "TABLE",
    "Rule",
    "assign",
    "chosen_speedup",
    "device_kind",
    "floating_operations",
    "possible",
    "rules",
]

TABLE = Path(__file__).with_name("backends.toml")
STUDIED = ("convnet", "mlp")
"""Architectures for which the study of docs/performance.md finds bfloat16 equal to float32."""
SIZES = {"width", "depth"}
"""Options that leave an architecture what it is, only larger or smaller."""
MANY = 8
"""Blocks of larger images for each worker from which on one-thread workers finish them sooner than all cores one by
one."""


@dataclass(frozen=True)
class Rule:
    """One line of the table: where compiling pays."""

    device: str
    architecture: str
    small: bool
    """Whether it is about images up to 16x16."""
    precision: str
    least: float
    """Work from which on compiling pays, in floating-point operations of training and testing."""
    speedup: float
    """Seconds of the eager step over those of the compiled one, as measured."""


@functools.cache
def rules(table: Path = TABLE) -> tuple[Rule, ...]:
    """The committed table."""
    return tuple(Rule(**line) for line in registry.read_toml(table).get("rule", []))


def device_kind(device: torch.device) -> str:
    """`cuda`; `cpu-amx` and `cpu-bf16`, which multiply in bfloat16 faster than in float32; `cpu`, which does not."""
    if device.type != "cpu":
        return device.type
    capped = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "ALL")).upper()
    if capped in ("ALL", "DEFAULT") or "AMX" in capped:
        found = "amx" if _has("_is_amx_tile_supported") else "bf16" if _has("_is_avx512_bf16_supported") else ""
    else:
        found = "bf16" if any(word in capped for word in ("BF16", "FP16")) and _has("_is_avx512_bf16_supported") else ""
    return f"cpu-{found}" if found else "cpu"


def _kinds(device: torch.device) -> tuple[str, ...]:
    """The kinds whose lines hold for a device, the nearest first: what pays with fewer instructions pays with more."""
    kind = device_kind(device)
    order = ("cpu-amx", "cpu-bf16", "cpu")
    return order[order.index(kind) :] if kind in order else (kind,)


def _rule(architecture: str, images: tuple[int, int, int], device: torch.device) -> Rule | None:
    """The nearest line of the table for an architecture, by its text, and a size of image.

    Measured and studied were the architectures as they are; another norm or activation is another network.
    """
    name, options = architectures.parse(architecture)
    if not set(options) <= SIZES:
        return None
    for kind in _kinds(device):
        for rule in rules():
            if (rule.device, rule.architecture, rule.small) == (kind, name, max(images[1:]) <= SMALL_SIDE):
                return rule
    return None


def _has(question: str) -> bool:
    """Ask torch.cpu, which may not know the question in an older version."""
    ask = getattr(torch.cpu, question, None)
    return bool(ask is not None and ask())


def assign(blocks: Iterable[Block], materials: Materials, n_workers: int = 1) -> list[Block]:
    """The blocks of a whole plan, each with its way of computing."""
    todo = list(blocks)
    large = {block for block in todo if not is_small(materials.facts(block.data))}
    crowded = n_workers > 1 and len(large) >= MANY * n_workers and materials.device.type == "cpu"
    work: dict[tuple[Any, ...], float] = {}
    shapes = {block: _shape(block, materials) for block in todo}
    for block, shape in shapes.items():
        if shape is not None:
            work[shape] = work.get(shape, 0.0) + _work(block, materials)
    ways: dict[tuple[Any, ...] | None, Way] = {s: _way(s, done, materials.device) for s, done in work.items()}
    return [
        replace(block, way=replace(ways.get(shapes[block], EAGER), one_thread=crowded or block not in large))
        for block in todo
    ]


def possible(block: Block, materials: Materials) -> Way:
    """The way that this machine's part of the table gives a block however much work there is."""
    shape = _shape(block, materials)
    return _way(shape, math.inf, materials.device) if shape else EAGER


def _shape(block: Block, materials: Materials) -> tuple[Any, ...] | None:
    """What one compiled step serves; None where there is no step, or no line of the table."""
    training = materials.as_carried(block.training)
    if len(training.stages) != 1 or training.stages[0].memory is not None:
        return None
    facts, recipe = materials.facts(block.data), training.recipe
    if loss.parse(recipe.loss).name in (loss.ZIPF, loss.CRD):  # no compiled step knows these
        return None
    if _rule(training.architecture, facts.shape, materials.device) is None:
        return None
    batch = min(recipe.batch_size, count_images(training.stages[0].stream, materials))
    rule = (
        recipe.optimizer,
        recipe.momentum,
        recipe.nesterov,
        recipe.weight_decay,
        recipe.loss,
        recipe.label_smoothing,
    )
    return training.architecture, facts.shape, len(facts.classes), batch, recipe.precision, rule


def _work(block: Block, materials: Materials) -> float:
    """Floating-point operations of a block's training and tests."""
    facts, recipe = materials.facts(block.data), materials.as_carried(block.training).recipe
    n = count_images(block.training.stages[0].stream, materials)
    tests = sum(facts.n_train if p.data.split == "train" else facts.n_test for p in block.probes if p.data is not None)
    forward = floating_operations(block.training.architecture, facts.shape, len(facts.classes))
    return forward * (3 * n * recipe.n_epochs(n) + tests)


def _way(shape: tuple[Any, ...], work: float, device: torch.device) -> Way:
    architecture, images, _, _, precision, _ = shape
    rule = _rule(architecture, images, device)
    if rule is None or work < rule.least or (precision == "float32" and rule.precision != "float32"):
        return EAGER
    return EAGER if _refused(architecture, images) else Way("compiled", rule.precision)


@functools.cache
def _refused(architecture: str, images: tuple[int, int, int]) -> bool:
    """Whether a network, or this machine, cannot do with a compiled step."""
    from benchmark.engine.compiler import why_not
    from benchmark.engine.lowering import refusal

    return bool(refusal(_on_meta(architecture, images, 2)) or why_not())


@functools.cache
def floating_operations(architecture: str, images: tuple[int, int, int], classes: int) -> float:
    """Of the products and convolutions in one image's forward pass, two for each multiplication; 0 where it does not
    fit."""
    from torch.utils.flop_counter import FlopCounterMode

    try:
        network = _on_meta(architecture, images, classes)
    except DoesNotFit:
        return 0.0
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(2, *images, device="meta"))  # of one image alone, batch norm could not be trained
    return float(counter.get_total_flops()) / 2


def _on_meta(architecture: str, images: tuple[int, int, int], classes: int) -> torch.nn.Module:
    with torch.device("meta"):
        return architectures.build(architecture, images, classes)


def chosen_speedup(way: Way, architecture: str, facts: DatasetFacts, device: torch.device) -> float:
    """How many times as fast as eager the table says that this way is."""
    rule = None if way.backend == "eager" else _rule(architecture, facts.shape, device)
    return rule.speedup if rule else 1.0
