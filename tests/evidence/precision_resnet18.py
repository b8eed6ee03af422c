"""Is bfloat16 equal to float32 for ResNet18? As `precision`, with a fifth of the epochs, for it costs more.

On CIFAR-10 alone: images of 8x8 shrink to lone pixels in it, of which an instance norm leaves nothing.
"""

from __future__ import annotations

from tests.evidence.bench import Bench, Finding
from tests.evidence.precision import compare

EPOCHS = 60
CELLS = (("cifar10", 1, "resnet18", 20),)


def measure(bench: Bench) -> Finding:
    return compare(bench, CELLS, EPOCHS)
