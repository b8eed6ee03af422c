"""What holds for the repository as a whole: the direction of imports, module names, dependencies, what the docs name.

The order within `__all__` is ruff's RUF022, and wildcard imports are its F403; both stand in the gate.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmark.cli import cli

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "benchmark": {"benchmark"},
    "baselines": {"baselines", "benchmark"},
    "evaluators": {"benchmark", "evaluators"},
    "leaderboard": {"benchmark", "leaderboard"},
}
ABOVE_THE_ROOMS = {"benchmark/commands": {"leaderboard"}}  # the command line calls the site by its name
VAGUE = {"common", "helper", "helpers", "misc", "util", "utils"}
IMPORTED_AS = {"huggingface-hub": "huggingface_hub", "pillow": "PIL", "scikit-learn": "sklearn"}
USED_BY_OTHERS = {"pyarrow"}  # pandas writes Parquet with it; a room need not import it
COMMAND = re.compile(r"(?:^ *(?:\$ )?|&& |\$\(|/)distillbench ([a-z][a-z-]*)", re.MULTILINE)
TARGET = re.compile(r"(?:^ *(?:\$ )?|&& )make ([a-z]+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")

MODULES = sorted(file for room in MAY_IMPORT for file in (ROOT / room).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "artifacts").glob("*/README.md")])

each_module = pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def imported_packages(tree: ast.AST) -> set[str]:
    """Top-level packages of all absolute imports, those inside functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def is_command(decorator: ast.expr) -> bool:
    """Tell whether a decorator is `@group.command(...)`."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr == "command"


def bound_names(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Names that the top level of a module binds, and whether each is a function or class for others to use.

    A command of the command line is not: it is reached by its group.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, not any(is_command(decorator) for decorator in node.decorator_list)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, False) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            yield from ((name.id, False) for name in names if isinstance(name.ctx, ast.Store))


def exported_names(tree: ast.Module) -> list[str] | None:
    """What `__all__` says, or None where there is none."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__" and isinstance(node, ast.Assign | ast.AnnAssign):
            assert node.value is not None
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def false_exports(tree: ast.Module) -> set[str]:
    """Names that `__all__` lists but the module does not bind, and public functions and classes that it leaves out."""
    bound = dict(bound_names(tree))
    listed = set(exported_names(tree) or [])
    public = {name for name, defined in bound.items() if defined and not name.startswith("_")}
    return (listed - set(bound)) | (public - listed)


def code_in(page: str) -> str:
    """The fenced blocks and the code spans of a Markdown page, one a line: prose names no commands.

    Nor does a span with a comma in it: that is a text which some format writes.
    """
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n,]+)`", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*fenced, *spans])


def dependencies() -> set[str]:
    """What the rooms need, and what their extras need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in ("dask", "flax", "hub") for line in project["optional-dependencies"][extra]]
    declared = [*project["dependencies"], *extras]
    return {re.split(r"[<>=!~\[; ]", line)[0] for line in declared}


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@each_module
def test_rooms_import_benchmark_and_themselves_alone(file: Path) -> None:
    place = file.relative_to(ROOT)
    allowed = MAY_IMPORT[place.parts[0]] | ABOVE_THE_ROOMS.get(place.parent.as_posix(), set())
    assert imported_packages(parsed(file)) & {*MAY_IMPORT, "tests"} <= allowed


@each_module
def test_a_module_says_what_it_is_for(file: Path) -> None:
    assert ast.get_docstring(parsed(file)), f"{file} has no docstring"


@each_module
def test_all_lists_the_public_names_and_no_other(file: Path) -> None:
    assert false_exports(parsed(file)) == set()


@each_module
def test_no_module_is_named_for_nothing(file: Path) -> None:
    assert file.stem.strip("_") not in VAGUE


@each_module
def test_no_module_is_longer_than_400_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_checks_of_modules_see_what_is_wrong() -> None:
    wrong = ast.parse("def f():\n    from baselines.dm import DM\nclass C: ...\n__all__ = ['f', 'gone']\n")
    assert imported_packages(wrong) == {"baselines"}
    assert false_exports(wrong) == {"C", "gone"}


def test_every_dependency_is_used_and_every_import_declared() -> None:
    imported = {package for file in MODULES for package in imported_packages(parsed(file))}
    foreign = imported - sys.stdlib_module_names - set(MAY_IMPORT)
    declared = {IMPORTED_AS.get(name, name) for name in dependencies()}
    assert foreign <= declared
    assert declared - foreign <= USED_BY_OTHERS


@each_page
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@each_page
def test_commands_named_in_the_docs_exist(page: Path) -> None:
    code = code_in(page.read_text(encoding="utf-8"))
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(COMMAND.findall(code)) <= set(cli.commands)
    assert set(TARGET.findall(code)) <= set(targets)


def test_every_command_and_target_is_named_in_the_docs() -> None:
    code = "\n".join(code_in(page.read_text(encoding="utf-8")) for page in PAGES)
    assert set(cli.commands) <= set(COMMAND.findall(code))
    assert {"clean", "demo", "evidence", "test"} <= set(TARGET.findall(code))


def test_the_check_of_commands_reads_code_and_not_prose() -> None:
    fenced = "```bash\n$ distillbench list && distillbench x\n.venv/bin/distillbench demo  # make a table\n```\n"
    page = (
        f"distillbench scores.\n\n{fenced} `make test`, `distillbench submit my-set/`, `distillbench set 1, K classes`"
    )
    assert COMMAND.findall(code_in(page)) == ["list", "x", "demo", "submit"]
    assert TARGET.findall(code_in(page)) == ["test"]


def test_the_script_for_bare_machines_is_executable_and_parses() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "make test" in script.read_text(encoding="utf-8").splitlines()[-1]
