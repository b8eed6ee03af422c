"""The registry: one file adds a plug-in, listing imports nothing, and a broken plug-in says what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.errors import InvalidInput, UsageError, unknown_name

ROOT = Path(registry.__file__).resolve().parents[1]
EVALUATOR = '''"""Counts to three.

More is said here.
"""

from dataclasses import dataclass

from benchmark.evaluator import Evaluator

VERSION = 3


@dataclass(frozen=True)
class Counting(Evaluator):
    """Plans nothing."""


class _Private(Evaluator):
    """Is not counted."""
'''

pytestmark = pytest.mark.usefixtures("own_registry")


def plug_in(root: Path, place: str, text: str) -> Path:
    """Write one file of a folder of plug-ins and search that folder."""
    file = root / "plugins" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    registry.add_folder(root / "plugins")
    registry._files.cache_clear()
    return file


def test_one_file_adds_a_plug_in_and_nothing_else_is_edited(tmp_path: Path) -> None:
    before = set(registry.names("evaluator"))
    plug_in(tmp_path, "evaluators/counts_to_three.py", EVALUATOR)
    assert set(registry.names("evaluator")) - before == {"counts-to-three"}
    assert registry.summary("evaluator", "counts-to-three") == "Counts to three."
    assert registry.version("evaluator", "counts-to-three") == 3
    assert registry.load("evaluator", "counts-to-three").__name__ == "Counting"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_built_in_plug_in_has_a_summary_and_a_version(kind: str) -> None:
    for name in registry.names(kind):
        assert registry.summary(kind, name)
        assert registry.version(kind, name) >= 1


def test_the_environment_names_folders_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "decoders").mkdir(parents=True)
        (tmp_path / name / "decoders" / f"{name}.py").write_text('"""Decodes."""\nVERSION = 1\n', encoding="utf-8")
    monkeypatch.setenv(registry.ENVIRONMENT, os.pathsep.join(str(tmp_path / name) for name in ("first", "second")))
    assert {"first", "second"} <= set(registry.names("decoder"))


def test_worker_processes_are_told_of_added_folders(tmp_path: Path) -> None:
    plug_in(tmp_path, "evaluators/counts.py", EVALUATOR)
    registry.add_folder(tmp_path / "plugins")  # twice is once
    assert os.environ[registry.ENVIRONMENT] == str(tmp_path / "plugins")


def test_an_entry_point_adds_the_plug_ins_of_a_package_without_importing_it(tmp_path: Path) -> None:
    package = tmp_path / "outsider"
    (package / "evaluators").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    (package / "evaluators" / "counts.py").write_text(EVALUATOR, encoding="utf-8")
    about = tmp_path / "outsider-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[distillbench.plugins]\nanything = outsider\n", encoding="utf-8")
    script = "from benchmark import registry; print(registry.summary('evaluator', 'counts'))"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("Counts to three.\n", "")

    (about / "entry_points.txt").write_text("[distillbench.plugins]\nanything = gone.away\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.cli", "list", "evaluator"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "entry point 'anything'" in done.stderr and "'gone.away'" in done.stderr


def test_listing_imports_no_plug_in(tmp_path: Path) -> None:
    text = '"""Breaks when imported."""\nVERSION = 2\nraise RuntimeError("imported")\n'
    plug_in(tmp_path, "probes/breaks.py", text)
    assert "breaks" in registry.names("probe")
    assert registry.summary("probe", "breaks") == "Breaks when imported."
    assert registry.version("probe", "breaks") == 2
    with pytest.raises(InvalidInput, match=r"breaks\.py fails on import in line 3: RuntimeError: imported"):
        registry.load("probe", "breaks")


@pytest.mark.parametrize(
    ("asked", "nearest"), [("herdin", "herding"), ("K_Means", "k-means"), ("DM", "dm"), ("zzzzzz", None)]
)
def test_unknown_name_says_the_nearest_and_the_list(asked: str, nearest: str | None) -> None:
    text = str(unknown_name("baseline", asked, ["dm", "k-means", "herding"]))
    assert text.startswith(f"unknown baseline {asked!r}.")
    assert text.endswith("Known: dm, herding, k-means.")
    assert (f"Did you mean {nearest!r}?" in text) if nearest else ("mean" not in text.partition("Known")[0])


def test_unknown_names_and_kinds_are_usage_errors() -> None:
    with pytest.raises(UsageError, match=r"unknown evaluator 'cros-architecture'. Did you mean 'cross-architecture'"):
        registry.path("evaluator", "cros-architecture")
    with pytest.raises(UsageError, match=r"unknown kind of plug-in 'evaluators'. Did you mean 'evaluator'"):
        registry.names("evaluators")


def test_a_name_of_any_length_gives_a_short_message() -> None:
    assert len(str(unknown_name("set", "x" * 100_000, ["a"]))) < 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"""Has no version."""\n', "needs a line `VERSION = 1`"),
        ('"""Counts from nought."""\nVERSION = 0\n', "needs a line `VERSION = 1`"),
        ('"""Computes it."""\nVERSION = int("1")\n', "needs a line `VERSION = 1`"),
        ('"""Says yes."""\nVERSION = True\n', "needs a line `VERSION = 1`"),
        ("def broken(:\n", "is not valid Python"),
        ("\x00", "is not valid Python"),
    ],
)
def test_a_version_that_cannot_be_read_is_invalid(tmp_path: Path, text: str, problem: str) -> None:
    file = plug_in(tmp_path, "decoders/broken.py", text)
    with pytest.raises(InvalidInput, match=problem) as caught:
        registry.version("decoder", "broken")
    assert str(file) in str(caught.value)


def test_an_annotated_version_counts(tmp_path: Path) -> None:
    plug_in(tmp_path, "decoders/fine.py", '"""Fine."""\nfrom typing import Final\nVERSION: Final = 4\n')
    assert registry.version("decoder", "fine") == 4


def test_an_edited_plug_in_is_read_again(tmp_path: Path) -> None:
    file = plug_in(tmp_path, "decoders/moving.py", '"""Moves."""\nVERSION = 1\n')
    assert registry.version("decoder", "moving") == 1
    file.write_text('"""Moved."""\nVERSION = 2\n', encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert (registry.version("decoder", "moving"), registry.summary("decoder", "moving")) == (2, "Moved.")


def test_of_a_plug_in_that_runs_the_version_is_that_which_runs(tmp_path: Path) -> None:
    text = '"""Moves."""\nVERSION = 1\ndef probe(measurement):\n    return VERSION\n'
    file = plug_in(tmp_path, "probes/moving.py", text)
    assert registry.load("probe", "moving")(None) == registry.version("probe", "moving") == 1
    file.write_text(text.replace("= 1", "= 2"), encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert registry.load("probe", "moving")(None) == registry.version("probe", "moving") == 1


@pytest.mark.parametrize(
    ("place", "text", "problem"),
    [
        ("probes/empty.py", '"""Nothing."""\nVERSION = 1\n', "defines no function `probe`"),
        ("evaluators/empty.py", '"""Nothing."""\nVERSION = 1\n', "exactly one public class deriving from Evaluator"),
        (
            "evaluators/empty.py",
            EVALUATOR + "\n\nclass Another(Evaluator):\n    pass\n",
            "it defines 2",
        ),
        ("evaluators/empty.py", '"""Leaves."""\nimport sys\nsys.exit(0)\n', "line 3: SystemExit: 0"),
        ("evaluators/empty.py", '"""Wants more."""\nimport not_there\n', "line 2: ModuleNotFoundError"),
        ("evaluators/empty.py", '"""Bad."""\nx = = 1\n', "SyntaxError"),
    ],
)
def test_a_plug_in_that_defines_something_else_is_invalid(tmp_path: Path, place: str, text: str, problem: str) -> None:
    file = plug_in(tmp_path, place, text)
    with pytest.raises(InvalidInput, match=problem) as caught:
        registry.load(place.split("s/")[0], "empty")
    assert str(file) in str(caught.value)


def test_folders_are_put_in_place_of_those_that_were_added(tmp_path: Path) -> None:
    plug_in(tmp_path / "old", "decoders/answers.py", '"""Answers."""\nVERSION = 1\n')
    new, gone = tmp_path / "new", tmp_path / "gone"
    (new / "decoders").mkdir(parents=True)
    (new / "decoders" / "answers.py").write_text('"""Answers."""\nVERSION = 2\n', encoding="utf-8")
    registry.only([str(new), str(gone)])
    assert registry.path("decoder", "answers").is_relative_to(new)
    assert registry.plugin_folders() == [new] and os.environ[registry.ENVIRONMENT] == str(new)
    registry.only([])
    assert "answers" not in registry.names("decoder")


def test_a_plug_in_of_another_folder_is_not_mistaken_for_one_loaded_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answer in (("old", 1), ("new", 2)):
        monkeypatch.setattr(registry, "_extra_folders", [])
        monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
        text = f'"""Answers."""\nVERSION = 1\ndef probe():\n    return {answer}\n'
        plug_in(tmp_path / name, "probes/answers.py", text)
        assert registry.load("probe", "answers")() == answer


def test_a_toml_plug_in_has_no_code_to_load() -> None:
    with pytest.raises(UsageError, match="a recipe is a TOML file"):
        registry.load("recipe", "standard-v1")


@pytest.mark.parametrize(
    ("line", "problem"), [('version = "1"', "needs a line `version = 1`"), ("=", "not valid TOML")]
)
def test_a_broken_toml_plug_in_is_invalid(tmp_path: Path, line: str, problem: str) -> None:
    plug_in(tmp_path, "recipes/mine.toml", line)
    with pytest.raises(InvalidInput, match=problem):
        registry.version("recipe", "mine")


def test_a_name_is_never_taken_twice(tmp_path: Path) -> None:
    plug_in(tmp_path, "evaluators/augmentation.py", EVALUATOR)
    with pytest.raises(InvalidInput, match=r"takes the name 'augmentation' of .*evaluators/augmentation\.py. Rename"):
        registry.names("evaluator")


def test_what_editors_and_systems_leave_behind_is_no_plug_in(tmp_path: Path) -> None:
    folder = plug_in(tmp_path, "evaluators/fine.py", EVALUATOR).parent
    before = registry.names("evaluator")
    for left in ("._fine.py", ".#fine.py", "_private.py", "fine.py~", "fine.pyc"):
        (folder / left).write_text("\x00", encoding="utf-8")
    (folder / "folder.py").mkdir()
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    registry._files.cache_clear()
    assert registry.names("evaluator") == before


def test_a_file_whose_name_is_none_is_refused(tmp_path: Path) -> None:
    plug_in(tmp_path, "evaluators/My Own (copy).py", EVALUATOR)
    with pytest.raises(InvalidInput, match=r"lower-case letters, digits and '_'. Rename it"):
        registry.names("evaluator")


def test_a_folder_without_plug_ins_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evaluators").mkdir()
    with pytest.raises(UsageError, match="is not a folder"):
        registry.add_folder(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"holds no plug-ins. Name one with sub-folders such as architectures"):
        registry.add_folder(tmp_path / "evaluators")


def test_a_folder_of_the_environment_that_is_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.ENVIRONMENT, str(tmp_path / "gone"))
    with pytest.raises(UsageError, match=f"{registry.ENVIRONMENT}: .* is not a folder"):
        registry.names("evaluator")


def test_of_two_threads_none_sees_half_of_a_plug_in(tmp_path: Path) -> None:
    text = '"""Takes its time."""\nimport time\nVERSION = 1\ntime.sleep(0.3)\ndef decode():\n    return 7\n'
    plug_in(tmp_path, "decoders/slow.py", text)
    with ThreadPoolExecutor(3) as pool:
        assert [found() for found in pool.map(lambda _: registry.load("decoder", "slow"), range(3))] == [7, 7, 7]


def test_what_comes_with_the_project_is_told_from_what_others_add(tmp_path: Path) -> None:
    plug_in(tmp_path, "decoders/theirs.py", '"""Theirs."""\nVERSION = 1\ndef decode():\n    return 7\n')
    known = {name: registry.is_ours("decoder", name) for name in ("jpeg", "theirs", "nobodys")}
    assert known == {"jpeg": True, "theirs": False, "nobodys": False}
