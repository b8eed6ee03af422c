"""Is bfloat16 equal to float32 for AlexNet, which does not take images of 8x8? As `precision_resnet18`."""

from __future__ import annotations

from tests.evidence.bench import Bench, Finding
from tests.evidence.precision import compare
from tests.evidence.precision_resnet18 import EPOCHS

CELLS = (("cifar10", 1, "alexnet", 20),)


def measure(bench: Bench) -> Finding:
    return compare(bench, CELLS, EPOCHS)
