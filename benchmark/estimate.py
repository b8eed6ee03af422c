"""What a run is expected to cost, as it is told before the run starts."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.progress import duration

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to cost here."""

    n_sets: int
    n_blocks: int
    n_stored: int
    distil_seconds: float
    train_seconds: float

    @property
    def seconds(self) -> float:
        return self.distil_seconds + self.train_seconds

    def __str__(self) -> str:
        return (
            f"{self.n_sets} sets to make (about {duration(self.distil_seconds)}), {self.n_blocks} trainings to run "
            f"(about {duration(self.train_seconds)}), {self.n_stored} stored already: about {duration(self.seconds)} "
            "in all on this machine"
        )
