"""Keyed randomness: every draw comes from a CPU generator made of a seed, a purpose and a position.

So a draw depends neither on the device nor on what else was drawn, fused or resumed before it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["generator", "global_draws"]

_GLOBAL = threading.RLock()


def generator(seed: int, purpose: str, *position: int) -> torch.Generator:
    """A CPU generator of its own for this seed, purpose (`weights`, `order`, …) and position (epoch, step, …)."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, position))}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(number)


@contextmanager
def global_draws(source: torch.Generator) -> Iterator[None]:
    """Meanwhile torch's global generator, which layers draw their weights from and all threads share, draws as this.

    Whatever draws from it, or saves and restores it as torch's compiler does, must stand in here, one thread at a time:
    otherwise two networks that are built at once would get each other's numbers.
    """
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(source.get_state())
        yield
