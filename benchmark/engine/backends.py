"""Which way of computing each training gets: from a committed table, never from a timing at run time.

The table (`backends.toml`, written by `distillbench bench --tune`) says for each kind of device, architecture and size
of image what pays, and from how much work on: compiling costs seconds, so a shape is compiled only where everything
that a plan asks of it, finished parts included, is worth more; recording on a GPU costs next to nothing. So a run that
was killed goes on in the same way.

Code that an earlier plan left on this machine costs nothing and is taken up, whatever the work, but not by what was
begun eagerly, nor by what sets and labels are made from, which must be the same every time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmark import architectures, loss, registry
from benchmark.datasets import DatasetFacts
from benchmark.engine.blocks import Block
from benchmark.engine.counting import count_images
from benchmark.engine.devices import device_kind
from benchmark.engine.machine_code import Shape, StepKind, as_sliced, is_kept, step_kind
from benchmark.engine.materials import Materials
from benchmark.engine.process import SMALL_SIDE, every_thread, is_small
from benchmark.engine.way import EAGER, Way
from benchmark.errors import DoesNotFit

__all__ = [
    "STUDIED",
    "TABLE",
    "Rule",
    "assign",
    "chosen_speedup",
    "floating_operations",
    "offers",
    "possible",
    "rules",
]

TABLE = Path(__file__).with_name("backends.toml")
STUDIED = ("alexnet", "convnet", "mlp")
"""Architectures for which the study of docs/performance.md finds bfloat16 equal to float32."""
SIZES = {"width", "depth"}
"""Options that leave an architecture what it is, only larger or smaller."""
MANY, CROWD = 8, 16
"""Blocks of small images, and of larger ones, from which on one-thread workers finish them sooner than all cores one by
one. Of larger ones only where nearly all that the cores can do together is done by the workers: `USEFUL`."""
USEFUL = 8
"""Cores that one training on larger images makes use of, at most."""
FEW = 3e12
"""Operations of fewer blocks of small images, above which workers are worth starting for them too: about half a minute
of two cores."""


@dataclass(frozen=True)
class Rule:
    """One line of the table: where compiling, or recording, pays."""

    device: str
    architecture: str
    small: bool
    """Whether it is about images up to 16x16."""
    precision: str
    least: float
    """Work from which on it pays, in floating-point operations of training and testing."""
    speedup: float
    """Seconds of the eager step over those of this one, as measured."""
    backend: str = "compiled"
    """Of `Way`."""


@functools.cache
def rules(table: Path = TABLE) -> tuple[Rule, ...]:
    """The committed table."""
    return tuple(Rule(**line) for line in registry.read_toml(table).get("rule", []))


def _kinds(device: torch.device) -> tuple[str, ...]:
    """The kinds whose lines hold for a device, the nearest first: what pays with fewer instructions pays with more."""
    kind = device_kind(device)
    order = ("cpu-amx", "cpu-bf16", "cpu")
    return order[order.index(kind) :] if kind in order else (kind,)


def _rules(architecture: str, images: tuple[int, int, int], device: torch.device, precision: str) -> list[Rule]:
    """The lines of the table for an architecture, by its text, a size of image, and the precision that a recipe asks
    for: of the nearest kind of device; the fastest first.

    Measured and studied were the architectures as they are; another norm or activation is another network.
    """
    name, options = architectures.parse(architecture)
    if not set(options) <= SIZES:
        return []
    wanted = (name, max(images[1:]) <= SMALL_SIDE)
    allowed = [rule for rule in rules() if precision in ("auto", rule.precision)]
    for kind in _kinds(device):
        here = [rule for rule in allowed if (rule.device, rule.architecture, rule.small) == (kind, *wanted)]
        if here:
            return sorted(here, key=lambda rule: -rule.speedup)
    return []


def assign(
    blocks: Iterable[Block], materials: Materials, n_workers: int = 1, settled: bool = False, elsewhere: bool = False
) -> list[Block]:
    """The blocks of a whole plan, each with its way of computing.

    `settled`: go by nothing that may be another the next time: neither by the code that is on this machine nor by which
    other blocks there are. For networks that others are made from. `elsewhere`: they are trained on other machines, of
    which the code on this one, and what it costs to start workers here, says nothing.
    """
    todo = list(blocks)
    small = [block for block in todo if is_small(materials.facts(block.data))]
    few = set(small) if not (settled or elsewhere) and n_workers > 1 and _are_few(small, materials) else set()
    many = not settled and len(todo) - len(small) >= CROWD and 1 < n_workers >= min(every_thread(), USEFUL)
    crowded = many and materials.device.type == "cpu"
    one_thread = dict.fromkeys(todo, crowded) | {block: block not in few for block in small}
    alike: dict[_Step, list[Block]] = {}
    for block in todo:
        step = _step(block, materials, one_thread[block])
        if step is not None:
            alike.setdefault(step, []).append(block)
    ways = dict.fromkeys(todo, EAGER)
    for step, theirs in alike.items():
        works = {block: _work(block, materials) for block in theirs}
        if settled:
            ways |= {block: _way(step, work, materials) for block, work in works.items()}
        else:
            ways |= dict.fromkeys(theirs, _way(step, sum(works.values()), materials, () if elsewhere else theirs))
    if len(few) > 1 and materials.device.type == "cpu":  # threads of this process do them side by side
        one_thread |= dict.fromkeys(few, True)
    return [replace(block, way=replace(ways[block], one_thread=one_thread[block])) for block in todo]


def possible(block: Block, materials: Materials) -> Way:
    """The way that this machine's part of the table gives a block however much work there is."""
    step = _step(block, materials, block.way.one_thread)
    return _way(step, math.inf, materials) if step else EAGER


