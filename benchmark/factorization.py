"""Sets stored as bases and styles: every base goes through every style, a network of two small convolutions.

Liu et al. (2022), Dataset Distillation via Factorization (HaBa), section 3.2; the network is `StyleTranslator` of
Huage001/DatasetFactorization, utils.py (commit 60c9128): a convolution without padding, `scale` times its output plus
`shift`, a transposed convolution back to the size of the image; nothing is cut off or squashed in between or after.

Differs: all bases under all styles at once, where the authors draw one style for each base and epoch. Differs: the
authors subtract the mean of each batch, training and test alike, and divide by its SD, over all channels together. A
recipe tests here on images as they are, so the decoded images are moved to the mean and SD that real images have in the
card's space, once for all of them: the same up to what batches differ by, and test images tell nothing of each other.

Computed in float64 and rounded once, so that machines agree to the last digits of float32. Free of torch, so that a set
can be checked and drawn by `submit`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import InvalidInput

if TYPE_CHECKING:
    from benchmark.datasets import DatasetFacts
    from benchmark.space import Space
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["PARTS", "TENSORS", "decode", "matching", "of_set", "problems"]

PARTS = ("enc_weight", "enc_bias", "scale", "shift", "dec_weight", "dec_bias")
"""Of a style, each stacked over the styles along its first axis."""
TENSORS = ("bases", *PARTS, "labels")
DTYPES = ("float16", "float32")
MOST_CHANNELS, LARGEST_KERNEL = 16, 7
MOST_STEPS = 2**34
"""Multiplications of one decoding, some eight seconds; 50,000 CIFAR images by the published network take 7.3e9."""
LEAST_STEPS = 2**15
"""What a product of two matrices costs at least, however small: 20 microseconds, as long as so many multiplications."""
MOST_BYTES = 2**31
"""Of the decoded images."""
CHUNK = 64
"""Bases that go through a style together: their float64 planes stay in the cache."""
SMALLEST_STD, LARGEST = 1e-4, 1000.0
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


def decode(tensors: Mapping[str, Array], facts: DatasetFacts, mean: float = 0.0, std: float = 1.0) -> Floats:
    """The images (S·N, C, H, W) of N bases under S styles, with this mean and SD over all of them.

    Style by style: first every base under the first, then every base under the next. Raises InvalidInput before
    anything is computed where a shape does not fit, and after where the images are flat or not finite.
    """
    wrong = [*_forms(tensors, facts), *_options(mean, std)]
    if wrong:
        raise InvalidInput("\n".join(wrong))
    bases, n_styles = tensors["bases"], len(tensors["scale"])
    decoded = np.empty((n_styles * len(bases), *facts.shape), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        for style in range(n_styles):
            parts = {name: tensors[name][style].astype(np.float64) for name in PARTS}
            for start in range(0, len(bases), CHUNK):
                some = bases[start : start + CHUNK]
                first = style * len(bases) + start
                decoded[first : first + len(some)] = _styled(some.astype(np.float64), parts)
    return _moved(decoded, mean, std)


def of_set(synthetic: SyntheticSet, facts: DatasetFacts) -> Floats:
    """The decoded images of a set, by its card's options."""
    return decode(synthetic.tensors, facts, **dict(synthetic.card.decoder.options))


def matching(space: Space, facts: DatasetFacts) -> tuple[float, float]:
    """Mean and SD over all values of the dataset's training images in a space; `zca` must be bound.

    From the facts alone, but for `zca`, of which the matrix F = (C + eps)^-1/2 tells that the mean is 0 and the
    variance tr(C F²) / D, so 1 - eps tr(F²) / D.
    """
    if space.whitening is not None:
        forward = space.whitening.forward.astype(np.float64)
        return 0.0, math.sqrt(1 - space.eps * float((forward**2).sum()) / len(forward))
    real = facts.statistics["dataset"]
    shift, scale = (np.array(space.mean), np.array(space.std)) if space.kind == "standardized" else (0.0, 1.0)
    means, stds = (np.array(real.mean) - shift) / scale, np.array(real.std) / scale
    return float(means.mean()), math.sqrt(float((stds**2).mean() + means.var()))


