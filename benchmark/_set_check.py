"""Measures a synthetic set's tensors against its card and its dataset; every independent problem is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmark import datasets, registry
from benchmark._strict import shown
from benchmark.datasets import DatasetFacts
from benchmark.datasets._own import recorded
from benchmark.errors import InvalidInput, UsageError, unknown_name
from benchmark.synthetic_set import labels_array

if TYPE_CHECKING:
    from benchmark.space import Space
    from benchmark.synthetic_set import Array, Card, SyntheticSet

__all__ = ["problems"]

IMAGE_DTYPES = ("uint8", "float16", "float32")
LABEL_DTYPES = ("uint8", "int16", "int32", "int64")
SOFT_DTYPES = ("float16", "float32")
TENSORS: Mapping[str, tuple[str, ...]] = {
    "identity": ("images", "labels"),
    "indices": ("indices", "labels"),
    "multi-formation": ("images", "labels"),
}
"""What each decoder reads; others declare theirs in their module's TENSORS."""
LARGEST_FACTOR = 16
"""Formations on a side of an image; the pieces of a larger one would be pixels."""
LARGEST = 2**31
"""Bytes of one tensor that are looked at; a distilled set is far smaller."""
MARGIN = 10.0
"""How far beyond 0..1 the middle 98 % of a set may reach, in pixel units: distilled images overshoot."""


def problems(synthetic: SyntheticSet) -> list[str]:
    """One line for each thing that is wrong, empty when nothing is."""
    card, tensors = synthetic.card, synthetic.tensors
    try:
        facts = _facts(card.dataset)
    except UsageError as fault:
        return [f"card.json: {fault}"]
    found = []
    if facts.digest and card.dataset_digest != facts.digest:
        found.append(
            f"card.json: dataset_digest {card.dataset_digest[:12]}… is not that of {card.dataset!r} here "
            f"({facts.digest[:12]}…). Fix: write the digest that `distillbench list dataset` shows."
        )
    expected = _expected_tensors(card.decoder.name)
    if set(tensors) != set(expected):
        return [
            *found,
            f"tensors.safetensors holds {shown(sorted(tensors))}; the decoder {card.decoder.name!r} reads "
            f"{' and '.join(expected)}, no more and no less.",
        ]
    empty = [name for name, tensor in tensors.items() if tensor.size == 0]
    large = [name for name, tensor in tensors.items() if tensor.nbytes > LARGEST]
    if empty or large:
        return [*found, *(f"tensor {n!r} is empty." for n in empty), *(f"tensor {n!r} exceeds 2 GiB." for n in large)]
    if "images" in tensors:
        found += _images(synthetic, tensors["images"], facts)
    if "indices" in tensors:
        found += _indices(tensors["indices"], facts)
    return found + list(_labels(synthetic, facts)) + list(_decoder_problems(synthetic, facts))


