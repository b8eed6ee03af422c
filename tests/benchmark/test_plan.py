"""Plans: a TOML file becomes sets to be made and jobs, or one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import plan, registry
from benchmark.errors import DistillBenchError, InvalidInput, UsageError
from benchmark.plan import Job
from benchmark.values import Budget, Made, Real

ROOT = Path(__file__).parents[2]
MAKE = '[[make]]\ndataset = "digits"\nbaselines = ["random-real"]\nipc = 1\n'
EVALUATE = '[[evaluate]]\nevaluator = "cross-architecture"\nrecipe = "standard-v1-lite"\n'


def load(tmp_path: Path, text: str) -> plan.Plan:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return plan.load(str(file))


def test_a_plan_makes_every_baseline_at_every_size_with_every_seed(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        '[[make]]\ndataset = "digits"\nbaselines = ["random-real", "class-mean"]\npreset = "any"\n'
        "ipc = [1, 10]\nbytes = 650\ndistil_seeds = [0, 2]\n",
    )
    assert len(found.made) == 2 * 3 * 2
    assert found.made[0] == Made("random-real", "any", Real("digits"), Budget(ipc=1), 0)
    assert {made.budget for made in found.made} == {Budget(ipc=1), Budget(ipc=10), Budget(bytes=650)}
    assert found.jobs == ()


def test_a_plan_scores_every_set_unless_it_names_some(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        MAKE
        + '[[make]]\ndataset = "digits"\nbaselines = ["full-data"]\n'
        + EVALUATE
        + 'architectures = ["mlp", "lenet"]\n'
        + EVALUATE
        + 'baselines = ["full-data"]\n',
    )
    random, full = found.made
    assert full == Made("full-data", "default", Real("digits"), Budget(), 0)
    options = (("architectures", ("mlp", "lenet")),)
    assert found.jobs == (
        Job(random, "cross-architecture", "standard-v1-lite", options),
        Job(full, "cross-architecture", "standard-v1-lite", options),
        Job(full, "cross-architecture", "standard-v1-lite"),
    )


def test_a_table_may_be_about_the_sets_of_one_dataset(tmp_path: Path) -> None:
    both = MAKE + MAKE.replace('"digits"', '"mnist"')
    found = load(tmp_path, both + EVALUATE + 'dataset = "mnist"\n')
    assert [job.images.real.dataset for job in found.jobs if isinstance(job.images, Made)] == ["mnist"]
    with pytest.raises(InvalidInput, match=r"names dataset 'svhn', but no .* Made: digits, mnist"):
        load(tmp_path, both + EVALUATE + 'dataset = "svhn"\n')


def test_a_table_may_name_several_evaluators_and_a_few_sets(tmp_path: Path) -> None:
    text = MAKE.replace("ipc = 1", "ipc = [1, 10]\ndistil_seeds = [0, 1, 2]")
    several = EVALUATE.replace('"cross-architecture"', '["cross-architecture", "augmentation"]')
    found = load(tmp_path, text + several + "ipc = 10\ndistil_seeds = [1, 2]\n")
    assert [job.evaluator for job in found.jobs] == ["cross-architecture"] * 2 + ["augmentation"] * 2
    chosen = {job.images for job in found.jobs}
    assert {(one.budget.ipc, one.seed) for one in chosen if isinstance(one, Made)} == {(10, 1), (10, 2)}


def test_a_quick_form_changes_what_an_evaluator_declares_and_marks_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(plan.load_evaluator("augmentation"))
    monkeypatch.setattr(kind, "quick", {"augmentations": ("none",)})
    text = EVALUATE.replace("cross-architecture", "augmentation") + "quick = true\n"
    (job,) = load(tmp_path, MAKE + text).jobs
    assert (job.quick, job.row_name) == (True, "augmentation/quick")
    quick = plan.load_evaluator("augmentation", job.options, job.quick)
    assert quick == plan.load_evaluator("augmentation", [("augmentations", ("none",))])
    chosen = plan.load_evaluator("augmentation", [("augmentations", ("dsa",))], quick=True)
    assert chosen == plan.load_evaluator("augmentation", [("augmentations", ("dsa",))]), "a plan's option goes over it"


def test_an_evaluator_without_a_quick_form_is_run_whole(tmp_path: Path) -> None:
    (job,) = load(tmp_path, MAKE + EVALUATE + "quick = true\n").jobs
    assert (job.quick, job.row_name) == (False, "cross-architecture")


def test_what_stands_twice_is_done_once(tmp_path: Path) -> None:
    found = load(tmp_path, MAKE * 2 + EVALUATE * 2)
    assert len(found.made) == len(found.jobs) == 1


@pytest.mark.parametrize("name", plan.plan_names())
def test_every_committed_plan_is_whole(name: str) -> None:
    found = plan.load(name)
    assert found.made and found.jobs
    assert {job.images for job in found.jobs} == set(found.made), "a set is made and never scored"


def test_the_demo_covers_what_it_promises() -> None:
    found = plan.load("demo")
    assert {made.real for made in found.made} == {Real("digits")}
    assert {made.budget.ipc for made in found.made} == {1, 10, None}
    assert {made.seed for made in found.made if made.baseline != "full-data"} == {0, 1, 2}
    assert {job.recipe for job in found.jobs} == {"standard-v1-lite"}
    assert {job.evaluator for job in found.jobs} == set(registry.names("evaluator"))
    assert all(job.quick for job in found.jobs if plan.has_quick_form(job.evaluator))


def test_the_full_plan_runs_every_evaluator_whole() -> None:
    found = plan.load("full")
    assert {job.evaluator for job in found.jobs} == set(registry.names("evaluator"))
    assert not any(job.quick or job.options for job in found.jobs)


def test_the_plan_in_the_docs_is_a_plan(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    text = page.split("```toml\n")[1].split("```")[0]
    text = text.replace('baselines = ["random-real", "herding", "k-means"]', 'baselines = ["random-real"]')
    assert load(tmp_path, text).jobs


def test_every_field_is_documented() -> None:
    page = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    for field in plan.MAKE_FIELDS | plan.EVALUATE_FIELDS | {"summary"}:
        assert f"`{field}`" in page


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nothing is to be made. Fix: add a [[make]] table"),
        (EVALUATE, "nothing is to be made"),
        ("[make]\nipc = 1", "'make' must be tables. Fix: write [[make]]"),
        ("make = 3", "'make' must be tables"),
        (MAKE + "[[evalute]]\n", "a plan: unknown field 'evalute'. Did you mean 'evaluate'?"),
        (MAKE + 'presets = "lite"', "[[make]]: unknown field 'presets'. Did you mean 'preset'?"),
        (MAKE.replace('dataset = "digits"\n', ""), "field 'dataset' is missing; it must be text"),
        (MAKE.replace('"digits"', "3"), "field 'dataset' is 3; it must be text"),
        (MAKE.replace('"digits"', '"digit"'), "unknown dataset 'digit'. Did you mean 'digits'?"),
        (MAKE.replace('"random-real"', '"random-reel"'), "unknown baseline 'random-reel'. Did you mean 'random-real'?"),
        (
            MAKE.replace('["random-real"]', '"random-real"'),
            "field 'baselines' is 'random-real'; it must be a list of names",
        ),
        (MAKE.replace('["random-real"]', "[]"), "field 'baselines' is []; it must be a list of names"),
        (MAKE.replace("ipc = 1", "ipc = 0"), "field 'ipc' is 0; it must be a whole number from 1, or several"),
        (MAKE.replace("ipc = 1", "ipc = [1, -1]"), "field 'ipc' is [1, -1]"),
        (MAKE.replace("ipc = 1", 'ipc = "1"'), "field 'ipc' is '1'"),
        (MAKE.replace("ipc = 1", "ipc = true"), "field 'ipc' is True"),
        (MAKE + "bytes = 1.5", "field 'bytes' is 1.5"),
        (MAKE + "distil_seeds = -1", "field 'distil_seeds' is -1; it must be a whole number from 0"),
        (MAKE + "preset = 1", "field 'preset' is 1; it must be text"),
        (
            MAKE + EVALUATE.replace("cross-architecture", "cross-architektur"),
            "unknown evaluator 'cross-architektur'. Did",
        ),
        (MAKE + EVALUATE + "quick = 1", "field 'quick' is 1; it must be true or false"),
        (MAKE + EVALUATE.replace("v1", "v9"), "unknown recipe 'standard-v9-lite'"),
        (MAKE + EVALUATE.replace('recipe = "standard-v1-lite"\n', ""), "field 'recipe' is missing"),
        (
            MAKE + EVALUATE + 'baselines = ["dm"]',
            "[[evaluate]] names 'dm', but no [[make]] makes it. Made: random-real.",
        ),
        (
            MAKE + EVALUATE + 'architecture = ["mlp"]',
            "unknown option of cross-architecture 'architecture'. Did you mean",
        ),
        (
            MAKE + EVALUATE + 'architectures = "mlp"',
            "option 'architectures' of cross-architecture is 'mlp'; it must be a list",
        ),
        ("ipc = ", "is not valid TOML"),
        ("\x00", "is not valid TOML"),
    ],
)
def test_a_wrong_plan_names_the_file_and_the_field(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, text)
    assert problem in str(caught.value) and "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_plan_says_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown plan 'dmo'. Did you mean 'demo'"):
        plan.load("dmo")


def test_a_preset_that_a_baseline_lacks_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.baseline.presets", lambda name: {"lite": {}, "paper": {}})
    assert load(tmp_path, MAKE + 'preset = "lite"').made[0].preset == "lite"
    with pytest.raises(InvalidInput, match=r"unknown preset of random-real 'light'. Did you mean 'lite'"):
        load(tmp_path, MAKE + 'preset = "light"')
    with pytest.raises(InvalidInput, match="unknown preset of random-real 'default'"):
        load(tmp_path, MAKE)


def test_own_data_are_named_by_their_stored_name_and_not_by_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "data"))
    images = np.zeros((4, 8, 8), dtype=np.uint8)
    images[2:] = 255
    labels = np.array([0, 0, 1, 1])
    np.savez(tmp_path / "mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    found = load(tmp_path, MAKE.replace('"digits"', f'"{tmp_path / "mine.npz"}"'))
    assert found.made[0].real.dataset.startswith("mine-")
    assert str(tmp_path) not in repr(found.made)


def test_an_evaluators_options_are_checked_by_name_and_type() -> None:
    built = plan.load_evaluator("augmentation", [("augmentations", ("none",)), ("architecture", "mlp")])
    assert (built.augmentations, built.architecture) == (("none",), "mlp")  # type: ignore[attr-defined]
    for options in ([("augmentations", "none")], [("architecture", ("mlp",))], [("colour", 1)]):
        with pytest.raises(DistillBenchError, match="option"):
            plan.load_evaluator("augmentation", options)
