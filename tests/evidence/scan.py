"""The scan for test images: what it finds, what it flags wrongly, and how long it takes.

Wrongly flagged are sets that nobody made from test images: random real images, sets that the evidence store holds, and,
hardest, real images that are in neither split: the holdout, looked up in a dataset whose train split lacks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from benchmark import datasets
from benchmark.datasets import Dataset, Split
from benchmark.progress import say
from benchmark.scan import scan
from benchmark.scan.neighbours import Neighbours, neighbours_of
from benchmark.space import PIXEL
from benchmark.store import Store
from benchmark.synthetic_set import Card, SyntheticSet
from tests.evidence.bench import Bench, Finding, NotHere, spread

NAMES = ("digits", "fashion-mnist", "cifar10")
DRAWS, CLASSIFIERS = 20, 200
Levels = npt.NDArray[Any]


def measure(bench: Bench) -> Finding:
    value: dict[str, Any] = {}
    for name in NAMES:
        try:
            if name != "digits":
                bench.data(name)
        except NotHere as reason:
            say(f"{name} left out: {reason}")
            continue
        say(f"scanning {name}")
        dataset = datasets.load(name)
        value[name] = {"seconds": _seconds(dataset), "wrongly flagged": _honest(dataset, bench.store)}
        value[name] |= {"found": _found(dataset)}
    value["digits"]["nearest-neighbour classifier"] = _classifiers(datasets.load("digits"))
    honest = [one for found in value.values() for one in found["wrongly flagged"].values()]
    sure = ("as they are", "mirrored", "a level off", "noise of 8 levels", "half the contrast")
    checks = {
        "every plain disguise is found": all(value[n]["found"][how]["share"] == 1 for n in value for how in sure),
        "at most 1 % of honest sets are flagged": sum(o["flagged"] for o in honest)
        <= 0.01 * sum(o["n"] for o in honest),
        "500 images within 10 s once the index stands": all(value[n]["seconds"]["500 images"] < 10 for n in value),
    }
    return Finding(
        bar="the scan finds disguised test images, passes honest sets, and costs seconds",
        passed=all(checks.values()),
        value={**checks, **value},
        n=f"{DRAWS} draws of 10 per class for each disguise and each kind of honest set",
        spread="SD over draws",
    )


def _set(images: Levels, dataset: Dataset) -> SyntheticSet:
    tensors = {"images": images, "labels": np.zeros(len(images), dtype=np.int64)}
    return SyntheticSet(tensors, Card(dataset.facts.name, dataset.facts.digest, PIXEL, "evidence"))


def _as_pixels(levels: Levels) -> Levels:
    return np.clip(levels / 255, 0, 1).astype(np.float32)


def _draw(labels: npt.NDArray[np.int64], seed: int, per_class: int = 10) -> npt.NDArray[np.int64]:
    draws = np.random.default_rng(seed)
    return np.concatenate([draws.choice(np.flatnonzero(labels == c), per_class, False) for c in np.unique(labels)])


def _seconds(dataset: Dataset) -> dict[str, float]:
    """CPU seconds: load on the machine does not count."""
    started = time.process_time()
    Neighbours(dataset)
    index = time.process_time() - started
    neighbours_of(dataset)
    rows = np.linspace(0, len(dataset.train) - 1, 500).astype(int)
    noisy = dataset.train.images[rows] + np.random.default_rng(0).normal(0, 20, (500, *dataset.facts.shape))
    started = time.process_time()
    scan(_set(_as_pixels(noisy), dataset), dataset)
    return {"index and calibration": round(index, 2), "500 images": round(time.process_time() - started, 2)}


# Honest sets


def _honest(dataset: Dataset, store: Store) -> dict[str, dict[str, int]]:
    real = (_set(dataset.train.images[_draw(dataset.train.labels, seed)], dataset) for seed in range(DRAWS))
    centres = (_set(_centres(dataset.train, seed), dataset) for seed in range(5))
    learned = [one for one in map(store.read_set, _stored(dataset, store)) if one.card.decoder.name == "identity"]
    found = {
        "random-real": _counted(real, dataset),
        "centres of training images": _counted(centres, dataset),
        "stored sets of learned images": _counted(iter(learned), dataset),
    }
    return {**found, "real images of neither split": _counted(*_of_neither(dataset))}


def _stored(dataset: Dataset, store: Store) -> list[str]:
    cards = {name: store.read_card(name) for name in store.set_digests()}
    return [name for name, card in cards.items() if card.dataset_digest == dataset.facts.digest]


def _of_neither(dataset: Dataset) -> tuple[Iterator[SyntheticSet], Dataset]:
    """Draws of the holdout, and the dataset without it."""
    kept, left = (dataset.indices("train", part) for part in ("minus-holdout", "holdout"))
    train = Split(dataset.train.images[kept], dataset.train.labels[kept])
    smaller = replace(dataset, train=train)
    labels = dataset.train.labels[left]
    sets = (_set(dataset.train.images[left[_draw(labels, seed, 5)]], smaller) for seed in range(5 * DRAWS))
    return sets, smaller


def _counted(sets: Iterator[SyntheticSet], dataset: Dataset) -> dict[str, int]:
    states = [scan(one, dataset).state for one in sets]
    return {"n": len(states), "flagged": states.count("flagged") + states.count("refused")}


def _centres(split: Split, seed: int) -> Levels:
    """Ten centres of each class."""
    flat = split.images.reshape(len(split), -1).astype(np.float32)
    found = [
        KMeans(10, n_init=1, random_state=seed).fit(flat[split.labels == c][:1000]).cluster_centers_
        for c in np.unique(split.labels)
    ]
    return _as_pixels(np.concatenate(found).reshape(-1, *split.images.shape[1:]))


# Test images in disguise


def _disguises(dataset: Dataset) -> dict[str, Callable[[Levels, np.random.Generator], Levels]]:
    train = dataset.train.images

    def mixed(share: float) -> Callable[[Levels, np.random.Generator], Levels]:
        return lambda images, draws: share * images + (1 - share) * train[draws.choice(len(train), len(images))]

    def few(n: int) -> Callable[[Levels, np.random.Generator], Levels]:
        def hidden(images: Levels, draws: np.random.Generator) -> Levels:
            changed = train[draws.choice(len(train), len(images))].astype(np.float64)
            changed[:n] = images[:n] + draws.normal(0, 8, images[:n].shape)
            return changed

        return hidden

    def noise(levels: float) -> Callable[[Levels, np.random.Generator], Levels]:
        return lambda images, draws: images + draws.normal(0, levels, images.shape)

    def blurred(images: Levels, draws: np.random.Generator) -> Levels:
        moves = ((0, 2), (1, 2), (-1, 2), (1, 3), (-1, 3))
        mean: Levels = np.mean([np.roll(images, shift, axis) for shift, axis in moves], axis=0)
        return mean

    return {
        "as they are": lambda images, draws: images,
        "mirrored": lambda images, draws: images[..., ::-1],
        "a level off": lambda images, draws: images + draws.integers(-1, 2, images.shape),
        **{f"noise of {levels} levels": noise(levels) for levels in (8, 16, 32)},
        "half the contrast": lambda images, draws: images / 2 + 60,
        "below one level": lambda images, draws: images / 255 + 120,
        "blurred": blurred,
        "a pixel to the side": lambda images, draws: np.roll(images, 1, 3),
        "mixed 70 : 30 with training images": mixed(0.7),
        "mixed 50 : 50 with training images": mixed(0.5),
        "3 of 100 behind noise": few(3),
        "6 of 100 behind noise": few(6),
    }


def _found(dataset: Dataset) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for how, disguise in _disguises(dataset).items():
        states, near = [], []
        for seed in range(DRAWS):
            images = dataset.test.images[_draw(dataset.test.labels, seed)].astype(np.float64)
            draws = np.random.default_rng(seed)
            draws.shuffle(images)
            found = scan(_set(_as_pixels(disguise(images, draws)), dataset), dataset)
            states.append(found.state)
            near.append(found.near_test)
        caught = states.count("refused") + states.count("flagged")
        told[how] = {"share": caught / DRAWS, "refused": states.count("refused"), "near of 100": spread(near)}
    centres = [scan(_set(_centres(dataset.test, seed), dataset), dataset) for seed in range(5)]
    caught = sum(one.is_suspect for one in centres)
    told["centres of test images"] = {"share": caught / 5, "near of 100": spread([one.near_test for one in centres])}
    return told


def _classifiers(dataset: Dataset) -> dict[str, Any]:
    """What ten test images a class add to the accuracy of a nearest-neighbour classifier, and what the scan says."""
    flat = {name: dataset.split(name).images.reshape(len(dataset.split(name)), -1) / 255 for name in ("train", "test")}
    told: dict[str, Any] = {}
    for name in ("train", "test"):
        labels = dataset.split(name).labels
        draws = [_draw(labels, seed) for seed in range(CLASSIFIERS)]
        fitted = [KNeighborsClassifier(1).fit(flat[name][rows], labels[rows]) for rows in draws]
        told[f"accuracy from ten {name} images a class"] = spread(
            [100 * one.score(flat["test"], dataset.test.labels) for one in fitted]
        )
        states = [scan(_set(dataset.split(name).images[rows], dataset), dataset).state for rows in draws]
        told[f"sets of ten {name} images refused"] = states.count("refused")
    told["the whole test split"] = scan(_set(dataset.test.images, dataset), dataset).state
    return told
