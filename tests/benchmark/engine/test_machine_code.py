"""Compiled functions in files: found again without tracing, never taken for another, made again where broken."""

from __future__ import annotations

import errno
import fcntl
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from ctypes import _FUNCFLAG_PYTHONAPI as FUNCFLAG_PYTHONAPI  # type: ignore[attr-defined]
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.engine import machine_code
from benchmark.engine.compiler import why_not
from benchmark.engine.machine_code import Shape, StepKind, as_sliced, forward_file, is_kept, kept, step_file
from benchmark.errors import EnvironmentFault
from benchmark.recipe import Recipe

SHAPE = Shape("convnet:depth=2,width=4", (1, 8, 8), 10, "bfloat16", "cpu", 1)
KIND = StepKind(10, False, ("sgd", 0.9, False, 5e-4), "cross-entropy", 0.0)
EXAMPLE = (torch.zeros(3), torch.ones(2, 3))


def test_a_name_covers_all_that_the_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [step_file(SHAPE, KIND), forward_file(SHAPE)]
    shapes: list[dict[str, Any]] = [
        {"architecture": "mlp"},
        {"precision": "float32"},
        {"images": (3, 8, 8)},
    ]
    kinds: list[dict[str, Any]] = [{"batch": 11}, {"soft": True}, {"loss": "mean-squared-error"}, {"rule": ("adam",)}]
    for change in shapes:
        names += [step_file(replace(SHAPE, **change), KIND), forward_file(replace(SHAPE, **change))]
    names += [step_file(SHAPE, replace(KIND, **change)) for change in kinds]
    monkeypatch.setattr(machine_code, "_cpu", lambda: ("another",))
    names.append(step_file(SHAPE, KIND))
    monkeypatch.setattr(machine_code, "SOURCES", "others")
    names.append(step_file(SHAPE, KIND))
    monkeypatch.setattr(torch, "__version__", "0.0")
    names.append(step_file(SHAPE, KIND))
    assert len(set(names)) == len(names) == 15
    assert step_file(replace(SHAPE, threads=7), KIND) == step_file(SHAPE, KIND)


def test_the_code_of_a_slice_serves_every_optimizer_and_all_batches_of_such_slices() -> None:
    large, kind = replace(SHAPE, images=(3, 32, 32)), replace(KIND, batch=256)
    names = {step_file(large, replace(kind, **change)) for change in ({}, {"batch": 64}, {"rule": ("adam",)})}
    assert len(names) == 1
    assert len(names | {step_file(large, replace(kind, batch=n)) for n in (32, 100)}) == 3
    assert step_file(replace(large, device="cuda"), kind) not in names
    assert step_file(large, as_sliced(large, kind)) == step_file(large, kind)  # what it is, it stays


def test_a_recipe_says_what_kind_of_step_it_takes() -> None:
    kind = machine_code.step_kind(Recipe("r", momentum=0.9, weight_decay=5e-4), 10, soft=False)
    assert kind == replace(KIND, rule=("sgd", 0.9, False, 5e-4))


def test_both_halves_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    step_file(SHAPE, KIND).parent.mkdir()
    step_file(SHAPE, KIND).touch()
    assert not is_kept(SHAPE, KIND)
    forward_file(SHAPE).touch()
    assert is_kept(SHAPE, KIND) and not is_kept(SHAPE, replace(KIND, batch=11))


