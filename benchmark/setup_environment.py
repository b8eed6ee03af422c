"""Make the virtual environment `.venv` and install DistillBench into it; goes on where an interrupted run stopped.

`make` runs this file with the system's own Python (``python3 -I benchmark/setup_environment.py [test]``) before
anything is installed. So it needs the standard library alone, imports nothing of ours, and parses under Python 3.7,
in order to tell the owner of an old Python what to do.

What makes it safe to kill at any moment: a stamp is written last; pip writes a package's RECORD last, so a package
without one is taken to be unfinished; and the lock goes on to the pip process, so that a pip whose parent was killed
is waited for and never joined by a second one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

__all__ = [
    "SetUpProblem",
    "drop_unfinished_packages",
    "ensurepip_problem",
    "is_installed",
    "main",
    "python_problem",
    "space_problem",
    "stamp_key",
    "venv_version",
    "write_stamps",
]

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
FREE_GB = 12.0  # torch 2.15 with CUDA: 6.4 GB installed, 9.5 at the peak, and 2.8 more where pip keeps its downloads
TRY_AGAIN = 5  # the exit code of every fault of the environment
HINDRANCES = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER")  # would send packages elsewhere
BUILDS = "https://pytorch.org/get-started/locally/"


class SetUpProblem(Exception):
    """Something on this machine hinders the installation; the message names the fix."""


def python_problem(version: tuple[int, int], newer: list[str]) -> str | None:
    """Say why Python `version` will not do, or None; `newer` are the commands of those here that would."""
    if version >= OLDEST_PYTHON:
        return None
    found = f"Python {_dotted(version)} is too old: DistillBench needs 3.11 or newer."
    if newer:
        return f"{found} {newer[0]} is here: run make again with PYTHON={newer[0]}"
    return (
        f"{found} Install one (Debian 12, Ubuntu 24.04 or newer: apt-get install python3-venv; elsewhere "
        "https://www.python.org/downloads/), and run make again with PYTHON=/path/to/python3.12"
    )


def ensurepip_problem(version: tuple[int, int], found: bool) -> str | None:
    """Say which Debian package brings the `ensurepip` that a virtual environment needs, or None where it is here."""
    if found:
        return None
    return (
        "This Python cannot make a virtual environment with pip: its module ensurepip is missing. "
        f"On Debian or Ubuntu: apt-get install python{_dotted(version)}-venv (python3-venv for the system's Python). "
        "Then run the same command again."
    )


def space_problem(free_bytes: int, needed_gb: float) -> str | None:
    """Say that the disk is too full, or None. A GB is 10^9 bytes."""
    if free_bytes >= needed_gb * 1e9:
        return None
    return (
        f"{free_bytes / 1e9:.1f} GB are free here and the installation needs {needed_gb:g} GB, most of it for torch. "
        f"Free some, or choose a smaller build of torch ({BUILDS}): CPU-only ones need about 3 GB, and "
        "DISTILLBENCH_FREE_GB=3 before the command lowers the bar."
    )


def stamp_key(root: Path) -> str:
    """Return what an installation was made from: the hash of pyproject.toml and of the folder's own path.

    The path counts because the scripts of a virtual environment name it: a moved folder is installed again.
    """
    made_from = (root / "pyproject.toml").read_bytes() + os.fsencode(str(root))
    return hashlib.sha256(made_from).hexdigest()


def is_installed(root: Path, extra: str) -> bool:
    """Tell whether `.venv` holds a finished installation of the present pyproject.toml with `extra` ("" or "test")."""
    try:
        return (root / ".venv" / _stamp_name(extra)).read_text(encoding="ascii") == stamp_key(root)
    except FileNotFoundError:
        return False


def write_stamps(root: Path, extra: str) -> None:
    """Record that the installation with `extra` is finished; one with an extra is one without it too."""
    for name in sorted({_stamp_name(""), _stamp_name(extra)}):
        staged = root / ".venv" / f"{name}.new"
        staged.write_text(stamp_key(root), encoding="ascii")
        staged.replace(root / ".venv" / name)


def venv_version(venv: Path) -> tuple[int, int] | None:
    """Return the Python version of a virtual environment that has a working pip, None of any other."""
    code = "import sys, pip._internal.cli.main; print(*sys.version_info[:2])"
    try:
        asked = subprocess.run(
            [str(venv / "bin" / "python"), "-I", "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = asked.stdout.split()
    return int(major), int(minor)


def drop_unfinished_packages(venv: Path) -> list[str]:
    """Remove the metadata of packages whose RECORD is missing, so that pip installs them again; return their names."""
    names = []
    for folder in sorted(venv.glob("lib/python3.*/site-packages/*.dist-info")):
        if not (folder / "RECORD").exists():
            shutil.rmtree(folder)
            names.append(folder.name[: -len(".dist-info")])
    return names


def main(extra: str = "", *, root: Path = ROOT) -> int:
    """Bring the `.venv` of the repository at `root` up to date, in silence where it is; return the exit code."""
    try:
        if not is_installed(root, extra):
            _set_up(root, extra)
    except SetUpProblem as problem:
        _say(str(problem))
        return TRY_AGAIN
    except OSError as fault:  # a folder that may not be written to, a full disk
        _say(f"The set-up cannot go on: {fault}")
        return TRY_AGAIN
    except KeyboardInterrupt:
        _say("Interrupted. Run the same command again: it goes on where it was.")
        return 130
    return 0


def _set_up(root: Path, extra: str) -> None:
    """Check this machine, then install, alone in this folder."""
    version = (sys.version_info[0], sys.version_info[1])
    _refuse(python_problem(version, _newer_pythons() if version < OLDEST_PYTHON else []))
    scratch = root / ".tmp"
    scratch.mkdir(exist_ok=True)
    with (scratch / "install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("An installation is already running in this folder; waiting for it to end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(root, extra):
            _make_venv(root, version, lock.fileno())
            _install(root, extra, lock.fileno())
            write_stamps(root, extra)


def _make_venv(root: Path, version: tuple[int, int], lock: int) -> None:
    """Make `.venv` unless there is a usable one; one that is half made, or of an old Python, is made anew."""
    venv = root / ".venv"
    present = venv_version(venv)
    unfinished = drop_unfinished_packages(venv)
    if present is not None and present >= OLDEST_PYTHON and not any(name.startswith("pip-") for name in unfinished):
        if present != version:
            _say(f"Using the .venv that is here, of Python {_dotted(present)}; `make clean` first for another.")
        return
    _refuse(ensurepip_problem(version, _has_ensurepip()))
    _refuse(space_problem(shutil.disk_usage(root).free, float(os.environ.get("DISTILLBENCH_FREE_GB", FREE_GB))))
    if venv.exists():
        _say("The .venv that is here is unfinished or too old: making it anew.")
    _run([sys.executable, "-I", "-m", "venv", "--clear", str(venv)], root, lock, "The virtual environment was not made")


def _install(root: Path, extra: str, lock: int) -> None:
    """Let pip install this repository in place, with its progress shown. What is installed already stays as it is."""
    start = time.monotonic()
    if any((root / ".venv").glob("lib/python3.*/site-packages/torch-*.dist-info")):
        _say("Installing what is missing in .venv: seconds to a minute.")
    else:
        _say("Installing into .venv: 3 GB to download, most of it torch. 3 minutes on a fast line, 15 on a slow one.")
        _say(f"Other builds of torch, such as CPU-only ones: {BUILDS}")
    target = f".[{extra}]" if extra else "."
    pip = [str(root / ".venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--editable", target]
    _run(pip, root, lock, "pip did not finish. If the line or the package index failed, it helps to wait a little")
    _say(f"Installed in {time.monotonic() - start:.0f} s.")


def _run(command: list[str], root: Path, lock: int, failure: str) -> None:
    """Run a child that keeps the lock and unpacks inside the folder, since /tmp is often small."""
    scratch = root / ".tmp" / "unpack"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in HINDRANCES}
    environment["TMPDIR"] = str(scratch)
    done = subprocess.run(command, cwd=root, env=environment, stdout=sys.stderr, pass_fds=[lock], check=False)
    shutil.rmtree(scratch, ignore_errors=True)
    if done.returncode:
        free = shutil.disk_usage(root).free / 1e9
        raise SetUpProblem(
            f"{failure} (its own message stands above; {free:.1f} GB are free here). "
            "Run the same command again: it goes on where it was."
        )


def _newer_pythons() -> list[str]:
    """Return the commands on the path that start a Python that is new enough, the newest first."""
    names = [f"python3.{minor}" for minor in range(14, OLDEST_PYTHON[1] - 1, -1)]
    here = [name for name in names if shutil.which(name)]
    return [name for name in here if subprocess.run([name, "-c", ""], capture_output=True).returncode == 0]


def _has_ensurepip() -> bool:
    """Tell whether this Python has `ensurepip`: Debian leaves it out of python3 and ships it in python3-venv."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise SetUpProblem(problem)


def _stamp_name(extra: str) -> str:
    return f"installed-{extra or 'run'}"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
