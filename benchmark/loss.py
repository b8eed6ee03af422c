"""Losses as a recipe names them: `cross-entropy`, `mean-squared-error`, or DER++ with its two weights. Free of torch.

DER++ differs from cross-entropy only where a stage has a memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import _spec
from benchmark.errors import UsageError, unknown_name

__all__ = ["DER", "LOSSES", "Loss", "parse"]

DER = "der++"
LOSSES = ("cross-entropy", "mean-squared-error", DER)
_WEIGHTS = {weight: _spec.Option(weight, "float", 0.5) for weight in ("alpha", "beta")}
HIGHEST = 1000.0


@dataclass(frozen=True)
class Loss:
    """What a step minimises."""

    name: str = "cross-entropy"
    alpha: float = 0.0
    """Weight of the squared distance to the logits that memory images had when they came into the memory."""
    beta: float = 0.0
    """Weight of the cross-entropy of a second batch of the memory."""

    @property
    def n_memory_batches(self) -> int:
        """Batches of the memory that one step takes."""
        return 2 if self.name == DER else 1


def parse(spec: str) -> Loss:
    """Read `cross-entropy` or `der++:alpha=0.5,beta=0.5`; raises UsageError naming what is wrong."""
    name, given = _spec.split(spec)
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    known = _WEIGHTS if name == DER else {}
    values = _spec.read(f"loss {name}", given, known)
    weights = {weight: float(values.get(weight, option.default or 0.0)) for weight, option in known.items()}
    high = [weight for weight, value in weights.items() if value > HIGHEST]
    if high:
        raise UsageError(f"loss {name}: {high[0]} = {weights[high[0]]:g}; it must be at most {HIGHEST:g}.")
    return Loss(name, **weights)
