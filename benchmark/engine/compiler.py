"""Whether torch.compile works on this machine, and on a GPU recording: found out once each, in a child process.

A missing compiler or Python header takes the child down, not the run; the answer is kept in the user's cache folder
for this version of torch and this Python.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import torch

from benchmark.progress import say

__all__ = ["CODE_FOLDER", "cache_folder", "why_not"]

CODE_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
"""Environment variable: where compiled code is kept; the user's cache folder, unless the user has named another."""
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180
"""A child that takes longer has failed."""

_OURS = "# a step of the engine's own"
_TINY = {
    "cpu": """
import pathlib, sysconfig, tempfile, torch
from benchmark.engine.machine_code import kept
header = pathlib.Path(sysconfig.get_path("include")) / "Python.h"
if not header.exists():
    raise FileNotFoundError(f"{header}: the headers of Python are not installed")
with tempfile.TemporaryDirectory() as folder:
    function = kept(pathlib.Path(folder) / "code.pt2", lambda x: (x * 2 + 1).relu().sum(), (torch.ones(4),))
    assert function(torch.ones(4)).item() == 12
""",
    "recorded": _OURS
    + """
import torch
from benchmark import architectures
from benchmark.engine.compiled import CompiledSteps
from benchmark.engine.machine_code import shape_of
from benchmark.recipe import Recipe
device, text, size = torch.device("cuda"), "convnet:depth=1,width=4", (1, 8, 8)
network, shape = architectures.build(text, size, 2).to(device), shape_of(text, size, 2, "bfloat16", device)
steps = CompiledSteps(network, Recipe("tiny"), shape, 2, soft=False, recorded=True)
assert steps.step(torch.ones(2, *size, device=device), torch.arange(2, device=device), 0.1).isfinite()
""",
    "cuda": """
import torch
function = torch.compile(lambda x: (x * 2 + 1).relu().sum(), fullgraph=True)
assert function(torch.ones(4, device="cuda")).item() == 12
""",
}


def cache_folder() -> Path:
    """Where compiled code and what was found out about the compiler are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distillbench" / "compiled"


# Now and not later: as soon as an optimizer steps or torchvision is imported, torch names a temporary folder.
os.environ.setdefault(CODE_FOLDER, str(cache_folder()))


@functools.cache
def why_not(device: str = "cpu") -> str:
    """Why torch.compile is left out here for a type of device, or CUDA graphs for `recorded`, said on stderr once for
    each process; empty where it works."""
    program, what = _TINY[device], "recording CUDA graphs" if device == "recorded" else "torch.compile"
    if '"cuda"' in program and torch.cuda.is_available():
        program = program.replace('"cuda"', f'"cuda:{torch.cuda.current_device()}"')
    kept = cache_folder() / f"works-{_machine(program)}.txt"
    try:
        reason = kept.read_text(encoding="utf-8")
    except OSError:
        reason, may_pass = _try(program)
        if not may_pass:
            with suppress(OSError):  # found out again the next time
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(reason, encoding="utf-8")
    if reason:
        again = f". To try again, delete {kept}" if kept.exists() else ""
        say(f"{what} is left out, what would need it runs without: {reason}{again}")
    return reason


def _machine(program: str) -> str:
    """What the answer depends on."""
    compiler = f"{os.environ.get('CXX', '')} {os.environ.get('PATH', '')}"
    text = f"{program} {torch.__version__} {sys.executable} {sys.version} {compiler}"
    if "cuda" in program and torch.cuda.is_available():
        text += torch.cuda.get_device_name()
    if program.startswith(_OURS):
        from benchmark.engine.machine_code import SOURCES

        text += SOURCES
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _try(program: str) -> tuple[str, bool]:
    """Why it does not work, empty where it does, and whether it may the next time: a full disk, a busy machine."""
    try:
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        child = subprocess.run(
            [sys.executable, "-P", "-c", program],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return str(fault), True
    if child.returncode == 0:
        return "", False
    raised = [line.strip() for line in child.stderr.splitlines() if re.match(r"[A-Za-z_][\w.]*: \S", line)]
    reason = raised[-1] if raised else f"exit {child.returncode}"
    # an OSError, a disk that is full, a GPU that others have filled or taken
    may_pass = re.search(r"\[Errno |No space left|quota exceeded|out of memory|busy or unavailable", reason)
    return reason[:300], child.returncode < 0 or may_pass is not None
