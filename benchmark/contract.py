"""The public contract tests: what every plug-in of a kind must do, ours and outsiders' alike.

`distillbench test KIND NAME` runs them, and so does our own test suite over every registered plug-in. A check is a
function whose docstring says what it holds; it raises AssertionError or any other exception where it does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmark import _outcome_file, architectures, augmentation, baseline, datasets, engine, recipe, registry
from benchmark.errors import DoesNotFit
from benchmark.evaluator import Evaluator, Subject
from benchmark.plan import load_evaluator
from benchmark.results import Score
from benchmark.run import Run
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet
from benchmark.values import Budget, Cell, Outcome, Probe, Real, Stored, Training, from_json, to_json

__all__ = ["checks", "run"]

Check = Callable[[str], None]
SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64))


def run(kind: str, name: str) -> Iterator[tuple[str, str | None]]:
    """Run every check of a kind on one plug-in; yields what it holds, and None or the problem."""
    for check in checks(kind):
        title = (check.__doc__ or check.__name__).strip().rstrip(".")
        try:
            check(name)
        except AssertionError as fault:
            yield title, str(fault) or "does not hold"
        except Exception as fault:
            yield title, f"{type(fault).__name__}: {fault}"
        else:
            yield title, None


def checks(kind: str) -> tuple[Check, ...]:
    """The checks of a kind; raises UsageError for an unknown one."""
    registry.names(kind)
    own = _CHECKS.get(kind, ())
    return (_has_summary_of(kind), *own)


def _has_summary_of(kind: str) -> Check:
    def check(name: str) -> None:
        """Has a one-line summary and a version, readable without import."""
        assert registry.summary(kind, name), "the first line of its docstring (or its `summary` key) is empty"
        assert registry.version(kind, name) >= 1

    return check


# Architectures


def _architecture_builds(name: str) -> None:
    """Fits at least one of the usual inputs, and refuses the others with a reason."""
    fitted = [shape for shape in SHAPES if _network(name, shape) is not None]
    assert fitted, f"fits none of {SHAPES}"


def _architecture_has_an_embedding(name: str) -> None:
    """Gives one output a class, and its classifier of its embedding is its output."""
    for network, images in _fitting(name):
        network.eval()
        features = network.embed(images)
        assert features.shape[0] == len(images) and features.ndim == 2, "embed must return (N, F)"
        assert torch.allclose(network.classifier(features), network(images), atol=1e-5), "forward differs"
        assert network(images).shape == (len(images), 10), "forward must return (N, classes)"


def _architecture_is_seeded(name: str) -> None:
    """Draws its initial weights from torch's global CPU generator alone."""
    for shape in SHAPES:
        if _network(name, shape) is not None:
            first, again = _network(name, shape), _network(name, shape)
            assert first is not None and again is not None
            pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs), "the same seed gave other weights"


def _architecture_learns(name: str) -> None:
    """Sends a gradient to every weight that feeds its output."""
    for network, images in _fitting(name):
        network.train()
        network(images).square().mean().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()), "no gradient at all"


def _network(name: str, shape: tuple[int, int, int]) -> architectures.Network | None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return architectures.build(name, shape, 10)
        except DoesNotFit as reason:
            assert str(reason), "refused an input without a reason"
            return None


def _fitting(name: str) -> Iterator[tuple[architectures.Network, torch.Tensor]]:
    for shape in SHAPES[:3]:
        network = _network(name, shape)
        if network is not None:
            yield network, torch.randn(4, *shape, generator=engine.generator(0, "contract"))


# Augmentations


def _augmentation_keeps_shape(name: str) -> None:
    """Returns finite images of the same shape, and leaves its input as it was."""
    for shape in SHAPES[:3]:
        images, before = _images(shape), _images(shape)
        seen = _augmented(name, shape, images, seed=1)
        assert seen.shape == images.shape and bool(torch.isfinite(seen).all())
        assert torch.equal(images, before), "changed its input"


def _augmentation_is_keyed(name: str) -> None:
    """Does the same for the same draws, and draws from its generator alone."""
    for shape in SHAPES[:3]:
        torch.manual_seed(1)
        first = _augmented(name, shape, _images(shape), seed=3)
        torch.manual_seed(2)
        assert torch.equal(first, _augmented(name, shape, _images(shape), seed=3)), "depends on something else"


def _augmentation_is_siamese(name: str) -> None:
    """Treats two batches alike under one shared draw."""
    built = augmentation.build(name)
    shape = SHAPES[2]
    images = _images(shape)
    draws = built.draw(len(images), shape, engine.generator(5, "contract"), shared=True)
    ready = built.resolve(draws)
    mean, std = torch.full((3,), 0.5), torch.full((3,), 0.25)
    whole, part = ready.apply(images, draws, mean, std), ready.apply(images[2:], draws, mean, std)
    assert torch.allclose(whole[2:], part, atol=1e-5), "a batch's neighbours changed its images"


