"""Whether torch.compile works is found out in a child process, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.engine import compiler
from benchmark.engine.capture import Captured
from benchmark.engine.compiled import _step_function


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "code"))
    compiler.why_not.cache_clear()
    yield
    compiler.why_not.cache_clear()


def _child(monkeypatch: pytest.MonkeyPatch, returncode: int, stderr: str) -> list[Any]:
    calls: list[Any] = []

    def run(command: Any, **options: Any) -> Any:
        calls.append(command)
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_the_answer_is_kept_for_later_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _child(monkeypatch, 0, "")
    assert compiler.why_not() == ""
    compiler.why_not.cache_clear()
    assert compiler.why_not() == "" and len(calls) == 1


def test_a_gpu_is_asked_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _child(monkeypatch, 0, "")
    assert compiler.why_not() == "" and compiler.why_not("cuda") == ""
    programs = [command[-1] for command in calls]
    assert ["cuda" in program for program in programs] == [False, True]


@pytest.mark.usefixtures("recording")
def test_what_is_asked_of_a_gpu_s_recording_is_a_step_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    scope: dict[str, Any] = {}
    exec(compiler._TINY["recorded"].replace('"cuda"', '"cpu"'), scope)
    assert isinstance(scope["steps"].function, Captured)
    _step_function.cache_clear()
    named = compiler._machine(compiler._TINY["recorded"])
    monkeypatch.setattr("benchmark.engine.machine_code.SOURCES", "others")
    assert compiler._machine(compiler._TINY["recorded"]) != named


def test_an_optimizer_that_steps_before_anything_is_compiled_moves_no_code(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != compiler.CODE_FOLDER}
    program = f"""
import os, torch, benchmark.engine
weight = torch.nn.Parameter(torch.ones(1))
weight.sum().backward()
torch.optim.SGD([weight], lr=0.1).step()
import torchvision
print(os.environ["{compiler.CODE_FOLDER}"])
"""
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=compiler.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [str(tmp_path / "distillbench" / "compiled")]


def test_a_failing_compiler_is_left_out_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _child(monkeypatch, 1, "Traceback\nInvalidCxxCompiler: No working C++ compiler found\n")
    assert "No working C++ compiler" in compiler.why_not()
    compiler.why_not()
    said = capsys.readouterr().err
    assert said.count("torch.compile is left out") == 1 and "delete" in said


def test_a_child_that_hangs_or_cannot_start_is_a_reason_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", run)
    assert "timed out" in compiler.why_not()
    compiler.why_not.cache_clear()
    _child(monkeypatch, 0, "")  # later the machine is less busy
    assert compiler.why_not() == ""


@pytest.mark.parametrize(
    "raised",
    [
        "OSError: [Errno 28] No space left on device",
        "torch._inductor.exc.InductorError: OSError: [Errno 28] No space left on device",
        "benchmark.errors.EnvironmentFault: compiled code cannot be kept: No space left on device. XDG_CACHE_HOME can",
    ],
)
def test_what_the_system_refuses_may_work_the_next_time(monkeypatch: pytest.MonkeyPatch, raised: str) -> None:
    _child(monkeypatch, 1, f"Traceback\n{raised}\n")
    assert compiler.why_not() == raised
    compiler.why_not.cache_clear()
    _child(monkeypatch, 0, "")
    assert compiler.why_not() == ""


def test_a_header_that_is_missing_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _child(monkeypatch, 1, "FileNotFoundError: /usr/include/Python.h: the headers are not installed\n")
    first = compiler.why_not()
    compiler.why_not.cache_clear()
    assert compiler.why_not() == first != "" and len(calls) == 1


def test_a_machine_without_a_compiler_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real child, under a compiler that does not exist."""
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    assert compiler.why_not() != ""
