"""Plans: which sets are to be made and how each is to be scored, read from a committed TOML file or from names.

Free of torch. `benchmark/plans/demo.toml` is the one that `make demo` runs; docs/plans.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from benchmark import baseline, datasets, recipe, registry
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.evaluator import Evaluator
from benchmark.values import Budget, Made, Real

__all__ = ["QUICK", "Job", "Plan", "has_quick_form", "load", "load_evaluator", "plan_names"]

PLANS = Path(__file__).resolve().parent / "plans"
MAKE_FIELDS = {"baselines", "preset", "dataset", "ipc", "bytes", "distil_seeds"}
EVALUATE_FIELDS = {"evaluator", "recipe", "quick", "baselines", "dataset", "ipc", "distil_seeds"}
QUICK = "/quick"
"""End of an evaluator's name in the rows of its quick form, which never share a table with whole ones."""


@dataclass(frozen=True)
class Job:
    """Score one set by one evaluator under one recipe."""

    images: Made | str
    """What is to be made first, or the digest of a stored set."""
    evaluator: str
    recipe: str
    options: tuple[tuple[str, Any], ...] = ()
    """Fields of the evaluator that differ from their defaults."""
    quick: bool = False
    """Whether the evaluator's quick form is meant; only where it declares one."""

    @property
    def row_name(self) -> str:
        """The evaluator as result rows name it."""
        return self.evaluator + QUICK if self.quick else self.evaluator


@dataclass(frozen=True)
class Plan:
    """Sets to be made, and jobs on them."""

    made: tuple[Made, ...]
    jobs: tuple[Job, ...]


def plan_names() -> list[str]:
    """Names of the committed plans."""
    return sorted(file.stem for file in PLANS.glob("*.toml"))


def load(name_or_path: str) -> Plan:
    """Read a committed plan by name, or a file by path.

    Raises UsageError where there is none, InvalidInput naming the file and the field that is wrong. Imports evaluators,
    but no baseline.
    """
    file = PLANS / f"{name_or_path}.toml"
    if not file.is_file():
        file = Path(name_or_path).expanduser()
    if not file.is_file():
        raise unknown_name("plan", name_or_path, plan_names())
    content = registry.read_toml(file)
    try:
        _known(content, {"summary", "make", "evaluate"}, "a plan")
        made = tuple(dict.fromkeys(made for table in _tables(content, "make") for made in _made(table)))
        jobs = tuple(dict.fromkeys(job for table in _tables(content, "evaluate") for job in _jobs(table, made)))
        if not made:
            raise InvalidInput("nothing is to be made. Fix: add a [[make]] table; see docs/plans.md.")
    except (InvalidInput, UsageError) as fault:
        raise InvalidInput(f"{file}: {fault}") from fault
    return Plan(made, jobs)


def has_quick_form(name: str) -> bool:
    """Whether an evaluator declares what its quick form leaves out; without one, its quick form is the whole."""
    kind: type[Evaluator] = registry.load("evaluator", name)
    return bool(kind.quick) or kind.quick_seeds is not None


def load_evaluator(name: str, options: Iterable[tuple[str, Any]] = (), quick: bool = False) -> Evaluator:
    """An evaluator with some of its fields set; raises UsageError for an unknown one, or one of another type.

    `quick` sets the options of its quick form first; `options` go over them.
    """
    kind: type[Evaluator] = registry.load("evaluator", name)
    if not is_dataclass(kind):
        raise InvalidInput(f"evaluator {name!r} ({registry.path('evaluator', name)}) is no dataclass. Make it one.")
    known = {field.name: field.default for field in fields(kind)}
    chosen = {**(kind.quick if quick else {}), **dict(options)}
    for field, value in chosen.items():
        if field not in known:
            raise unknown_name(f"option of {name}", field, known)
        wanted = type(known[field])
        if wanted in (tuple, str, int, bool) and type(value) is not wanted:
            raise UsageError(f"option {field!r} of {name} is {value!r}; it must be {_WORDS[wanted]}.")
    return kind(**chosen)


_WORDS = {tuple: 'a list, such as ["convnet", "mlp"]', str: "text", int: "a whole number", bool: "true or false"}


