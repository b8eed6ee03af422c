"""Losses as a recipe names them, with their weights: `zipf:weight=0.1`, `der++:alpha=0.5,beta=0.5`. Free of torch.

`cross-entropy` and `mean-squared-error` take class ids or probabilities. The others add to cross-entropy: `der++` where
a stage has a memory, `zipf` on the classes that are not the label's, `crd` where a teacher gives the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import _spec
from benchmark.errors import UsageError, unknown_name

__all__ = ["CRD", "DER", "LOSSES", "ZIPF", "Loss", "parse"]

DER, ZIPF, CRD = "der++", "zipf", "crd"
_OPTIONS: dict[str, dict[str, _spec.Option]] = {
    "cross-entropy": {},
    "mean-squared-error": {},
    # Weights of the distance to the logits that memory images had, and of a second batch of the memory.
    DER: {name: _spec.Option(name, "float", 0.5) for name in ("alpha", "beta")},
    # Weight of the divergence, and exponent of the law (Liang et al., ECCV 2022: 0.1 and 1 in the public code).
    ZIPF: {"weight": _spec.Option("weight", "float", 0.1), "power": _spec.Option("power", "float", 1.0)},
    # Weight, temperature and numbers of an embedding (Tian et al., ICLR 2020: 0.8, 0.07 and 128 in the public code).
    CRD: {
        "weight": _spec.Option("weight", "float", 0.8),
        "temperature": _spec.Option("temperature", "float", 0.07),
        "width": _spec.Option("width", "int", 128),
    },
}
LOSSES = tuple(_OPTIONS)
_LEAST = {"temperature": 0.001, "width": 1.0}
HIGHEST = 1000.0


@dataclass(frozen=True)
class Loss:
    """What a step minimises."""

    name: str = "cross-entropy"
    options: tuple[tuple[str, float], ...] = ()

    def __getitem__(self, option: str) -> float:
        return dict(self.options)[option]

    @property
    def n_memory_batches(self) -> int:
        """Batches of the memory that one step takes."""
        return 2 if self.name == DER else 1


def parse(spec: str) -> Loss:
    """Read `cross-entropy` or `der++:alpha=0.5,beta=0.5`; raises UsageError naming what is wrong."""
    name, given = _spec.split(spec)
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    known = _OPTIONS[name]
    values = _spec.read(f"loss {name}", given, known)
    options = {option: float(values.get(option, known[option].default or 0.0)) for option in known}
    for option, value in options.items():
        least = _LEAST.get(option, 0.0)
        if not least <= value <= HIGHEST:
            raise UsageError(
                f"loss {name}: {option} = {value:g}; it must be at least {least:g} and at most {HIGHEST:g}."
            )
    return Loss(name, tuple(options.items()))