def _step(state: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    state.add_(given.sum(0))
    return state.square().sum()


def _never(*tensors: torch.Tensor) -> torch.Tensor:
    raise AssertionError("traced again")


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason="torch.compile does not work here")
def test_code_is_made_once_changes_its_state_and_is_made_again_where_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "functions" / "step.so"
    for function in (_step, _never):  # made, then loaded
        state = torch.arange(3.0)
        loss = kept(file, function, EXAMPLE)(state, torch.ones(3, 2).t())  # rows that are not one after another
        assert state.tolist() == [2.0, 3.0, 4.0] and loss.item() == 29.0
    loaded = kept(file, _never, EXAMPLE)
    assert isinstance(loaded, machine_code._Loaded)
    assert not loaded._run._flags_ & FUNCFLAG_PYTHONAPI, "other threads wait while it runs"
    with pytest.raises(ValueError, match="compiled for"):
        loaded(torch.zeros(3), torch.ones(4, 3))
    with ThreadPoolExecutor(8) as pool:  # more than run at a time
        sums = [pool.submit(loaded, torch.full((3,), float(k)), torch.ones(2, 3)) for k in range(64)]
        assert [one.result().item() for one in sums] == [3 * (k + 2) ** 2 for k in range(64)]
    assert [one.name for one in file.parent.iterdir() if one.suffix != ".lock"] == [file.name]
    for broken in (file.read_bytes()[:1000], b""):
        file.unlink()  # never cut what is loaded
        file.write_bytes(broken)
        assert machine_code._load(file, EXAMPLE) is None
    state = torch.zeros(3)
    monkeypatch.setattr(machine_code, "SOURCES", "as they were before somebody edited them")
    assert kept(file, _step, EXAMPLE)(state, torch.ones(2, 3)).item() == 12.0
    with pytest.raises(AssertionError, match="traced again"):  # what was made of other sources was not kept
        kept(file, _never, EXAMPLE)


def test_a_package_that_is_more_than_a_library_is_not_kept(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.pt2", "w") as archive:
        for name in ("a.so", "a.cpp", "a_metadata.json"):
            archive.writestr(f"code/data/aotinductor/model/{name}", name)
        archive.writestr("code/version", "1")
    assert machine_code._library_in(tmp_path / "code.pt2") == b"a.so"
    with zipfile.ZipFile(tmp_path / "code.pt2", "a") as archive:
        archive.writestr("code/data/aotinductor/model/a.wrapper.json", "operations that only torch itself has")
    with pytest.raises(machine_code.NotAlone, match="json"):
        machine_code._library_in(tmp_path / "code.pt2")


def test_a_folder_that_cannot_be_written_to_is_a_fault_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "functions").write_text("no folder")
    with pytest.raises(EnvironmentFault, match="XDG_CACHE_HOME"):
        kept(tmp_path / "functions" / "step.so", _never, EXAMPLE)


@pytest.mark.parametrize(
    "fault",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("C++ compile error\nld: No space left on device")],
)
def test_a_full_disk_is_a_fault_of_the_environment(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_code, "_make", lambda *given: _fail(fault))
    with pytest.raises(EnvironmentFault, match=r"No space left on device\. XDG_CACHE_HOME"):
        kept(tmp_path / "step.so", _never, EXAMPLE)


def test_a_compiler_that_fails_is_no_fault_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "_make", lambda *given: _fail(RuntimeError("C++ compile error")))
    with pytest.raises(RuntimeError, match=r"^C\+\+ compile error$"):
        kept(tmp_path / "step.so", _never, EXAMPLE)


def _fail(fault: Exception) -> None:
    raise fault


def test_where_there_are_no_locks_every_process_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*given: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(machine_code, "_make", lambda *given: _step)
    (tmp_path / "step.lock").write_text("1\nanother-host\n")
    assert kept(tmp_path / "step.so", _step, EXAMPLE) is _step


def test_no_maker_writes_to_what_another_may_have_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", lambda *given, **named: None)
    monkeypatch.setattr(machine_code, "_library_in", lambda package: b"code")
    monkeypatch.setattr(machine_code, "_Loaded", lambda file, example: loaded.append(file))
    monkeypatch.setattr(machine_code, "SOURCES", "as they were before somebody edited them")
    for _ in range(2):
        machine_code._make(tmp_path / "step.so", _step, EXAMPLE)
    assert len(set(loaded)) == 2 and list(tmp_path.iterdir()) == []