def _made(table: Mapping[str, Any]) -> Iterator[Made]:
    """The sets that one [[make]] table asks for."""
    _known(table, MAKE_FIELDS, "[[make]]")
    real = Real(datasets.facts(_text(table, "dataset")).name)
    preset = _text(table, "preset", "default")
    budgets = [Budget(ipc=number) for number in _numbers(table, "ipc", at_least=1)]
    budgets += [Budget(bytes=number) for number in _numbers(table, "bytes", at_least=1)]
    seeds = _numbers(table, "distil_seeds", at_least=0) or [0]
    for name in _names(table, "baselines"):
        presets = baseline.presets(name)
        if preset not in presets and set(presets) != {"default"}:
            raise unknown_name(f"preset of {name}", preset, presets)
        for budget in budgets or [Budget()]:
            for seed in seeds:
                yield Made(name, preset, real, budget, seed)


def _jobs(table: Mapping[str, Any], made: Iterable[Made]) -> Iterator[Job]:
    """The jobs that one [[evaluate]] table asks for; every other field is an option of the evaluator."""
    evaluators = table.get("evaluator")
    names = _names(table, "evaluator") if isinstance(evaluators, list) else [_text(table, "evaluator")]
    chosen, quick = _text(table, "recipe"), table.get("quick", False)
    if type(quick) is not bool:
        raise InvalidInput(f"field 'quick' is {quick!r}; it must be true or false.")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k not in EVALUATE_FIELDS}
    options = tuple(sorted(given.items()))
    recipe.load(chosen)
    wanted = list(_wanted(table, list(made)))
    for name in names:
        load_evaluator(name, options, quick)
        for one_made in wanted:
            yield Job(one_made, name, chosen, options, quick and has_quick_form(name))


def _wanted(table: Mapping[str, Any], made: list[Made]) -> Iterator[Made]:
    """The sets that one [[evaluate]] table means: all, or those of some baselines, of a dataset, sizes and seeds."""
    if "dataset" in table:
        named = datasets.facts(_text(table, "dataset")).name
        of_all, made = made, [one for one in made if one.real.dataset == named]
        if not made:
            known = ", ".join(dict.fromkeys(one.real.dataset for one in of_all))
            raise UsageError(f"[[evaluate]] names dataset {named!r}, but no [[make]] makes a set of it. Made: {known}.")
    there = list(dict.fromkeys(one.baseline for one in made))
    baselines = _names(table, "baselines") if "baselines" in table else there
    for one in baselines:
        if one not in there:
            raise UsageError(f"[[evaluate]] names {one!r}, but no [[make]] makes it. Made: {', '.join(there)}.")
    sizes, seeds = _numbers(table, "ipc", at_least=1), _numbers(table, "distil_seeds", at_least=0)
    for one_made in made:
        if (
            one_made.baseline in baselines
            and (not sizes or one_made.budget.ipc in sizes)
            and (not seeds or one_made.seed in seeds)
        ):
            yield one_made


def _tables(content: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """The tables under a heading that may stand several times."""
    found = content.get(field, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise InvalidInput(f"{field!r} must be tables. Fix: write [[{field}]] above each.")
    return found


def _known(table: Mapping[str, Any], fields: set[str], where: str) -> None:
    for field in table:
        if field not in fields:
            raise InvalidInput(f"{where}: {unknown_name('field', field, fields)}")


def _text(table: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = table.get(field, default)
    if not isinstance(value, str):
        raise InvalidInput(f"field {field!r} is {'missing' if value is None else repr(value)}; it must be text.")
    return value


def _names(table: Mapping[str, Any], field: str) -> list[str]:
    value = table.get(field)
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        given = "missing" if value is None else repr(value)
        raise InvalidInput(f'field {field!r} is {given}; it must be a list of names, such as ["dm", "herding"].')
    return value


def _numbers(table: Mapping[str, Any], field: str, at_least: int) -> list[int]:
    """One number, a list of them, or nothing."""
    value = table.get(field, [])
    numbers = value if isinstance(value, list) else [value]
    if any(type(number) is not int or number < at_least for number in numbers):
        raise InvalidInput(f"field {field!r} is {value!r}; it must be a whole number from {at_least}, or several.")
    return numbers
