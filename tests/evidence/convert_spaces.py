"""The converter's measurement of value spaces on CIFAR-10: the right one is never refused, a wrong one is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark import datasets
from benchmark.convert import _space
from benchmark.errors import InvalidInput
from tests.evidence.bench import Bench, Finding

Array = npt.NDArray[Any]
DRAWS, FITTED = 100, 12_000
SPACES = ("pixel", "0-255", "standardized:dataset", "standardized:vico", "zca:kornia", "zca:kip")
SIZES = (1, 10)


def measure(bench: Bench) -> Finding:
    bench.data("cifar10")
    dataset = datasets.load("cifar10")
    rng = np.random.default_rng(0)
    fitted = dataset.train.images[rng.permutation(len(dataset.train.images))[:FITTED]].astype(np.float32) / 255
    counts = {
        kind: {"right refused": 0, "wrong refused": 0, "wrong": 0, "resembled right": 0, "n": 0} for kind in DRIFTS
    }
    in_spaces = {text: _Space(text, fitted, dataset.facts) for text in SPACES}
    for drawn in _draws(dataset.train, rng):
        for kind, drift in DRIFTS.items():
            for text, space in in_spaces.items():
                _count(counts[kind], text, drift(space.of(drawn), rng), dataset.facts)
    real, drifted = counts["real images"], counts["noise and contrast"]
    return Finding(
        bar="converting CIFAR-10: no right space is refused, real or drifted; a wrong one is, of 95 % of real images",
        passed=not real["right refused"]
        and not drifted["right refused"]
        and real["wrong refused"] >= 0.95 * real["wrong"],
        value=counts,
        n=f"{DRAWS} draws of 1 or 10 real images a class in {len(SPACES)} spaces; whitening of {FITTED:,} images",
        spread="none: counts",
        details={"drift": "Gaussian noise of half the SD of each set added, then contrast times 1.5"},
    )


def _drift(images: Array, rng: np.random.Generator) -> Array:
    """Noise and contrast, as distilled images have more of both than real ones."""
    noisy = images + 0.5 * images.std() * rng.normal(size=images.shape)
    drifted: Array = ((noisy - noisy.mean()) * 1.5 + noisy.mean()).astype(np.float32)
    return drifted


DRIFTS = {"real images": lambda images, rng: images, "noise and contrast": _drift}


def _draws(train: datasets.Split, rng: np.random.Generator) -> Iterator[Array]:
    for draw in range(DRAWS):
        rows = [rng.choice(np.flatnonzero(train.labels == label), SIZES[draw % 2]) for label in range(10)]
        yield train.images[np.concatenate(rows)].astype(np.float32) / 255


def _count(counts: dict[str, int], text: str, images: Array, facts: datasets.DatasetFacts) -> None:
    measured, family = _space.measure(images, facts), text.partition(":")[0]
    counts["n"] += 1
    counts["resembled right"] += measured.nearest == family
    for said in SPACES:
        is_refused = _is_refused(said, measured, facts)
        if said.partition(":")[0] == family:  # of one family the numbers cannot tell
            counts["right refused"] += is_refused and said == text
        else:
            counts["wrong"] += 1
            counts["wrong refused"] += is_refused


def _is_refused(said: str, measured: _space.Measured, facts: datasets.DatasetFacts) -> bool:
    try:
        _space.check(_space.declared(said, facts), said, measured, as_declared=False)
    except InvalidInput:
        return True
    return False


class _Space:
    """Turns pixels into one of the spaces."""

    def __init__(self, text: str, fitted: Array, facts: datasets.DatasetFacts) -> None:
        self.text, self.declared = text, _space.declared(text, facts)
        flat = self._prepared(fitted)
        self.mean = flat.mean(axis=0)
        if self.declared.space.kind == "zca":
            self.matrix = self._whitening(flat)

    def _prepared(self, images: Array) -> Array:
        """(N, D); KIP takes each image less its mean, at length 1."""
        flat: Array = images.reshape(len(images), -1)
        if self.text == "zca:kip":
            flat = flat - flat.mean(axis=1, keepdims=True)
            flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        return flat

    def _whitening(self, flat: Array) -> Array:
        centred = flat if self.text == "zca:kip" else flat - self.mean
        values, vectors = np.linalg.eigh(centred.T @ centred / (len(flat) - 1))
        eps = 0.1 * values.clip(0).mean() if self.text == "zca:kip" else 0.1
        matrix: Array = (vectors / np.sqrt(values.clip(0) + eps)) @ vectors.T
        return matrix

    def of(self, pixels: Array) -> Array:
        space = self.declared.space
        if space.kind != "zca":
            return np.asarray(space.from_pixel(pixels) * np.float32(self.declared.divisor))
        flat = self._prepared(pixels)
        centred = flat if self.text == "zca:kip" else flat - self.mean
        return (centred @ self.matrix).reshape(pixels.shape).astype(np.float32)
