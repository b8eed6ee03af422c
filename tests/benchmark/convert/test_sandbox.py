"""The process that opens strangers' files has limits, sees no secrets, and hands over plain arrays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.convert import _sandbox
from benchmark.errors import EnvironmentFault, InvalidInput

ROOT = Path(__file__).parents[3]
LIMITED = """
import resource, sys
from pathlib import Path
from benchmark.convert import _child
_child._limit(0)
assert resource.getrlimit(resource.RLIMIT_CPU)[0] == 600 and resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
try:
    bytearray(3 * 2**30)
except MemoryError:
    print("memory")
opened = []
try:
    while len(opened) < 200:
        opened.append(open("/dev/null"))
except OSError:
    print("files")
for file in opened:
    file.close()
try:
    with open(sys.argv[1], "wb") as file:
        file.truncate(4 * 2**30)
except OSError:
    print("bytes")
assert "torch" not in sys.modules
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory hold on Linux alone")
def test_memory_files_and_bytes_are_limited(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)" + LIMITED
    command = [sys.executable, "-c", script, str(tmp_path / "large")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["memory", "files", "bytes"]), done.stderr


def test_a_file_is_read_in_another_process_and_a_refusal_comes_back(tmp_path: Path) -> None:
    images, labels = np.random.default_rng(0).random((10, 1, 8, 8)), np.arange(10)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    (loaded,) = _sandbox.load([tmp_path / "set.npz"], (1, 8, 8))
    assert (loaded.name, loaded.kind) == ("set.npz", "npz")
    np.testing.assert_array_equal(loaded.content["images"], images)
    with pytest.raises(InvalidInput, match=r"objects.npy holds Python objects, which are never unpickled"):
        _sandbox.load([tmp_path / "objects.npy"], (1, 8, 8))


def answered(code: int, out: str = "", err: str = "") -> Any:
    return lambda *args, **named: subprocess.CompletedProcess(args, code, out, err)


def test_what_the_process_dies_of_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "images.npy"
    np.save(file, np.zeros(3))
    monkeypatch.setattr(subprocess, "run", answered(-9))
    with pytest.raises(InvalidInput, match="stopped by SIGKILL: they need more time, memory or space"):
        _sandbox.load([file], (1, 8, 8))
    monkeypatch.setattr(subprocess, "run", answered(1, err="Traceback\nImportError: no numpy"))
    with pytest.raises(EnvironmentFault, match="ended with 1: ImportError: no numpy"):
        _sandbox.load([file], (1, 8, 8))
    monkeypatch.setattr(subprocess, "run", answered(3, out="no JSON"))
    with pytest.raises(InvalidInput, match="refused without a reason"):
        _sandbox.load([file], (1, 8, 8))


def test_the_process_sees_no_token_and_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(command: list[str], **named: Any) -> subprocess.CompletedProcess[str]:
        seen.update(named, command=command)
        return subprocess.CompletedProcess(command, 3, json.dumps({"refused": "seen"}), "")

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(subprocess, "run", run)
    np.save(tmp_path / "images.npy", np.zeros(3))
    with pytest.raises(InvalidInput, match="seen"):
        _sandbox.load([tmp_path / "images.npy"], (1, 8, 8))
    assert "secret" not in str(seen["env"]) and seen["env"]["OMP_NUM_THREADS"] == "1" and seen["timeout"] <= 900


def test_links_and_missing_files_are_refused_before_a_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    (tmp_path / "link.pt").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match=r"is a symbolic link. Fix: name the file itself"):
        _sandbox.load([tmp_path / "link.pt"], (1, 8, 8))
    with pytest.raises(InvalidInput, match=r"gone.pt does not exist"):
        _sandbox.load([tmp_path / "gone.pt"], (1, 8, 8))
