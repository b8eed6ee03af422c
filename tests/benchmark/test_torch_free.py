"""What must answer at once works with torch blocked: --help, list, submit, leaderboard, and all that they import."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry, results
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]
FolderMaker = Callable[..., Path]

BLOCKED = """
import contextlib, importlib, io, json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Block())
"""
COMMANDS = """
from benchmark import cli

answers = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(arguments)
        except SystemExit as stopped:
            code = stopped.code
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""
MODULES = """
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
assert not {"torch", "torchvision"} & set(sys.modules)
"""
TORCH_FREE = [
    "benchmark.baseline",
    "benchmark.cli",
    "benchmark.cluster",
    "benchmark.contribution.changes",
    "benchmark.convert",
    "benchmark.datasets",
    "benchmark.decoders.hallucinator",
    "benchmark.desk",
    "benchmark.errors",
    "benchmark.evaluator",
    "benchmark.factorization",
    "benchmark.keys",
    "benchmark.parcels",
    "benchmark.plan",
    "benchmark.preview",
    "benchmark.progress",
    "benchmark.rank_statistics",
    "benchmark.publish",
    "benchmark.recipe",
    "benchmark.registry",
    "benchmark.results",
    "benchmark.row_index",
    "benchmark.scan",
    "benchmark.scan.stored",
    "benchmark.states",
    "benchmark.statistics",
    "benchmark.store",
    "benchmark.store_check",
    "benchmark.store_export",
    "benchmark.store_gc",
    "benchmark.store_merge",
    "benchmark.store_objects",
    "benchmark.submission",
    "benchmark.synthetic_set",
    "benchmark.tasks",
    "benchmark.values",
    "evaluators.nas_proxy",
    "benchmark.workers",
    "leaderboard",
]


def blocked(script: str, argument: Any) -> str:
    """What a script prints that runs with torch blocked."""
    command = [sys.executable, "-c", BLOCKED + script, json.dumps(argument)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_block_blocks() -> None:
    with pytest.raises(AssertionError, match="torch is blocked"):
        blocked("import torch", None)


def test_modules_that_promise_it_import_without_torch() -> None:
    evaluators = [f"evaluators.{name.replace('-', '_')}" for name in registry.names("evaluator")]
    blocked(MODULES, TORCH_FREE + evaluators)


def test_help_list_submit_and_dry_refusals_work_without_torch(set_folder: FolderMaker, tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "store")]
    kinds = [*registry.KINDS, "plan", "set"]
    commands = [
        ["--help"],
        ["--version"],
        ["evaluate", "--help"],
        ["list", *store],
        ["submit", str(set_folder()), *store],
        *(["list", kind, *store] for kind in kinds),
        ["list", "set", "--json", *store],
        ["evaluate", "--plan", "nothing", *store],
    ]
    answers = json.loads(blocked(COMMANDS, commands))
    codes = [code for code, _, _ in answers]
    assert codes == [0] * (len(commands) - 1) + [2], [answer for answer in answers if answer[0]]
    assert all(out for (_, out, _) in answers[:-1]), "something printed nothing"
    digest = answers[4][1].strip()
    assert json.loads(answers[-2][1])[0]["set"] == digest[:12]
    assert (tmp_path / "store" / "sets" / digest / "preview.png").exists()


def test_the_site_is_built_without_torch(make_set: Callable[..., SyntheticSet], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.write_set(make_set(title="Shown on its page"))
    subject = {"dataset": "digits", "ipc": 1, "bytes": 2570, "track": "hard", "method": "by-hand", "set": digest}
    subject |= {"evaluator": "cross-architecture", "version": 1, "recipe": "standard-v1-lite", "distil_seed": None}
    scores = (results.Score("accuracy", 50.0 + seed, "percent", True, "mlp", seed) for seed in range(5))
    store.write_results("aa", {}, [results.row(subject, score) for score in scores])
    command = ["leaderboard", "--store", str(store.root), "--out", str(tmp_path / "site")]
    ((code, out, err),) = json.loads(blocked(COMMANDS, [command]))
    assert code == 0 and re.fullmatch(r"\d+ of \d+ files made, in \d+ s\n", err)
    assert "by-hand" in out and "52.0 ± 1.6 (5 seeds)" in out  # 50 … 54: mean 52, SD sqrt(2.5)
    assert out.rstrip().endswith("index.html")
    assert (tmp_path / "site" / "index.html").exists()


@pytest.mark.slow
def test_help_answers_in_under_half_a_second() -> None:
    """Median of five; where the machine is busy, its own start of Python says how busy."""

    def median(arguments: list[str]) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    bare = median(["-c", "pass"])
    assert median(["-m", "benchmark.cli", "--help"]) < 0.5 * max(1.0, bare / 0.05)


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pandas', 'torch', 'scipy', 'matplotlib', 'tqdm'}"
    script = f"""
import sys
from benchmark import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
print(sorted({heavy} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert done.stderr == "[]\n"
