"""Losses as recipes name them."""

from __future__ import annotations

import pytest

from benchmark.errors import DistillBenchError, UsageError
from benchmark.loss import Loss, parse
from benchmark.recipe import Recipe


def test_a_loss_is_read_with_its_weights() -> None:
    assert parse("cross-entropy") == Loss()
    assert parse("der++:alpha=0.2,beta=1") == Loss("der++", (("alpha", 0.2), ("beta", 1.0)))
    assert parse("der++") == Loss("der++", (("alpha", 0.5), ("beta", 0.5)))
    assert (parse("zipf:power=2")["weight"], parse("zipf:power=2")["power"]) == (0.1, 2.0)
    assert (parse("crd:width=64")["width"], parse("crd")["temperature"]) == (64.0, 0.07)
    assert (parse("cross-entropy").n_memory_batches, parse("der++").n_memory_batches) == (1, 2)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("der+", "unknown loss 'der\\+'. Did you mean 'der\\+\\+'"),
        ("cross-entropy:alpha=1", "alpha"),
        ("der++:gamma=1", "gamma"),
        ("der++:alpha=-1", "0 or above"),
        ("der++:alpha=1e9", "at most 1000"),
        ("crd:temperature=0", "at least 0.001"),
        ("crd:width=0", "at least 1"),
        ("zipf:width=3", "width"),
    ],
)
def test_a_wrong_loss_is_refused_with_a_reason(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse(spec)
    with pytest.raises(DistillBenchError):
        Recipe("r").vary(loss=spec)
