"""datadam: attention maps, the loss by hand, what is left without attention, resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.datadam import DataDAM, attention
from baselines.dm import DM
from benchmark import run as run_module
from benchmark.engine.passes import Passes, record
from benchmark.run import Run, TrialOver
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]
SMALL: dict[str, Any] = {"iterations": 5, "batch_real": 6, "architecture": "convnet:depth=2,width=4"}
TWO = Real("digits", classes=(0, 1))


def test_attention_is_the_sum_of_powers_over_channels_at_length_1() -> None:
    activations = torch.tensor([[[[1.0, 2.0]], [[2.0, 0.0]]]])  # one image, two channels of 1x2
    # p = 4: 1 + 16 = 17 and 16; p = 1: 3 and 2
    torch.testing.assert_close(attention(activations, 4.0), torch.tensor([[17.0, 16.0]]) / (17**2 + 16**2) ** 0.5)
    torch.testing.assert_close(attention(activations, 1.0), torch.tensor([[3.0, 2.0]]) / 13**0.5)
    torch.testing.assert_close(attention(2 * activations, 4.0), attention(activations, 4.0))


def test_the_loss_is_the_published_one(new_run: RunMaker) -> None:
    run, built = new_run(), DataDAM(architecture="convnet:depth=3,width=4", feature_weight=2.0, exponent=3.0)
    network = run.network(built.architecture, 0)
    real, synthetic = ([torch.randn(n, 1, 8, 8) for _ in range(2)] for n in (5, 3))
    layers: Any = network.body
    maps: dict[int, torch.Tensor] = {}
    wanted = 0.0
    for one, other in zip(real, synthetic, strict=True):
        means = []
        for batch in (one, other):
            for place, layer in enumerate(layers):  # blocks of convolution, norm, ReLU, pooling
                batch = maps[place] = layer(batch)
            looks = []
            for place in (2, 6):
                power = (maps[place] ** 3).sum(dim=1).flatten(1)
                looks.append((power / power.norm(dim=1, keepdim=True)).mean(dim=0))
            means.append((*looks, batch.flatten(1).mean(dim=0)))
        *looks, features = [((a - b) ** 2).sum().item() for a, b in zip(*means, strict=True)]
        wanted += 100 * sum(looks) + 2 * features
    passes = Passes.of(built.architecture, run.facts, run.device)
    assert built.distance(network, passes, real, synthetic).item() == pytest.approx(wanted, rel=1e-4)


def test_without_attention_it_is_dm(new_run: RunMaker) -> None:
    bare = DataDAM(**SMALL, attention_weight=0.0)
    found = bare.distill(TWO, Budget(ipc=2), new_run(real=TWO)).tensors["images"]
    wanted = DM(**SMALL).distill(TWO, Budget(ipc=2), new_run(real=TWO)).tensors["images"]
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(wanted), atol=1e-6, rtol=0)
    with_it = replace(bare, attention_weight=100.0).distill(TWO, Budget(ipc=2), new_run(real=TWO)).tensors["images"]
    assert abs(with_it - wanted).max() > 1e-3


def test_all_layers_but_the_last_are_looked_at(new_run: RunMaker) -> None:
    network = new_run().network("convnet:depth=2,width=4", 0)
    seen = record(network, torch.randn(3, 1, 8, 8))
    assert [tuple(layer.shape) for layer in seen.maps] == [(3, 4, 8, 8), (3, 4, 4, 4)]
    assert [tuple(part.shape) for part in DataDAM().describe(seen)] == [(3, 64), (3, 16)]


def test_a_killed_run_goes_on_to_the_set_of_an_undisturbed_one(
    new_run: RunMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = DataDAM(**SMALL)
    undisturbed = built.distill(TWO, Budget(ipc=1), new_run(real=TWO))
    monkeypatch.setattr(run_module, "CHECKPOINT_EVERY", 0.0)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(TrialOver):
        built.distill(TWO, Budget(ipc=1), new_run(real=TWO, work=work, trial_steps=3))
    assert built.distill(TWO, Budget(ipc=1), new_run(real=TWO, work=work)).digest == undisturbed.digest


def test_whitened_images_stay_whitened(new_run: RunMaker) -> None:
    made = DataDAM(**{**SMALL, "statistics": "zca", "learning_rate": 1e-12}).distill(
        TWO, Budget(ipc=1), new_run(real=TWO)
    )
    assert made.card.space.kind == "zca"
    run = new_run(real=TWO)
    pixels = run.whitened().to_pixel(torch.from_numpy(made.tensors["images"]))
    torch.testing.assert_close(pixels, run.images(run.random_rows(1)) / 255, atol=1e-4, rtol=0)