def offers(block: Block, materials: Materials) -> bool:
    """Whether this machine's part of the table has the block's own way, and it works here."""
    way, step = block.way, _step(block, materials, block.way.one_thread)
    if way.backend == "eager" or step is None:
        return way.backend == "eager"
    lines = _rules(step[0].architecture, step[0].images, materials.device, step[0].precision)
    here = {(rule.backend, rule.precision) for rule in lines}
    return (way.backend, way.precision) in here and not _not_here(step[0], materials.device, way.backend)


_Step = tuple[Shape, StepKind]
"""What one compiled step serves; its precision is that which the recipe asks for."""


def _are_few(small: Sequence[Block], materials: Materials) -> bool:
    """Whether this process is sooner done with them than workers are started."""
    return len(small) < MANY and sum(_work(block, materials) for block in small) < FEW


def _step(block: Block, materials: Materials, one_thread: bool) -> _Step | None:
    """None where there is no step, or no line of the table."""
    training = materials.as_carried(block.training)
    if len(training.stages) != 1 or training.stages[0].memory is not None:
        return None
    facts, recipe, stream = materials.facts(block.data), training.recipe, training.stages[0].stream
    if loss.parse(recipe.loss).name in (loss.ZIPF, loss.CRD):  # no compiled step knows these
        return None
    if not _rules(training.architecture, facts.shape, materials.device, recipe.precision):
        return None
    kind = step_kind(recipe, min(recipe.batch_size, count_images(stream, materials)), materials.has_soft_labels(stream))
    threads, n_classes = 1 if one_thread else every_thread(), len(facts.classes)
    shape = Shape(training.architecture, facts.shape, n_classes, recipe.precision, str(materials.device), threads)
    return shape, as_sliced(shape, kind)


def _work(block: Block, materials: Materials) -> float:
    """Floating-point operations of a block's training and tests."""
    facts, recipe = materials.facts(block.data), materials.as_carried(block.training).recipe
    shown = [count_images(stage.stream, materials) for stage in block.training.stages]
    tests = sum(facts.n_train if p.data.split == "train" else facts.n_test for p in block.probes if p.data is not None)
    forward = floating_operations(block.training.architecture, facts.shape, len(facts.classes))
    return forward * (3 * sum(n * recipe.n_epochs(n) for n in shown) + tests)


def _way(step: _Step, work: float, materials: Materials, blocks: Sequence[Block] = ()) -> Way:
    """`blocks`: all that the step serves, where kept code may be taken up."""
    shape, kind = step
    lines = _rules(shape.architecture, shape.images, materials.device, shape.precision)
    pays = [rule for rule in lines if work >= rule.least]
    for rule in pays:
        if not _not_here(shape, materials.device, rule.backend):
            return Way(rule.backend, rule.precision)
    is_there = bool(lines and blocks) and not pays and is_kept(replace(shape, precision=lines[0].precision), kind)
    return Way("compiled", lines[0].precision) if is_there and not _begun_eagerly(blocks, materials) else EAGER


def _begun_eagerly(blocks: Iterable[Block], materials: Materials) -> bool:
    stored = (materials.store.read_outcome(name) for block in blocks for name in block.names)
    return any(one is not None and one.numerics.split("-")[1:2] == ["eager"] for one in stored)


def _not_here(shape: Shape, device: torch.device, backend: str) -> bool:
    return _refused(shape.architecture, shape.images, device.type, backend)


@functools.cache
def _refused(architecture: str, images: tuple[int, int, int], device: str, backend: str) -> bool:
    """Whether a network, or this machine, cannot do with a compiled step, or a recorded one."""
    from benchmark.engine.compiler import why_not
    from benchmark.engine.lowering import refusal

    return bool(refusal(_on_meta(architecture, images, 2)) or why_not(device if backend == "compiled" else backend))


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
    lines = _rules(architecture, facts.shape, device, way.precision)
    return max((rule.speedup for rule in lines if rule.backend == way.backend), default=1.0)
