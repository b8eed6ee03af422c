"""Is bfloat16 equal to float32 for ResNet18? As `precision`, with a fifth of the epochs, for it costs more."""

from __future__ import annotations

from tests.evidence.bench import Bench, Finding
from tests.evidence.precision import compare

EPOCHS = 60
CELLS = (("digits", 1, "resnet18", 40), ("digits", 10, "resnet18", 40), ("cifar10", 1, "resnet18", 20))


def measure(bench: Bench) -> Finding:
    return compare(bench, CELLS, EPOCHS)
