"""The field's usual evaluation loop, written plainly: what the engine is measured against.

Source: `evaluate_synset` and `epoch` of VICO-UoE/DatasetCondensation (`utils.py`) and their copy in
justincui03/dc_benchmark (`evaluator/evaluator_utils.py`), whose behaviour this follows in our own words: the synthetic
set lies on the CPU in a TensorDataset and is collated image by image, each batch is moved, augmented and trained on
in eager float32, loss and predictions come back to the host at every batch; test images are PIL images that go
through ToTensor and Normalize in every pass, under autograd, once after the first epoch and once at the end. One seed
after another. torch's settings are left as they are found. tests/evidence/reference_loop.py times it beside theirs.

Differs: it takes our recipe, architectures and augmentations (parameters for each image drawn on the host, as
theirs are), so that its accuracy can be compared with ours; and it prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from benchmark import augmentation
from benchmark.datasets import Split
from benchmark.engine import Examples, generator
from benchmark.engine.devices import now
from benchmark.recipe import Recipe
from benchmark.space import Space

__all__ = ["Loop", "PilImages", "ReferenceRun", "epoch", "start", "test_loader", "train_and_test", "train_loader"]

TEST_BATCH = 256
Batches = DataLoader[Any]
"""Yields images (n, C, H, W) float32 and class ids (n,) int64."""


@dataclass(frozen=True)
class ReferenceRun:
    """What one seed took and gave."""

    train_seconds: float
    test_seconds: float
    """Both passes over the test split."""
    accuracy_percent: float
    """After the last epoch."""


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """Real images as torchvision's datasets hand them out: a PIL image made and transformed at every access."""

    def __init__(self, split: Split, space: Space) -> None:
        self.images = np.ascontiguousarray(split.images.transpose(0, 2, 3, 1))  # (N, H, W, C) uint8
        self.labels = split.labels.tolist()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(space.mean, space.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels = self.images[index]
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        return self.transform(image), self.labels[index]


def test_loader(split: Split, space: Space) -> Batches:
    return DataLoader(PilImages(split, space), batch_size=TEST_BATCH, shuffle=False, num_workers=0)


def train_loader(examples: Examples, recipe: Recipe, seed: int) -> Batches:
    """The set on the CPU, shuffled anew at every epoch; labels are class ids."""
    images = examples.take(slice(None)).cpu()
    return DataLoader(
        TensorDataset(images, examples.labels.cpu()),
        batch_size=recipe.batch_size,
        shuffle=True,
        num_workers=0,
        generator=generator(seed, "order"),
    )


class Loop:
    """One network under training: its optimizer, its augmentation, and where its schedule stands."""

    def __init__(self, network: nn.Module, examples: Examples, recipe: Recipe, seed: int) -> None:
        self.network, self.recipe, self.seed = network, recipe, seed
        self.shape = examples.facts.shape
        self.device = examples.images.device
        self.mean = torch.tensor(examples.space.mean, device=self.device)
        self.std = torch.tensor(examples.space.std, device=self.device)
        self.augment = augmentation.build(recipe.augmentation, flip=examples.facts.flip)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing).to(self.device)
        self.n_steps = recipe.n_epochs(len(examples)) * recipe.n_batches(len(examples))
        self.step, self.number = 0, 0
        self.optimizer = self._new_optimizer()

    def start_epoch(self, number: int) -> None:
        """Make a new optimizer where the recipe does so at a decay."""
        if self.recipe.decay_resets_momentum and number in self.recipe.decay_epochs:
            self.optimizer = self._new_optimizer()
        self.number = number

    def augmented(self, images: torch.Tensor) -> torch.Tensor:
        if self.recipe.augmentation == "none":
            return images
        draws = self.augment.draw(len(images), self.shape, generator(self.seed, "augmentation", self.step))
        return self.augment.resolve(draws).apply(images, augmentation.move(draws, self.device), self.mean, self.std)

    def update(self, loss: torch.Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step, self.n_steps, self.number)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1

    def _new_optimizer(self) -> torch.optim.Optimizer:
        recipe, parameters = self.recipe, self.network.parameters()
        rate, decay = recipe.learning_rate, recipe.weight_decay
        if recipe.optimizer == "sgd":
            momentum, nesterov = recipe.momentum, recipe.nesterov
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=decay)
        kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
        return kind(parameters, lr=rate, betas=(recipe.momentum, 0.999), weight_decay=decay)


def epoch(loop: Loop, batches: Batches, train: bool) -> tuple[float, float]:
    """One pass over the batches, training or testing; returns mean loss and accuracy (0 to 1)."""
    loop.network.train(train)
    total_loss, n_right, n = 0.0, 0, 0
    for images, labels in batches:
        images = images.float().to(loop.device)
        if train:
            images = loop.augmented(images)
        labels = labels.to(loop.device)
        logits = loop.network(images)
        loss = loop.criterion(logits, labels)
        predicted = np.argmax(logits.detach().cpu().numpy(), axis=-1)
        n_right += int(np.sum(predicted == labels.cpu().numpy()))
        total_loss += loss.item() * len(labels)
        n += len(labels)
        if train:
            loop.update(loss)
    return total_loss / n, n_right / n


def train_and_test(network: nn.Module, examples: Examples, test: Split, recipe: Recipe, seed: int) -> ReferenceRun:
    """Train one network as the field does; `examples` lie on the training device, `test` holds uint8 pixels."""
    loop = Loop(network.to(examples.images.device), examples, recipe, seed)
    batches, tests = train_loader(examples, recipe, seed), test_loader(test, examples.space)
    seconds = {True: 0.0, False: 0.0}

    def timed(batches: Batches, train: bool) -> float:
        started = now(loop.device)
        _, accuracy = epoch(loop, batches, train)
        seconds[train] += now(loop.device) - started
        return accuracy

    for number in range(recipe.n_epochs(len(examples))):
        loop.start_epoch(number)
        timed(batches, True)
        if number == 0:
            timed(tests, False)
    accuracy = timed(tests, False)
    return ReferenceRun(seconds[True], seconds[False], 100 * accuracy)


def start(device: torch.device) -> None:
    """Have a GPU load now what it loads at its first convolution and product, which is nobody's time."""
    if device.type == "cuda":
        network = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 2)).to(device)
        network(torch.randn(2, 4, 8, 8, device=device)).sum().backward()
    now(device)