def _images(shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.randn(6, *shape, generator=engine.generator(0, "contract"))


def _augmented(name: str, shape: tuple[int, int, int], images: torch.Tensor, seed: int) -> torch.Tensor:
    built = augmentation.build(name)
    draws = built.draw(len(images), shape, engine.generator(seed, "contract"))
    channels = torch.full((shape[0],), 0.5)
    return built.resolve(draws).apply(images, draws, channels, channels / 2)


# Baselines


def _baseline_states_its_source(name: str) -> None:
    """States title, link, citation and licence of what it builds."""
    stated = registry.load("baseline", name).source
    empty = [f.name for f in fields(stated) if not getattr(stated, f.name)]
    assert not empty, f"source lacks {', '.join(empty)}"


def _baseline_presets_load(name: str) -> None:
    """Is a frozen dataclass, and every preset names fields that it has."""
    assert is_dataclass(registry.load("baseline", name)), "is no dataclass"
    for preset in baseline.presets(name):
        baseline.load(name, preset)


def _baseline_distils(name: str) -> None:
    """Makes a valid set of digits within a budget, and the same one for the same seed."""
    built = _small(name)
    first, again = (_distil(built, seed=4) for _ in range(2))
    first.validate()
    assert first.digest == again.digest, "the same seed made another set"
    n_classes = len(datasets.facts("digits").classes)
    assert len(first.tensors["labels"]) >= n_classes, "a class is missing"


def _baseline_keeps_classes_apart(name: str) -> None:
    """Makes, where it says so, the same images of a class whatever other classes there are."""
    built, classes = _small(name), (3, 7)
    if not built.class_by_class:
        return
    whole, part = _distil(built, seed=4), _distil(built, seed=4, classes=classes)
    kept = np.isin(whole.tensors["labels"], classes)
    for tensor, values in whole.tensors.items():
        assert np.array_equal(values[kept], part.tensors[tensor]), f"`class_by_class`, but {tensor} differ"


def _small(name: str) -> baseline.Baseline:
    """The baseline with its default hyper-parameters, its loop cut to a few steps."""
    preset = "lite" if "lite" in baseline.presets(name) else next(iter(baseline.presets(name)))
    built = baseline.load(name, preset)
    cut: dict[str, Any] = {"iterations": 3} if built.iterations else {}
    if built.needs(Real("digits"), 0):  # what it trains first: in a second
        quick = {"recipe": "standard-v1-lite/reference", "architecture": "mlp", "n_experts": 1}
        cut |= {f.name: quick[f.name] for f in fields(built) if f.name in quick}  # type: ignore[arg-type]
    return replace(built, **cut)  # type: ignore[type-var]


def _distil(built: baseline.Baseline, seed: int, classes: tuple[int, ...] | None = None) -> SyntheticSet:
    with tempfile.TemporaryDirectory() as folder:
        materials = engine.Materials(Store(folder), torch.device("cpu"))
        budget, real = Budget(ipc=1) if built.takes_budget else Budget(), Real("digits", classes=classes)
        made = built.distill(real, budget, Run(materials, real, seed))
    return replace(made, card=replace(made.card, method="contract-test"))


# Evaluators


def _evaluator_plans_values(name: str) -> None:
    """Plans cells that survive JSON, the same ones each time."""
    subject, built = _subject(), registry.load("evaluator", name)()
    planned = built.plan(subject)
    assert planned and planned == built.plan(subject), "an empty plan, or two plans for one subject"
    stored = [to_json(cell) for cell in planned.values()]
    assert [to_json(from_json(cell)) for cell in stored] == stored, "a cell does not survive JSON"


def _evaluator_scores_outcomes(name: str) -> None:
    """Turns outcomes into scores, the same ones each time, with failed ones as rows."""
    subject, built = _subject(), registry.load("evaluator", name)()
    for status in ("ok", "failed"):
        seen = {label: _pretend(cell, status) for label, cell in built.plan(subject).items()}
        scores = list(built.scores(subject, seen))
        assert scores and scores == list(built.scores(subject, seen)), "no scores, or other ones the second time"
        assert all(isinstance(score, Score) for score in scores)
        if status == "failed":
            assert all(score.value is None for score in scores), "a failed training has a value"


def _evaluator_is_a_value(name: str) -> None:
    """Is a frozen dataclass that every option has a default in."""
    kind: type[Evaluator] = registry.load("evaluator", name)
    assert is_dataclass(kind) and kind() == kind(), "is no dataclass with defaults"


def _evaluator_has_a_quick_form(name: str) -> None:
    """Declares a quick form of its own options, which keeps the other checks, or none."""
    built = load_evaluator(name, quick=True)
    planned, whole = built.plan(_subject()), registry.load("evaluator", name)().plan(_subject())
    assert planned, "its quick form plans nothing"
    assert sum(map(_work, planned.values())) <= sum(map(_work, whole.values())), "its quick form does more than all"


def _evaluator_heeds_a_teacher(name: str) -> None:
    """Lets a recipe's teacher give the labels of what is trained under it (`subject.data`), or says why it skips."""
    taught = recipe.load("standard-v1-lite").vary(name="contract-test", teacher="mlp")
    built, subject = load_evaluator(name), replace(_subject(), recipe=taught)
    if built.skip_reason(subject) is None:
        for training in {cell.training for cell in built.plan(subject).values()}:
            labels = [data.labels for stage in training.stages for data in (stage.stream, stage.memory) if data]
            heeded = not training.recipe.teacher or all(isinstance(one, Training) for one in labels)
            assert heeded, "a training's recipe names a teacher, and its images keep their own labels"


def _work(cell: Cell) -> int:
    return len(cell.seeds) * len(cell.probes)


def _subject() -> Subject:
    return Subject(Stored("0" * 64), "digits", 10, recipe.load("standard-v1-lite"), "contract-test", ipc=1)


def _pretend(cell: Cell, status: str) -> tuple[Outcome, ...]:
    """Made-up outcomes of the shape that the built-in probes give."""
    found = []
    for seed in cell.seeds:
        for probe in cell.probes:
            stages = [f"stage-{number}" for number in range(len(cell.training.stages))]
            named = {"end": ["end"], "stages": stages}
            moments = [moment for at in probe.at for moment in named.get(str(at), [f"epoch-{at}"])]
            value = {moment: _pretended(probe) for moment in moments} if status == "ok" else {}
            found.append(Outcome(seed, probe, status, value, "" if status == "ok" else "the loss is nan"))
    return tuple(found)


def _pretended(probe: Probe) -> dict[str, Any]:
    """What a probe might have returned: half of the images right, whatever the network."""
    if probe.data is None:
        return {}
    dataset = datasets.load(probe.data.dataset)
    rows = dataset.indices(probe.data.split, probe.data.part, probe.data.classes)
    labels = dataset.split(probe.data.split).labels[rows]
    n, total = len(rows), np.bincount(labels, minlength=10)
    logits = np.random.default_rng(0).normal(size=(n, 10)).astype(np.float16)
    counts = {"correct": (total // 2).tolist(), "total": total.tolist()}
    return {
        "accuracy": counts,
        "attack": counts,
        "logits": {"logits": logits, "labels": labels},
        "losses": {"losses": np.abs(logits[:, 0]).astype(np.float32)},
        "embeddings": {"embeddings": logits[:, :4].astype(np.float32)},
        "parameters": {"count": 1000},
        "synflow": {"log_score": 1.5},
        "weights": {"bias": np.zeros(1, dtype=np.float32)},
    }[probe.name]


# Datasets and recipes


def _dataset_states_its_source(name: str) -> None:
    """States source, licence and citation, and facts that agree with each other."""
    facts = datasets.facts(name)
    assert facts.source and facts.licence and facts.citation, "source, licence or citation is empty"
    assert len(facts.statistics["dataset"].mean) == facts.shape[0], "one mean for each channel"


def _recipe_loads(name: str) -> None:
    """Loads, states its source, and gives a reference schedule for full data."""
    loaded = recipe.load(name)
    assert loaded.source, "source is empty"
    assert loaded.on_full_data().digest != "", "no reference schedule"
    augmentation.build(loaded.augmentation)


def _decoder_reads_named_tensors(name: str) -> None:
    """Names the tensors that it reads, `labels` among them."""
    tensors = registry.module("decoder", name).TENSORS
    assert "labels" in tensors and all(isinstance(tensor, str) for tensor in tensors)


def _probe_measures(name: str) -> None:
    """Returns plain values and arrays that can be stored, the same ones each time."""
    with tempfile.TemporaryDirectory() as folder:
        materials = engine.Materials(Store(folder), torch.device("cpu"))
        examples = materials.real_examples(Real("digits", "test"), PIXEL)
        network = architectures.build("mlp", examples.facts.shape, len(examples.facts.classes))
        first, again = (registry.load("probe", name)(engine.Measurement(network, examples)) for _ in range(2))
    assert isinstance(first, dict) and first.keys() == again.keys(), "a probe returns a dict"
    _outcome_file.encode("contract", None, Outcome(0, Probe(name), "ok", {"end": first}), {})
    assert all(np.array_equal(np.asarray(first[k]), np.asarray(again[k])) for k in first), "two passes differ"


_CHECKS: dict[str, tuple[Check, ...]] = {
    "architecture": (
        _architecture_builds,
        _architecture_has_an_embedding,
        _architecture_is_seeded,
        _architecture_learns,
    ),
    "augmentation": (_augmentation_keeps_shape, _augmentation_is_keyed, _augmentation_is_siamese),
    "baseline": (
        _baseline_states_its_source,
        _baseline_presets_load,
        _baseline_distils,
        _baseline_keeps_classes_apart,
    ),
    "dataset": (_dataset_states_its_source,),
    "decoder": (_decoder_reads_named_tensors,),
    "evaluator": (
        _evaluator_is_a_value,
        _evaluator_has_a_quick_form,
        _evaluator_heeds_a_teacher,
        _evaluator_plans_values,
        _evaluator_scores_outcomes,
    ),
    "probe": (_probe_measures,),
    "recipe": (_recipe_loads,),
}
