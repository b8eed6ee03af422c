"""From what is typed to values: the set that `distill` is to make, the jobs that `evaluate` is to do.

Names and numbers are checked before anything heavy is imported or anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from benchmark import registry
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.values import Budget, Made, Real

if TYPE_CHECKING:
    from benchmark.plan import Plan
    from benchmark.store import Store

__all__ = ["DEFAULT_RECIPE", "plan_of", "plan_of_sets", "set_to_make"]

DEFAULT_RECIPE = "standard-v1-lite"


def set_to_make(baseline: str, dataset: str, seed: int, options: Mapping[str, Any]) -> Made:
    """The Made that `distill` is asked for; raises UsageError naming the option that is wrong."""
    from benchmark import baseline as baselines
    from benchmark import datasets

    presets = baselines.presets(baseline)
    if not presets:
        raise InvalidInput(f"the preset file of {baseline!r} has no table. Add one, such as [lite].")
    preset = options["preset"] or ("lite" if "lite" in presets else next(iter(presets)))
    if preset not in presets and set(presets) != {"default"}:
        raise unknown_name(f"preset of {baseline}", preset, presets)
    budget = _budget(baseline, options["ipc"], options["n_bytes"])
    if seed < 0:
        raise UsageError(f"--seed is {seed}; it must be 0 or more.")
    real = Real(datasets.facts(dataset).name, part="minus-holdout" if options["holdout"] else None)
    baselines.load(baseline, preset)
    return Made(baseline, preset, real, budget, seed)


def _budget(baseline: str, ipc: int | None, n_bytes: int | None) -> Budget:
    for option, value in (("--ipc", ipc), ("--bytes", n_bytes)):
        if value is not None and value < 1:
            raise UsageError(f"{option} is {value}; it must be at least 1.")
    if ipc is not None and n_bytes is not None:
        raise UsageError("--ipc and --bytes are two ways to say one thing. Give one of them.")
    if ipc is None and n_bytes is None and baseline != "full-data":
        raise UsageError("how large is the set to be? Give --ipc or --bytes.")
    return Budget(ipc, n_bytes)


def plan_of(name: str) -> Plan:
    """The plan of this name or file."""
    from benchmark import plan

    return plan.load(name)


def plan_of_sets(store: Store, sets: Sequence[str], options: Mapping[str, Any]) -> Plan:
    """A job for each stored set and evaluator; nothing is made. Raises UsageError or InvalidInput for what is not."""
    from benchmark import plan, recipe
    from benchmark.architectures import canonical

    chosen = options["recipe"] or DEFAULT_RECIPE
    recipe.load(chosen)
    architectures = tuple(canonical(spec) for spec in options["architectures"])
    digests = dict.fromkeys(store.resolve_set(one) for one in sets)
    jobs = []
    for name in dict.fromkeys(options["evaluators"] or ("cross-architecture",)):
        chosen_options = _architecture_options(name, architectures)
        plan.load_evaluator(name, chosen_options)
        quick = bool(options["quick"]) and plan.has_quick_form(name)
        jobs += [plan.Job(digest, name, chosen, chosen_options, quick) for digest in digests]
    return plan.Plan((), tuple(jobs))


def _architecture_options(evaluator: str, architectures: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    """The architectures that were asked for, as options of an evaluator of several or of one."""
    if not architectures:
        return ()
    known = {field.name for field in fields(registry.load("evaluator", evaluator))}
    if "architectures" in known or "architecture" not in known:
        return (("architectures", architectures),)
    if len(architectures) > 1:
        raise UsageError(f"evaluator {evaluator!r} works with one architecture. Give --architecture once.")
    return (("architecture", architectures[0]),)
