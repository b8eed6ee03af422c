"""Fixtures for every room."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark import registry

# Small networks gain nothing from a second thread, and lose much where another process has the core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What ships must not answer for what a test makes; the tests of the store that ships name it.
os.environ["DISTILLBENCH_REFERENCE"] = ""

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
_UNPACKED = Path(tempfile.gettempdir()) / "distillbench-real-data"


@pytest.fixture(scope="session", autouse=True)
def _code_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What ran here before must not answer for how a test's networks are computed."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path_factory.mktemp("code"))


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Give a data root (for DISTILLBENCH_DATA) that holds `<name>.npz`; skip where the real data are not at hand.

    Unpacked once into the temporary folder of this machine and kept there.
    """

    def root(name: str) -> Path:
        if not (_SHARED / "unpack.py").is_file():
            pytest.skip(f"{name}: the real data are not beside this checkout (../shared/data)")
        packed_name, file = name.replace("-", "_"), _UNPACKED / f"{name}.npz"
        if not file.exists():
            staging = _UNPACKED / f"staging-{os.getpid()}"
            command = [sys.executable, str(_SHARED / "unpack.py"), str(staging), packed_name]
            subprocess.run(command, check=True, capture_output=True)
            (staging / f"{packed_name}.npz").replace(file)
            staging.rmdir()
        return _UNPACKED

    return root


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget afterwards which folders of plug-ins were added."""
    monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
    monkeypatch.setattr(registry, "_extra_folders", [])
    registry._files.cache_clear()
    yield
    os.environ.pop(registry.ENVIRONMENT, None)
    registry._files.cache_clear()
