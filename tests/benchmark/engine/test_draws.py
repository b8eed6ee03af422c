"""Keyed randomness."""

from __future__ import annotations

import threading

import torch

from benchmark.engine import generator
from benchmark.engine.compiled import _Model
from benchmark.engine.draws import global_draws
from benchmark.engine.machine_code import Shape


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


def test_while_weights_are_drawn_no_other_thread_touches_the_global_generator() -> None:
    """Nor does one that prepares to compile: it would hand its numbers to the network that is being built."""
    built = threading.Event()

    def build() -> None:
        _Model(Shape("convnet:depth=1,width=2", (1, 8, 8), 10, "float32", "cpu", 1))
        built.set()

    other = threading.Thread(target=build)
    with global_draws(generator(0, "weights")):
        other.start()
        assert not built.wait(0.5)
        drawn = torch.rand(3)
    other.join(20)
    assert built.is_set() and torch.equal(drawn, torch.rand(3, generator=generator(0, "weights")))
