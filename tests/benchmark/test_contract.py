"""The public contract tests: every registered plug-in passes them, and a broken one of each kind does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark import contract, registry
from benchmark.errors import UsageError

PLUGINS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=lambda part: str(part))
def test_every_registered_plug_in_keeps_its_contract(kind: str, name: str) -> None:
    problems = {check: problem for check, problem in contract.run(kind, name) if problem is not None}
    assert problems == {}


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_kind_has_checks_that_say_what_they_hold(kind: str) -> None:
    checks = contract.checks(kind)
    assert len(checks) >= 2, "only that it has a summary"
    assert all((check.__doc__ or "").strip().endswith(".") for check in checks)


def test_an_unknown_kind_has_none() -> None:
    with pytest.raises(UsageError, match="unknown kind of plug-in"):
        contract.checks("evaluators")


BROKEN: dict[str, tuple[str, str, str]] = {
    "no summary": ("probes/bad.py", "VERSION = 1\ndef probe(m):\n    return {}\n", "its docstring .* is empty"),
    "no version": ("probes/bad.py", '"""Bad."""\ndef probe(m):\n    return {}\n', "needs a line `VERSION = 1`"),
    "a probe that returns no dict": (
        "probes/bad.py",
        '"""Bad."""\nVERSION = 1\ndef probe(m):\n    return 3\n',
        "a probe returns a dict",
    ),
    "a probe that draws at random": (
        "probes/bad.py",
        '"""Bad."""\nimport random\nVERSION = 1\ndef probe(m):\n    return {"x": random.random()}\n',
        "two passes differ",
    ),
    "a probe whose values cannot be stored": (
        "probes/bad.py",
        '"""Bad."""\nVERSION = 1\ndef probe(m):\n    return {"x": {1, 2}}\n',
        "cannot be stored",
    ),
    "a decoder without tensors": (
        "decoders/bad.py",
        '"""Bad."""\nVERSION = 1\ndef decode(tensors, dataset):\n    return tensors\n',
        "TENSORS",
    ),
    "a decoder without labels": (
        "decoders/bad.py",
        '"""Bad."""\nVERSION = 1\nTENSORS = ("images",)\ndef decode(tensors, dataset):\n    return tensors\n',
        "AssertionError|does not hold|labels",
    ),
    "a recipe without a source": ("recipes/bad.toml", 'summary = "Bad"\n[reference]\nepochs = 1\n', "source is empty"),
    "a recipe without a reference": (
        "recipes/bad.toml",
        'summary = "Bad"\nsource = "me"\n',
        r"states no \[reference\]",
    ),
    "a dataset without a source": ("datasets/bad.toml", 'summary = "Bad"\nformat = 1\n', "field 'title' is missing"),
    "an architecture that fits nothing": (
        "architectures/bad.py",
        '"""Bad."""\nfrom benchmark.errors import DoesNotFit\nVERSION = 1\n'
        'def build(shape, classes):\n    raise DoesNotFit("never")\n',
        "fits none of",
    ),
    "an architecture that refuses without a reason": (
        "architectures/bad.py",
        '"""Bad."""\nfrom benchmark.errors import DoesNotFit\nVERSION = 1\n'
        "def build(shape, classes):\n    raise TypeError()\n",
        "TypeError",
    ),
    "an evaluator that is no dataclass": (
        "evaluators/bad.py",
        '"""Bad."""\nfrom benchmark.evaluator import Evaluator\nVERSION = 1\nclass Bad(Evaluator):\n    pass\n',
        "is no dataclass",
    ),
    "an evaluator that plans nothing": (
        "evaluators/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass\nfrom benchmark.evaluator import Evaluator\nVERSION = 1\n'
        "@dataclass(frozen=True)\nclass Bad(Evaluator):\n    def plan(self, subject):\n        return {}\n",
        "an empty plan",
    ),
    "an evaluator that scores what failed": (
        "evaluators/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass\nfrom benchmark.evaluator import Evaluator\n'
        "from benchmark.results import Score\nVERSION = 1\n"
        "@dataclass(frozen=True)\nclass Bad(Evaluator):\n    def plan(self, subject):\n"
        '        return {"only": subject.cell("mlp")}\n'
        "    def scores(self, subject, seen):\n"
        '        yield Score("accuracy", 10.0, "percent", True, "mlp", 0)\n',
        "a failed training has a value",
    ),
    "an evaluator that forgets a recipe's teacher": (
        "evaluators/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass, replace\nfrom benchmark.evaluator import Evaluator\n'
        "from benchmark.values import Data, Stage\nVERSION = 1\n"
        "@dataclass(frozen=True)\nclass Bad(Evaluator):\n    def plan(self, subject):\n"
        '        cell = subject.cell("mlp")\n'
        "        stages = (Stage(Data((subject.images,))),)\n"
        '        return {"only": replace(cell, training=replace(cell.training, stages=stages))}\n',
        "its images keep their own labels",
    ),
    "a baseline without a source": (
        "baselines/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass\nfrom benchmark.baseline import Baseline\nVERSION = 1\n'
        "@dataclass(frozen=True)\nclass Bad(Baseline):\n    pass\n",
        "source",
    ),
    "a baseline that says it keeps classes apart and does not": (
        "baselines/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass\nimport numpy as np\n'
        "from benchmark.baseline import Baseline, Source\nVERSION = 1\n"
        '@dataclass(frozen=True)\nclass Bad(Baseline):\n    source = Source("t", "https://x.org", "c", "l")\n'
        "    class_by_class = True\n"
        "    def distill(self, real, budget, run):\n"
        "        n = len(run.class_rows())\n"
        "        return run.of_indices(np.array([rows[n] for rows in run.class_rows().values()]), 1)\n",
        "`class_by_class`, but indices differ",
    ),
    "a baseline that draws from elsewhere": (
        "baselines/bad.py",
        '"""Bad."""\nfrom dataclasses import dataclass\nimport numpy as np\n'
        "from benchmark.baseline import Baseline, Source\nVERSION = 1\n"
        '@dataclass(frozen=True)\nclass Bad(Baseline):\n    source = Source("t", "https://x.org", "c", "l")\n'
        "    def distill(self, real, budget, run):\n"
        "        rows = np.array([np.random.default_rng().choice(r) for r in run.class_rows().values()])\n"
        "        return run.of_indices(rows, 1)\n",
        "the same seed made another set",
    ),
}


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(("place", "text", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plug_in_fails_with_a_reason(tmp_path: Path, place: str, text: str, problem: str) -> None:
    file = tmp_path / place
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    registry.add_folder(tmp_path)
    kind = next(kind for kind, about in registry.KINDS.items() if about.folder == file.parent.name)
    found = "\n".join(reason for _, reason in contract.run(kind, "bad") if reason)
    assert re.search(problem, found), found


@pytest.mark.usefixtures("own_registry")
def test_a_plug_in_from_outside_that_is_fine_passes(tmp_path: Path) -> None:
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes" / "counts.py").write_text(
        '"""Counts the images."""\n\nVERSION = 1\n\n\ndef probe(measurement):\n    return {"n": 797}\n',
        encoding="utf-8",
    )
    registry.add_folder(tmp_path)
    assert [problem for _, problem in contract.run("probe", "counts")] == [None, None]