def _decoder_problems(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    """What a decoder's own `problems(synthetic, facts)` finds, where its module has one."""
    name = synthetic.card.decoder.name
    check = None if name in TENSORS else getattr(registry.module("decoder", name), "problems", None)
    yield from check(synthetic, facts) if check else ()


def _facts(name: str) -> DatasetFacts:
    """Facts of a dataset that a card names. Never a path: a stranger's card must not make us read a folder here."""
    if name not in registry.names("dataset") and recorded(name) is None:
        own = "Own data are known by the stored name that they got when this machine first read them."
        raise UsageError(f"{unknown_name('dataset', name, registry.names('dataset'))} {own}")
    return datasets.facts(name)


def _expected_tensors(decoder: str) -> tuple[str, ...]:
    if decoder in TENSORS:
        return TENSORS[decoder]
    declared = getattr(registry.module("decoder", decoder), "TENSORS", None)
    if not isinstance(declared, tuple) or not all(isinstance(name, str) for name in declared):
        raise InvalidInput(f"decoder {decoder!r} needs a line such as TENSORS = ('images', 'labels').")
    return declared


def _images(synthetic: SyntheticSet, images: Array, facts: DatasetFacts) -> Iterator[str]:
    if str(images.dtype) not in IMAGE_DTYPES:
        yield f"tensor 'images' has dtype {images.dtype}; allowed: {', '.join(IMAGE_DTYPES)}."
        return
    if images.ndim != 4 or images.shape[1:] != facts.shape:
        looks = images.ndim == 4 and images.shape[1:] == (*facts.shape[1:], facts.shape[0])
        hint = " It looks like NHWC. Fix: transpose(0, 3, 1, 2)." if looks else ""
        needed = ", ".join(map(str, facts.shape))
        yield f"tensor 'images' has shape {images.shape}; {facts.name} needs (N, {needed}).{hint}"
        return
    bad = np.flatnonzero(~np.isfinite(images)) if images.dtype != np.uint8 else np.empty(0)
    if len(bad):
        yield f"tensor 'images' holds {len(bad)} values that are NaN or infinite, the first at flat index {bad[0]}."
        return
    yield from _space(synthetic, images.astype(np.float32), facts)


def _space(synthetic: SyntheticSet, images: Array, facts: DatasetFacts) -> Iterator[str]:
    """Compare what the card declares with what the numbers look like."""
    space = synthetic.card.space
    if synthetic.tensors["images"].dtype == np.uint8:
        if space.kind != "pixel":
            yield f"tensor 'images' is uint8, which is pixel space, but the card declares {space.kind!r}."
        return
    if space.kind == "standardized" and len(space.mean) != facts.shape[0]:
        yield f"space has {len(space.mean)} means for images of {facts.shape[0]} channels."
        return
    if space.kind == "zca":
        return
    with np.errstate(all="ignore"):  # numbers of any size may come; what overflows is far from fitting
        yield from _range(space, images)


def _range(space: Space, images: Array) -> Iterator[str]:
    """Whether the values of images (N, C, H, W) lie where those of their space do."""
    pixels = space.to_pixel(images)
    (low, high), (pixel_low, pixel_high) = np.percentile(images, [1, 99]), np.percentile(pixels, [1, 99])
    measured = f"measured: 1 to 99 % of the values lie in {low:.2f} … {high:.2f}, mean {images.mean():.2f}"
    as_distilled = 'Fix: declare {"kind": "standardized", "mean": […], "std": […]} with the numbers of distillation'
    if not (pixel_low >= -MARGIN and pixel_high <= 1 + MARGIN):
        hint = f"images in another space. {as_distilled}"
        if high > 20:
            hint = "pixels of 0 to 255. Fix: divide them by 255, or store them as uint8"
        elif space.kind == "standardized" and pixel_high > 20:
            hint = "images standardized by a mean and std of 0 to 255. Fix: divide both by 255"
        yield f"space is declared {space.kind!r}, but the images do not fit it ({measured}). They resemble {hint}."
    elif space.kind == "pixel" and low < -0.25:
        resemble = f"They resemble standardized images. {as_distilled}"
        yield f"space is declared 'pixel', but many values are below 0 ({measured}). {resemble}."
    elif space.kind == "standardized" and 0 <= images.min() < images.max() <= 1 and max(space.std) < 1:
        yield (
            f"space is declared 'standardized', but every value lies in 0..1 ({measured}). They resemble pixels. "
            'Fix: declare {"kind": "pixel"}.'
        )


def _indices(indices: Array, facts: DatasetFacts) -> Iterator[str]:
    if str(indices.dtype) not in LABEL_DTYPES or indices.ndim != 1:
        yield f"tensor 'indices' is {indices.dtype} of shape {indices.shape}; it must be whole numbers of shape (N,)."
    elif indices.min() < 0 or indices.max() >= facts.n_train:
        worst = indices[(indices < 0) | (indices >= facts.n_train)][0]
        yield f"tensor 'indices' holds {worst}; {facts.name} has training images 0 to {facts.n_train - 1}."


def _labels(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    labels, card, n_classes = synthetic.tensors["labels"], synthetic.card, len(facts.classes)
    check = _hard_labels(labels, n_classes, facts.name)
    if card.labels.kind != "hard":
        check = _soft_labels(labels, card.labels.kind, n_classes)
    found = list(check)
    yield from found
    if not found and card.decoder.name in TENSORS:
        yield from _counts(synthetic, n_classes)


def _counts(synthetic: SyntheticSet, n_classes: int) -> Iterator[str]:
    """Whether there are as many images as labels, and as many as the card says."""
    labels, ipc = synthetic.tensors["labels"], synthetic.card.ipc
    classes = list(range(n_classes) if synthetic.card.classes is None else synthetic.card.classes)
    wrong = sorted(set(labels_array(synthetic).tolist()) - set(classes))
    if wrong or max(classes) >= n_classes:
        yield f"card.json says that the set is of the classes {shown(classes)}, but there are others: {shown(wrong)}."
        return
    stored = synthetic.tensors[TENSORS[synthetic.card.decoder.name][0]]
    formations = _formations(synthetic.card)
    if stored.ndim and len(labels) != len(stored) * formations:
        yield f"there are {len(stored) * formations} images but {len(labels)} labels."
    elif labels.ndim == 1:
        counts = np.bincount(labels.astype(np.int64), minlength=n_classes) // formations
        if ipc is not None and (counts[classes] != ipc).any():
            yield f"card.json says {ipc} images per class, but the classes hold {shown(counts.tolist())}."
    elif ipc is not None and len(stored) != ipc * len(classes):
        yield f"card.json says {ipc} images per class, {ipc * len(classes)} in all, but there are {len(stored)}."


def _formations(card: Card) -> int:
    """How many images, each with its label, a stored image becomes."""
    factor = dict(card.decoder.options).get("factor", 2) if card.decoder.name == "multi-formation" else 1
    return factor**2 if type(factor) is int and 1 <= factor <= LARGEST_FACTOR else 1


def _hard_labels(labels: Array, n_classes: int, dataset: str) -> Iterator[str]:
    if str(labels.dtype) not in LABEL_DTYPES or labels.ndim != 1:
        yield (
            f"tensor 'labels' is {labels.dtype} of shape {labels.shape}; hard labels are whole numbers of shape (N,). "
            'Fix: store class ids, or declare "labels": {"kind": "probabilities"}.'
        )
        return
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        yield f"tensor 'labels' holds {wrong[0]}; {dataset} has classes 0 to {n_classes - 1}."


def _soft_labels(labels: Array, kind: str, n_classes: int) -> Iterator[str]:
    if str(labels.dtype) not in SOFT_DTYPES or labels.ndim != 2 or labels.shape[1] != n_classes:
        needed = f"float32 or float16 of shape (N, {n_classes})"
        yield f"tensor 'labels' is {labels.dtype} of shape {labels.shape}; {kind} are {needed}."
        return
    exact = labels.astype(np.float64)
    if not np.isfinite(exact).all():
        yield "tensor 'labels' holds values that are NaN or infinite."
    elif kind == "probabilities" and (exact.min() < 0 or np.abs(exact.sum(axis=1) - 1).max() > 1e-3):
        yield "tensor 'labels' is declared probabilities, but some rows are negative or do not sum to 1 (± 0.001)."
    elif kind == "logits" and np.abs(exact).max() > 1e4:
        yield "tensor 'labels' is declared logits, but some exceed ± 10,000."
