"""A plan of a few small trainings and its recipe, for tests that carry it out."""

from __future__ import annotations

from pathlib import Path

from benchmark import plan
from benchmark.plan import Job

__all__ = ["PLAN", "RECIPE", "jobs"]

PLAN = """
[[make]]
dataset = "digits"
baselines = ["random-real", "class-mean"]
ipc = [1, 2]
distil_seeds = [0, 1]

[[make]]
dataset = "digits"
baselines = ["full-data"]

[[evaluate]]
evaluator = "cross-architecture"
recipe = "tiny"
architectures = ["mlp", "vgg11"]

[[evaluate]]
evaluator = "augmentation"
recipe = "tiny"
baselines = ["random-real"]
augmentations = ["none", "dsa"]
architecture = "mlp"
"""
RECIPE = """
summary = "for tests"
source = "here"
epochs = 3
n_seeds = 2
[reference]
epochs = 1
"""


def jobs(tmp_path: Path) -> list[Job]:
    return list(plan.load(str(tmp_path / "plan.toml")).jobs)
