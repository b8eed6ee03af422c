"""The set-up's checks and its going on after an interruption, without a network and without pip installing anything."""

import ast
import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import setup_environment as setup

REPOSITORY = Path(__file__).resolve().parents[1]
CURRENT = (sys.version_info[0], sys.version_info[1])

Commands = list[list[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository's folder with a space in its name, holding what the set-up reads."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands that the set-up would have run; making the environment only makes its folder."""
    seen: Commands = []

    def pretend(command: list[str], root: Path, lock: int, failure: str) -> None:
        seen.append(command)
        (root / ".venv").mkdir(exist_ok=True)

    monkeypatch.setattr(setup, "_run", pretend)
    monkeypatch.setenv("DISTILLBENCH_FREE_GB", "0")
    return seen


def pretend_usable(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int] | None = CURRENT) -> None:
    monkeypatch.setattr(setup, "venv_version", lambda venv: version)


def test_python_3_11_and_newer_will_do() -> None:
    assert setup.python_problem((3, 11), []) is None
    assert setup.python_problem((4, 0), []) is None


def test_an_old_python_is_told_of_the_newer_one_that_is_here() -> None:
    problem = setup.python_problem((3, 10), ["python3.13", "python3.12"])
    assert problem is not None
    assert "Python 3.10 is too old" in problem
    assert problem.endswith("PYTHON=python3.13")


def test_an_old_python_alone_is_told_where_to_get_a_newer_one() -> None:
    problem = setup.python_problem((3, 9), [])
    assert problem is not None
    assert "apt-get install python3-venv" in problem
    assert "PYTHON=" in problem


def test_missing_ensurepip_names_the_package_of_debian() -> None:
    assert setup.ensurepip_problem((3, 12), found=True) is None
    problem = setup.ensurepip_problem((3, 12), found=False)
    assert problem is not None
    assert "apt-get install python3.12-venv" in problem


def test_a_full_disk_says_both_numbers_and_the_smaller_builds() -> None:
    assert setup.space_problem(12 * 10**9, 12.0) is None
    problem = setup.space_problem(12 * 10**9 - 10**8, 12.0)
    assert problem is not None
    assert problem.startswith("11.9 GB are free here and the installation needs 12 GB")
    assert "https://pytorch.org/get-started/locally/" in problem


def test_the_script_parses_under_the_pythons_that_it_refuses() -> None:
    source = Path(setup.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))


def test_the_script_imports_nothing_that_a_bare_python_lacks() -> None:
    tree = ast.parse(Path(setup.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_a_full_disk_ends_the_set_up_with_code_5_and_makes_no_environment(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLBENCH_FREE_GB", "1e9")
    assert setup.main(root=root) == 5
    assert "the installation needs 1e+09 GB" in capsys.readouterr().err
    assert commands == []
    assert not (root / ".venv").exists()


def test_a_fresh_folder_gets_an_environment_then_pip_then_the_stamp(root: Path, commands: Commands) -> None:
    assert setup.main(root=root) == 0
    (venv, pip) = commands
    assert venv[-3:] == ["venv", "--clear", str(root / ".venv")]
    assert pip[-2:] == ["--editable", "."]
    assert setup.is_installed(root, "")
    assert not setup.is_installed(root, "test")


def test_a_finished_installation_is_left_alone_in_silence(
    root: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    setup.main("test", root=root)
    commands.clear()
    capsys.readouterr()
    assert setup.main("test", root=root) == 0
    assert setup.main(root=root) == 0  # what tests need includes what a run needs
    assert commands == []
    assert capsys.readouterr().err == ""


def test_a_failed_pip_leaves_no_stamp(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").symlink_to(shutil.which("false") or "/bin/false")
    pretend_usable(monkeypatch)
    assert setup.main(root=root) == 5
    assert "Run the same command again: it goes on where it was." in capfd.readouterr().err
    assert not setup.is_installed(root, "")


def test_a_changed_pyproject_installs_again_into_the_same_environment(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.main(root=root)
    commands.clear()
    pretend_usable(monkeypatch)
    (root / "pyproject.toml").write_text("[project]\ndependencies = []\n", encoding="utf-8")
    assert setup.main(root=root) == 0
    assert [command[1:4] for command in commands] == [["-m", "pip", "--disable-pip-version-check"]]


def test_a_moved_folder_is_installed_again(root: Path, commands: Commands) -> None:
    setup.main(root=root)
    moved = root.rename(root.parent / "elsewhere")
    assert not setup.is_installed(moved, "")


def test_an_environment_without_pip_is_not_usable(tmp_path: Path) -> None:
    venv = tmp_path / "half made"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    assert setup.venv_version(venv) is None
    assert setup.venv_version(tmp_path / "absent") is None


def test_the_environment_of_these_tests_is_usable() -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests run outside a virtual environment")
    assert setup.venv_version(Path(sys.prefix)) == CURRENT


@pytest.mark.parametrize("present", [None, (3, 10)])
def test_a_half_made_or_old_environment_is_made_anew(
    present: tuple[int, int] | None, root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".venv").mkdir()
    pretend_usable(monkeypatch, present)
    assert setup.main(root=root) == 0
    assert "--clear" in commands[0]


def test_a_package_without_record_is_forgotten_so_that_pip_installs_it_again(root: Path) -> None:
    packages = root / ".venv/lib/python3.11/site-packages"
    for name, record in (("whole-1.0", True), ("torn-2.0", False)):
        (packages / f"{name}.dist-info").mkdir(parents=True)
        (packages / f"{name}.dist-info/METADATA").write_text("Name: x\n", encoding="utf-8")
        if record:
            (packages / f"{name}.dist-info/RECORD").touch()
    assert setup.drop_unfinished_packages(root / ".venv") == ["torn-2.0"]
    assert [folder.name for folder in packages.iterdir()] == ["whole-1.0.dist-info"]


def test_an_environment_whose_pip_is_unfinished_is_made_anew(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".venv/lib/python3.11/site-packages/pip-26.0.dist-info").mkdir(parents=True)
    pretend_usable(monkeypatch)
    assert setup.main(root=root) == 0
    assert "--clear" in commands[0]


def test_variables_that_send_packages_elsewhere_do_not_reach_pip(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    write = "import os; open('seen', 'w').write(os.environ.get('PIP_TARGET', '') + os.environ['TMPDIR'])"
    with (root / "lock").open("w") as lock:
        setup._run([sys.executable, "-c", write], root, lock.fileno(), "failed")
    assert (root / "seen").read_text(encoding="utf-8") == str(root / ".tmp/unpack")
    assert not (root / ".tmp/unpack").exists()


def test_a_second_set_up_waits_for_a_pip_whose_parent_was_killed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLBENCH_FREE_GB", "1e9")  # should it not wait, it ends here
    (root / ".tmp").mkdir()
    with (root / ".tmp/install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    code = "import sys, pathlib, benchmark.setup_environment as s; sys.exit(s.main(root=pathlib.Path(sys.argv[1])))"
    second = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    assert second.stderr is not None
    assert "already running" in second.stderr.readline()
    assert second.poll() is None
    orphan.communicate(b"\n")
    assert "GB are free here" in second.communicate(timeout=20)[1]
    assert second.returncode == 5


def test_make_with_no_target_lists_the_targets() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not here")
    listed = subprocess.run([make], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "evidence", "clean"):
        assert f"make {target} " in listed