def problems(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    """What is wrong with a set of bases and styles, one line each; it is decoded once, within bounds."""
    options = {"mean": 0.0, "std": 1.0, **dict(synthetic.card.decoder.options)}
    found = [*_forms(synthetic.tensors, facts), *_options(**options)]
    if synthetic.card.ipc is not None:
        found.append(
            "the decoder makes more images than are stored, so the card states no images per class. Fix: "
            'leave "ipc" out; bytes say what the set takes.'
        )
    if not found and synthetic.card.space.kind != "zca":
        found += _scaling(options, synthetic.card.space, facts)
    yield from found
    if not found:
        try:
            images = of_set(synthetic, facts)
        except InvalidInput as fault:
            yield str(fault)
            return
        if all((image == images[0]).all() for image in images):
            yield "all decoded images are the same. Fix: store the bases and styles that were learned."


def _styled(bases: Array, style: Mapping[str, Array]) -> Array:
    """One chunk of bases (n, c, H, W) under one style: (n, C, H, W) float64."""
    kernel = style["enc_weight"].shape[-1]
    height, width = style["scale"].shape[1:]
    places = [(i, j) for i in range(kernel) for j in range(kernel)]
    planes = bases.transpose(1, 0, 2, 3)  # (c, n, H, W), so that channels are summed by one product of matrices
    hidden = np.zeros((len(style["enc_weight"]), len(bases), height, width))
    for i, j in places:
        window = planes[:, :, i : i + height, j : j + width]
        hidden += np.tensordot(style["enc_weight"][:, :, i, j], window, axes=1)
    hidden += style["enc_bias"][:, None, None, None]
    hidden = hidden * style["scale"][:, None] + style["shift"][:, None]
    out = np.zeros((style["dec_weight"].shape[1], *planes.shape[1:]))
    for i, j in places:
        out[:, :, i : i + height, j : j + width] += np.tensordot(style["dec_weight"][:, :, i, j].T, hidden, axes=1)
    out += style["dec_bias"][:, None, None, None]
    return out.transpose(1, 0, 2, 3)


def _moved(decoded: Floats, mean: float, std: float) -> Floats:
    """The images with another mean and SD, in place; raises InvalidInput where they have none to begin with."""
    chunks = [decoded[start : start + CHUNK] for start in range(0, len(decoded), CHUNK)]
    if not all(np.isfinite(chunk).all() for chunk in chunks):
        raise InvalidInput("decoded images are NaN or infinite. Fix: take a state of the run before they grew.")
    centre = sum(float(chunk.sum(dtype=np.float64)) for chunk in chunks) / decoded.size
    spread = math.sqrt(sum(float(((chunk.astype(np.float64) - centre) ** 2).sum()) for chunk in chunks) / decoded.size)
    if spread <= 1e-6 * abs(centre) or spread < 1e-30:
        raise InvalidInput(
            "the decoded images are flat: every pixel is the same. Fix: store the styles that were learned."
        )
    for chunk in chunks:
        chunk[:] = (chunk.astype(np.float64) - centre) * (std / spread) + mean
    return decoded


def _forms(tensors: Mapping[str, Array], facts: DatasetFacts) -> Iterator[str]:
    """Whether all shapes and dtypes fit each other and the dataset, without a value."""
    wrong = [name for name in ("bases", *PARTS) if tensors[name].dtype.name not in DTYPES]
    if wrong:
        found = ", ".join(f"{name} {tensors[name].dtype}" for name in wrong)
        yield f"bases and styles are float32 or float16, but there is {found}."
    elif tensors["bases"].ndim != 4 or tensors["enc_weight"].ndim != 5:
        yield "tensor 'bases' has shape (N, c, H, W), tensor 'enc_weight' (S, m, c, k, k)."
    else:
        yield from _sizes(tensors, facts)


def _sizes(tensors: Mapping[str, Array], facts: DatasetFacts) -> Iterator[str]:
    (n_bases, inner, *_), (n_styles, middle, _, kernel, _) = tensors["bases"].shape, tensors["enc_weight"].shape
    channels, height, width = facts.shape
    small = (height - kernel + 1, width - kernel + 1)
    if not n_bases * n_styles:
        yield f"there are {n_bases} bases and {n_styles} styles; each needs one or more."
    if not all(1 <= size <= MOST_CHANNELS for size in (inner, middle)):
        yield f"bases have {inner} channels and styles {middle} inside; 1 to {MOST_CHANNELS} are decoded."
    if not 1 <= kernel <= min(LARGEST_KERNEL, height, width):
        yield f"the styles' kernels are {kernel} wide; 1 to {min(LARGEST_KERNEL, height, width)} are decoded."
        return
    due = {
        "bases": (n_bases, inner, height, width),
        "enc_weight": (n_styles, middle, inner, kernel, kernel),
        "enc_bias": (n_styles, middle),
        "scale": (n_styles, middle, *small),
        "shift": (n_styles, middle, *small),
        "dec_weight": (n_styles, middle, channels, kernel, kernel),
        "dec_bias": (n_styles, channels),
    }
    for name, shape in due.items():
        if tensors[name].shape != shape:
            yield f"tensor {name!r} has shape {tensors[name].shape}, where {facts.name} and the others need {shape}."
    n_images, n_labels = n_bases * n_styles, len(tensors["labels"])
    if n_images > facts.n_train:
        yield f"{n_images:,} decoded images are more than {facts.name} has training images ({facts.n_train:,})."
    if n_labels != n_images:
        yield f"{n_bases} bases under {n_styles} styles need {n_images} labels, style by style, not {n_labels}."
    if n_images * math.prod(facts.shape) * 4 > MOST_BYTES:
        yield f"the decoded images take more than {MOST_BYTES:,} bytes. Fix: take fewer bases or styles."
    products = 2 * kernel**2 * n_styles * -(-n_bases // CHUNK)
    steps = n_images * kernel**2 * middle * (inner + channels) * math.prod(small)
    if steps + products * LEAST_STEPS > MOST_STEPS:
        yield f"decoding them takes more than {MOST_STEPS:,} multiplications. Fix: take fewer channels or styles."


def _options(mean: Any, std: Any) -> Iterator[str]:
    """Whether the card's options are numbers that images can have."""
    for name, value, least in (("mean", mean, -LARGEST), ("std", std, SMALLEST_STD)):
        if type(value) not in (int, float) or not least <= value <= LARGEST:
            yield f"option {name!r} of the decoder is {value!r}; it must be a number of {least:g} to {LARGEST:g}."


def _scaling(options: Mapping[str, float], space: Space, facts: DatasetFacts) -> Iterator[str]:
    """Whether decoded images would stand where those of the card's space do."""
    mean, std = matching(space, facts)
    if abs(options["mean"] - mean) > std / 2 or not std / 2 <= options["std"] <= std * 2:
        yield (
            f"the images are decoded to mean {options['mean']:g} and SD {options['std']:g}, but those of {facts.name} "
            f"have {mean:.4g} and {std:.4g} in the space {space.kind!r}. Fix: state these as the decoder's options."
        )
