"""`distillbench bench --tune`: measures where a compiled or recorded step pays on this device, and writes the table.

Each candidate runs in a process of its own with an empty compiler cache, so that what compiling costs is seen too. Only
the lines of this kind of device are replaced. Precision below float32 is tried only where the equivalence study holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmark import architectures, engine
from benchmark.bench.reference import start
from benchmark.engine.backends import STUDIED, Rule, floating_operations, rules
from benchmark.engine.compiled import CompiledSteps, Precise, compiled_forward
from benchmark.engine.compiler import why_not
from benchmark.engine.devices import device_kind, now
from benchmark.engine.lowering import refusal
from benchmark.engine.machine_code import shape_of
from benchmark.engine.steps import EagerSteps
from benchmark.errors import DoesNotFit, EnvironmentFault
from benchmark.progress import Progress, say
from benchmark.recipe import Recipe
from benchmark.registry import names

__all__ = ["Candidate", "candidates", "main", "measure", "rule_of", "tune", "write_table"]

SHAPES = {True: (1, 8, 8), False: (3, 32, 32)}
"""Images that stand for the small and for the larger ones."""
BATCHES = (10, 100)
"""One and ten images for each of ten classes."""
STEPS, TEST_IMAGES = 7, 500
LEAST_SPEEDUP = 1.15
"""Below it, compiling is not worth its line."""
MARGIN = 1.2
"""Compiling must save this many times its own cost."""
SECONDS = 1800
"""A candidate that takes longer has failed."""

_HEAD = """\
# Where compiling a step pays, or recording it, as measured by `distillbench bench --tune`; all else is eager float32.
# device: cpu-amx, cpu-bf16 and cpu by the instructions for bfloat16, or cuda; small: images up to 16x16;
# least: floating-point operations of training and testing from which on it pays, code not in the cache;
# speedup: seconds of the eager step over those of this one, the worse of batches of 10 and 100.
"""


@dataclass(frozen=True)
class Candidate:
    """What might stand in the table."""

    architecture: str
    small: bool
    precision: str
    backend: str = "compiled"


def candidates(kind: str, wanted: Iterable[str] = ()) -> list[Candidate]:
    """Every architecture, size and precision that could be compiled, or on a GPU recorded, on this kind of device; of
    one architecture and size float32 first, and recorded ones, which cost less."""
    found = []
    for name in wanted or names("architecture"):
        for small, shape in SHAPES.items():
            try:
                with torch.device("meta"):
                    reason = refusal(architectures.build(name, shape, 10))
            except DoesNotFit:
                continue
            if not reason:
                precisions = ("float32", "bfloat16") if kind != "cpu" and name in STUDIED else ("float32",)
                backends = ("recorded", "compiled") if kind == "cuda" else ("compiled",)
                found += [Candidate(name, small, one, backend) for one in precisions for backend in backends]
    return found


def measure(candidate: Candidate, device: torch.device) -> dict[str, Any]:
    """Seconds of compiling one step and one forward pass, and of each run, eager and compiled; run it with an empty
    cache."""
    engine.prepare(device, candidate.small)
    shape, recipe = SHAPES[candidate.small], Recipe("tune")
    kind = shape_of(candidate.architecture, shape, 10, candidate.precision, device)
    recorded = candidate.backend == "recorded"
    why_not("recorded" if recorded else device.type)  # what is asked once of each machine is no cost of a shape
    start(device)
    compiling, pairs = 0.0, []
    for batch in BATCHES:
        images, labels = torch.randn(batch, *shape, device=device), torch.arange(batch, device=device) % 10
        plain, other = (architectures.build(candidate.architecture, shape, 10).to(device) for _ in range(2))
        started = now(device)
        compiled = CompiledSteps(other, recipe, kind, batch, soft=False, recorded=recorded)
        compiling += (now(device) - started) / len(BATCHES)
        works = [partial(steps.step, images, labels, 0.01) for steps in (EagerSteps(plain, recipe), compiled)]
        pairs.append(_fastest(works, device))
    started = now(device)
    forward = Precise(other, kind, plain=True) if recorded else compiled_forward(kind, other)
    compiling += now(device) - started
    tests = torch.randn(TEST_IMAGES, *shape, device=device)
    with torch.inference_mode():
        pairs.append(_fastest([partial(plain, tests), partial(forward, tests)], device))
    return {"compile_seconds": compiling, "pairs": pairs}


def _fastest(works: list[Any], device: torch.device) -> list[float]:
    """Seconds of each, taken in turn."""
    best = [float("inf")] * len(works)
    for turn in range(STEPS):
        for place, work in enumerate(works):
            started = now(device)
            work()
            if turn:
                best[place] = min(best[place], now(device) - started)
    return best


def rule_of(candidate: Candidate, kind: str, found: dict[str, Any]) -> Rule | None:
    """The line that a measurement gives; None where compiling does not pay."""
    speedup = min(eager / compiled for eager, compiled in found["pairs"][:-1])
    if speedup < LEAST_SPEEDUP:
        return None
    forward = floating_operations(candidate.architecture, SHAPES[candidate.small], 10)
    rate = 3 * forward * BATCHES[-1] / found["pairs"][-2][0]
    least = MARGIN * found["compile_seconds"] * rate / (1 - 1 / speedup)
    what = candidate.architecture, candidate.small, candidate.precision
    return Rule(kind, *what, _short(least), _short(speedup), candidate.backend)


def _short(number: float) -> float:
    return float(f"{number:.2g}")


def tune(device: torch.device, wanted: Iterable[str] = ()) -> list[Rule]:
    """Measure every candidate; a line for each that pays and beats what costs less, or is more exact."""
    kind = device_kind(device)
    todo = candidates(kind, wanted)
    progress = Progress("tuning", 60.0 * len(todo), len(todo))
    pays: list[Rule] = []
    for candidate in todo:
        try:
            found = rule_of(candidate, kind, _in_child(candidate, device))
        except EnvironmentFault as fault:
            say(f"{candidate.architecture}, {candidate.precision}: {fault}")
            found = None
        name = f"{candidate.architecture} {candidate.precision} {candidate.backend}"
        progress.advance(60.0, f"{name}: {found.speedup if found else 'no'}")
        if found and not any(_is_better(rule, found) for rule in pays):
            pays.append(found)
    progress.close()
    return pays


def _is_better(rule: Rule, found: Rule) -> bool:
    """Whether a line measured before leaves no use for this one: as fast, no less exact, and paying no later."""
    alike = (rule.architecture, rule.small) == (found.architecture, found.small)
    exact, sooner = rule.precision in ("float32", found.precision), rule.backend == found.backend
    return alike and exact and (sooner or rule.least <= found.least) and rule.speedup >= found.speedup


def _in_child(candidate: Candidate, device: torch.device) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
        request = json.dumps({"candidate": asdict(candidate), "device": str(device)})
        command = [sys.executable, "-m", "benchmark.bench.tune", request]
        try:
            child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise EnvironmentFault(f"no result after {SECONDS} s.") from None
    if child.returncode:
        raise EnvironmentFault((child.stderr.strip().splitlines() or ["no reason given"])[-1])
    answer: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return answer


def write_table(kind: str, found: Iterable[Rule], table: Path, only: Iterable[str] = ()) -> None:
    """Replace the lines of this kind of device, of `only` these architectures where they are named; the engine goes by
    them at once."""
    named = set(only)
    kept = [rule for rule in rules(table) if rule.device != kind or (named and rule.architecture not in named)]
    lines = sorted([*kept, *found], key=lambda rule: (rule.device, rule.architecture, rule.small, rule.precision))
    table.write_text(_HEAD + "".join(_lines(lines)), encoding="utf-8")
    rules.cache_clear()


def _lines(found: Iterable[Rule]) -> Iterator[str]:
    for rule in found:
        fields = "".join(f"{name} = {json.dumps(value)}\n" for name, value in asdict(rule).items())
        yield f"\n[[rule]]\n{fields}"


def main() -> None:
    """Measure one candidate, given as JSON, and answer with one line of JSON."""
    request = json.loads(sys.argv[1])
    started = time.perf_counter()
    found = measure(Candidate(**request["candidate"]), torch.device(request["device"]))
    print(json.dumps({**found, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
