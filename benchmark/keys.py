"""Names of outcomes: what a training is, and which versions of which plug-ins it stands on.

A key covers the training's canonical JSON, the version of every plug-in that it names and the digest of every dataset
(of data that are not ours also what their file says of them, which may be edited), so nothing stored is ever mistaken
for something else. Seeds and numerics are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmark import datasets, loss, registry
from benchmark.errors import DistillBenchError
from benchmark.values import Made, Probe, Training, digest, to_json

REQUANTISING = 1
"""Version of `engine/requantising.py`."""
UNION = 2
"""Version of how `engine/materials.py` joins several sets."""
CONTRAST = 2
"""Version of the loss `crd`."""

__all__ = ["dataset_digest", "made_key", "outcome_name", "training_key"]


def training_key(training: Training) -> str:
    """64 hex digits; raises DistillBenchError when a set in it has not been made yet."""
    stored = to_json(training)
    return digest({"training": stored, "versions": dict(_versions(stored))})


def outcome_name(training: Training, seed: int, probe: Probe) -> str:
    """The file name of an outcome, without its numerics."""
    stored = to_json(probe)
    versions = {**dict(_versions(stored)), "probe": registry.version("probe", probe.name)}
    return f"{training_key(training)}-{seed}-{probe.name}-{digest({'probe': stored, 'versions': versions})[:16]}"


def made_key(made: Made, hyper_parameters: Mapping[str, Any], needed: list[str]) -> str:
    """Names a request to a baseline: its values, not its preset's name, and the trainings that it stands on."""
    stored = to_json(made)
    versions = {"baseline": registry.version("baseline", made.baseline), "dataset": _content(made.real.dataset)}
    return digest({"made": stored, "hyper_parameters": dict(hyper_parameters), "versions": versions, "needs": needed})


def dataset_digest(name: str) -> str:
    """The committed digest of a dataset, or that of the data where none is committed."""
    return datasets.facts(name).digest or datasets.load(name).facts.digest


def _content(name: str) -> str:
    """What fixes a dataset as a network sees it."""
    content = dataset_digest(name)
    if registry.is_ours("dataset", name):
        return content
    facts = datasets.facts(name)
    return digest(
        {"digest": content, "flip": facts.flip, "statistics": {k: asdict(v) for k, v in facts.statistics.items()}}
    )


def _versions(stored: Any) -> Iterator[tuple[str, Any]]:
    """Every plug-in and dataset that a value's JSON names, with what fixes its content."""
    if isinstance(stored, list):
        for item in stored:
            yield from _versions(item)
    if not isinstance(stored, dict):
        return
    kind = stored.get("kind")
    if kind == "made":
        raise DistillBenchError(f"the set of {stored['baseline']!r} must be made before a training on it has a key.")
    if kind == "data" and len(stored["images"]) > 1:
        yield "union", UNION
    if kind == "requantised":
        yield "requantising", REQUANTISING
    if kind == "real":
        yield f"dataset/{stored['dataset']}", _content(stored["dataset"])
    if kind == "training":
        architecture = str(stored["architecture"]).partition(":")[0]
        yield f"architecture/{architecture}", registry.version("architecture", architecture)
    if kind == "recipe":
        augmentation = str(stored["augmentation"]).partition(":")[0]
        yield f"augmentation/{augmentation}", registry.version("augmentation", augmentation)
        if loss.parse(stored["loss"]).name == loss.CRD:
            yield "crd", CONTRAST
    for item in stored.values():
        yield from _versions(item)
