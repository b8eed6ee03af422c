"""Keyed randomness."""

from __future__ import annotations

import torch

from benchmark.engine import generator


def test_the_same_key_gives_the_same_draws() -> None:
    first = torch.rand(5, generator=generator(3, "order", 7))
    assert torch.equal(first, torch.rand(5, generator=generator(3, "order", 7)))


def test_seed_purpose_and_position_each_change_the_draws() -> None:
    base = torch.rand(5, generator=generator(3, "order", 7))
    for other in (generator(4, "order", 7), generator(3, "weights", 7), generator(3, "order", 8)):
        assert not torch.equal(base, torch.rand(5, generator=other))


def test_draws_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    torch.rand(5, generator=generator(0, "order"))
    assert torch.equal(before, torch.random.get_rng_state())
