"""Measures a synthetic set's tensors against its card and its dataset; every independent problem is told at once.

What the header alone tells (`in_header`: names, dtypes, shapes, numbers of images) comes before what the values tell
(`in_values`), so that a file which cannot be right is never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmark import datasets, registry
from benchmark.datasets import DatasetFacts
from benchmark.datasets._own import recorded
from benchmark.errors import DistillBenchError, InvalidInput, unknown_name
from benchmark.refusals import Problem, refusal, shown
from benchmark.synthetic_set import labels_array

if TYPE_CHECKING:
    from benchmark.space import Space
    from benchmark.synthetic_set import Array, Card, SyntheticSet

__all__ = ["Form", "budget", "expected_tensors", "facts_of", "in_header", "in_values", "not_finite", "problems"]

FILE = "tensors.safetensors"
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
"""Bytes of one set that are looked at; a distilled set is far smaller."""
MARGIN = 10.0
"""How far beyond 0..1 the middle 98 % of a set may reach, in pixel units: distilled images overshoot."""
CHUNK = 2**20
"""Values that are looked at together, so that a check needs little memory beside the set itself."""
SAMPLE = 2**22
"""Values that the percentiles are taken from, evenly spread over the images."""


class Form(Protocol):
    """The dtype and shape of a tensor: of an array, or of a header's entry."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


def problems(synthetic: SyntheticSet) -> list[Problem]:
    """Everything that is wrong, empty when nothing is."""
    foreign = [
        Problem("E213", FILE, "the tensor is no plain array", name, shown(type(tensor).__name__), "numpy.ndarray")
        for name, tensor in synthetic.tensors.items()
        if not isinstance(tensor, np.ndarray) or tensor.dtype.hasobject
    ]
    if foreign:
        return foreign
    try:
        facts = facts_of(synthetic.card)
    except InvalidInput as fault:
        return list(fault.problems)
    found = in_header(synthetic.card, synthetic.tensors, facts)
    return found + in_values(synthetic, found, facts)


def facts_of(card: Card) -> DatasetFacts:
    """Facts of the dataset that a card names; raises InvalidInput where there is none.

    Never a path: a stranger's card must not make us read a folder here.
    """
    name = card.dataset
    if name not in registry.names("dataset") and recorded(name) is None:
        own = "Own data are known by the stored name that they got when this machine first read them"
        text = f"{unknown_name('dataset', name, registry.names('dataset'))} {own}"
        raise refusal([Problem("E309", "card.json", text, "dataset")])
    return datasets.facts(name)


def budget(facts: DatasetFacts) -> int:
    """Bytes that a set of this dataset may have: its training images and a soft label each, all as float32."""
    return min(LARGEST, facts.n_train * 4 * (int(np.prod(facts.shape)) + len(facts.classes)))


def in_header(card: Card, forms: Mapping[str, Form], facts: DatasetFacts) -> list[Problem]:
    """What card, names, dtypes and shapes tell, without a value."""
    found = []
    if facts.digest and card.dataset_digest != facts.digest:
        what = f"not the digest of {card.dataset} here"
        fix = "write the digest that `distillbench list dataset` shows, if you distilled these very images"
        got, limit = f"{card.dataset_digest[:12]}…", f"{facts.digest[:12]}…"
        found.append(Problem("E309", "card.json", what, "dataset_digest", got, limit, fix))
    expected = expected_tensors(card.decoder.name)
    if set(forms) != set(expected):
        what = f"the decoder {card.decoder.name!r} reads other tensors"
        return [*found, Problem("E110", FILE, what, got=shown(sorted(forms)), limit=" and ".join(expected))]
    sizes = {name: int(np.prod(form.shape, dtype=object)) * form.dtype.itemsize for name, form in forms.items()}
    found += [Problem("E206", FILE, "the tensor is empty", name) for name, size in sizes.items() if not size]
    if sum(sizes.values()) > LARGEST:
        got = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        found.append(Problem("E209", FILE, "the set is too large", got=f"{got} bytes", limit=f"{LARGEST:,}"))
    found += _image_form(card, forms["images"], facts) if "images" in forms else _channels(card, facts)
    if "indices" in forms and (_name(forms["indices"]) not in LABEL_DTYPES or len(forms["indices"].shape) != 1):
        code = "E112" if len(forms["indices"].shape) == 1 else "E206"
        what = "indices are whole numbers of shape (N,)"
        found.append(Problem(code, FILE, what, "indices", _form(forms["indices"]), ", ".join(LABEL_DTYPES)))
    if "labels" in forms:
        found += _label_form(card, forms["labels"], len(facts.classes))
    return found + ([] if found else list(_numbers(card, forms, len(facts.classes))))


def in_values(synthetic: SyntheticSet, known: Sequence[Problem], facts: DatasetFacts) -> list[Problem]:
    """What the values tell, of the tensors whose form fits by what `in_header` found."""
    wrong = {problem.field for problem in known if problem.code != "E205"}
    if wrong & {"", "decoder.options"}:
        return []
    tensors = synthetic.tensors
    others = set(tensors) - wrong - {"images", "labels"}
    found = [problem for name in sorted(others) for problem in not_finite(name, tensors[name])]
    if "images" in tensors and "images" not in wrong:
        found += _images(synthetic.card, tensors["images"], facts, "space" not in wrong)
    if "indices" in tensors and "indices" not in wrong:
        found += _indices(tensors["indices"], facts)
    if "labels" in tensors and "labels" not in wrong:
        found += _labels(synthetic, facts)
        if not found and not wrong:
            found += _balance(synthetic, len(facts.classes), bool(known))
    if not found and not wrong:
        found += _decoder_problems(synthetic, facts)
    return found


def _decoder_problems(synthetic: SyntheticSet, facts: DatasetFacts) -> list[Problem]:
    """What a decoder's own `problems(synthetic, facts)` finds, lines of text, where its module has one."""
    name = synthetic.card.decoder.name
    check = None if name in TENSORS else getattr(registry.module("decoder", name), "problems", None)
    try:
        lines = list(check(synthetic, facts)) if check else []
    except DistillBenchError:
        raise
    except Exception as fault:  # a library may raise anything over bytes that somebody tampered with
        lines = [f"the decoder {name!r} cannot read them ({type(fault).__name__})."]
    told = (line.partition(" Fix: ") for line in lines)
    return [Problem("E214", FILE, what.rstrip("."), fix=fix.rstrip(".")) for what, _, fix in told]


def expected_tensors(decoder: str) -> tuple[str, ...]:
    """Names of the tensors that a decoder reads."""
    if decoder in TENSORS:
        return TENSORS[decoder]
    declared = getattr(registry.module("decoder", decoder), "TENSORS", None)
    if not isinstance(declared, tuple) or not all(isinstance(name, str) for name in declared):
        raise InvalidInput(f"decoder {decoder!r} needs a line such as TENSORS = ('images', 'labels').")
    return declared


def _name(form: Form) -> str:
    """Of the dtype, in whichever byte order: an array of another order is converted by value when it is stored."""
    return form.dtype.newbyteorder("=").name


def _form(form: Form) -> str:
    return f"{form.dtype} of shape {form.shape}"


def _image_form(card: Card, images: Form, facts: DatasetFacts) -> Iterator[Problem]:
    factor = dict(card.decoder.options).get("factor", 2)
    most = min(LARGEST_FACTOR, *facts.shape[1:])
    if card.decoder.name == "multi-formation" and not (type(factor) is int and 1 <= factor <= most):
        what = "no factor that images can be cut by"
        yield Problem("E307", "card.json", what, "decoder.options", shown(factor), f"1 to {most}")
    if _name(images) not in IMAGE_DTYPES:
        what = "images of a dtype that is not taken"
        yield Problem("E112", FILE, what, "images", str(images.dtype), ", ".join(IMAGE_DTYPES))
    shape = images.shape
    if len(shape) != 4 or shape[1:] != facts.shape:
        looks = len(shape) == 4 and shape[1:] == (*facts.shape[1:], facts.shape[0])
        fix = "it looks like NHWC: store images.transpose(0, 3, 1, 2)" if looks else ""
        needed = f"(N, {', '.join(map(str, facts.shape))})"
        yield Problem("E206", FILE, f"not the shape of {facts.name}", "images", str(shape), needed, fix)
    if images.dtype == np.uint8 and card.space.kind != "pixel":
        what = "uint8 images are in pixel space"
        yield Problem("E207", "card.json", what, "space", card.space.kind, "pixel", 'declare {"kind": "pixel"}')
    else:
        yield from _channels(card, facts)


def _channels(card: Card, facts: DatasetFacts) -> Iterator[Problem]:
    if card.space.kind == "standardized" and len(card.space.mean) != facts.shape[0]:
        what, got = "a mean and std for each channel", f"{len(card.space.mean)} means"
        yield Problem("E207", "card.json", what, "space", got, f"{facts.shape[0]} channels")


def _label_form(card: Card, labels: Form, n_classes: int) -> Iterator[Problem]:
    name, shape = _name(labels), labels.shape
    if card.labels.kind == "hard":
        if name not in LABEL_DTYPES or len(shape) != 1:
            code = "E112" if len(shape) == 1 and labels.dtype.kind in "iu" else "E203"
            what = "hard labels are whole numbers of shape (N,)"
            yield Problem(code, FILE, what, "labels", _form(labels), ", ".join(LABEL_DTYPES))
    elif name not in SOFT_DTYPES or len(shape) != 2 or shape[1] != n_classes:
        code = "E112" if shape[1:] == (n_classes,) and labels.dtype.kind == "f" else "E203"
        what = f"{card.labels.kind} are float32 or float16 of shape (N, {n_classes})"
        fix = 'store such rows, or declare "labels": {"kind": "hard"}'
        yield Problem(code, FILE, what, "labels", _form(labels), fix=fix)


def _numbers(card: Card, forms: Mapping[str, Form], n_classes: int) -> Iterator[Problem]:
    """Whether there are as many images as labels, and as many as the card says."""
    classes = n_classes if card.classes is None else len(card.classes)
    if card.classes is not None and max(card.classes) >= n_classes:
        what = "classes that the dataset does not have"
        yield Problem("E309", "card.json", what, "classes", shown(list(card.classes)), f"0 to {n_classes - 1}")
    elif card.decoder.name in TENSORS:
        n_images, n_labels = forms[TENSORS[card.decoder.name][0]].shape[0], forms["labels"].shape[0]
        formations = _formations(card)
        if n_images * formations != n_labels:
            times = f" times {formations}" if formations > 1 else ""
            got = f"{n_images:,} images{times}, {n_labels:,} labels"
            yield Problem("E205", FILE, "there are not as many images as labels", "labels", got)
        elif card.ipc is not None and n_images != card.ipc * classes:
            what = f"the card says {card.ipc} images per class, {card.ipc * classes} in all"
            yield Problem("E205", FILE, what, "labels", f"{n_images:,}", fix='correct "ipc", or the arrays')


def _formations(card: Card) -> int:
    """How many images, each with its label, a stored image becomes."""
    factor = dict(card.decoder.options).get("factor", 2) if card.decoder.name == "multi-formation" else 1
    return factor**2 if type(factor) is int and 1 <= factor <= LARGEST_FACTOR else 1


def _chunks(tensor: Array) -> Iterator[Array]:
    """Consecutive rows, about CHUNK values at a time."""
    tensor = np.atleast_1d(tensor)
    rows = max(1, CHUNK // max(1, tensor[:1].size))
    return (tensor[start : start + rows] for start in range(0, len(tensor), rows))


def not_finite(name: str, tensor: Array) -> Iterator[Problem]:
    """Whether an array holds NaN or infinity: how many, and where the first is."""
    count, first, passed = 0, -1, 0
    for chunk in _chunks(tensor) if tensor.dtype.kind == "f" else ():
        bad = np.flatnonzero(~np.isfinite(chunk))
        if len(bad) and first < 0:
            first = passed + int(bad[0])
        count, passed = count + len(bad), passed + chunk.size
    if count:
        what = f"numbers that are NaN or infinite, the first at flat index {first}"
        yield Problem("E201", FILE, what, name, f"{count:,}", "0")


def _images(card: Card, images: Array, facts: DatasetFacts, space_fits: bool) -> Iterator[Problem]:
    found = list(not_finite("images", images))
    yield from found
    if found or not space_fits or images.dtype == np.uint8 or card.space.kind == "zca":
        return
    with np.errstate(all="ignore"):  # numbers of any size may come; what overflows is far from fitting
        yield from _range(card.space, images)


def _range(space: Space, images: Array) -> Iterator[Problem]:
    """Whether the values of images (N, C, H, W) lie where those of their space do."""
    step = max(1, -(-images.size // SAMPLE))
    sample = images[::step].astype(np.float32)
    pixels = space.to_pixel(sample)
    (low, high), (pixel_low, pixel_high) = np.percentile(sample, [1, 99]), np.percentile(pixels, [1, 99])
    smallest, largest = min(float(c.min()) for c in _chunks(images)), max(float(c.max()) for c in _chunks(images))
    got = f"1 to 99 % of the values in {low:.2f} … {high:.2f}, mean {sample.mean():.2f}"
    what, limit, fix = "", "", ""
    as_distilled = 'declare {"kind": "standardized", "mean": […], "std": […]} with the numbers of distillation'
    if not (pixel_low >= -MARGIN and pixel_high <= 1 + MARGIN):
        what, limit, fix = "they resemble images in another space", "pixels within -10 … 11", as_distilled
        if high > 20:
            what, fix = "they resemble pixels of 0 to 255", "divide them by 255, or store them as uint8"
        elif space.kind == "standardized" and pixel_high > 20:
            what, fix = "they resemble images standardized by a mean and std of 0 to 255", "divide both by 255"
    elif space.kind == "pixel" and low < -0.25:
        what, limit, fix = "they resemble standardized images", "-0.25 at the lower end", as_distilled
    elif space.kind == "standardized" and 0 <= smallest < largest <= 1 and max(space.std) < 1:
        what, limit, fix = "they resemble pixels", "some values outside 0..1", 'declare {"kind": "pixel"}'
    if what:
        yield Problem(
            "E207", FILE, f"the images do not fit the space {space.kind!r}: {what}", "images", got, limit, fix
        )


def _indices(indices: Array, facts: DatasetFacts) -> Iterator[Problem]:
    wrong = indices[(indices < 0) | (indices >= facts.n_train)]
    if len(wrong):
        what = f"an index that is no training image of {facts.name}"
        fix = "count training images from 0, in canonical order"
        yield Problem("E202", FILE, what, "indices", str(wrong[0]), f"0 to {facts.n_train - 1}", fix)


def _labels(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[Problem]:
    labels, card, n_classes = synthetic.tensors["labels"], synthetic.card, len(facts.classes)
    if card.labels.kind != "hard":
        yield from _soft_labels(labels, card.labels.kind)
        return
    what, limit = f"a class id that {facts.name} does not have", f"0 to {n_classes - 1}"
    for value in labels[(labels < 0) | (labels >= n_classes)][:1]:
        yield Problem("E202", FILE, what, "labels", str(value), limit)


def _soft_labels(labels: Array, kind: str) -> Iterator[Problem]:
    found = list(not_finite("labels", labels))
    yield from found
    for chunk in [] if found else _chunks(labels):
        exact = chunk.astype(np.float64)
        if kind == "probabilities" and (exact.min() < 0 or np.abs(exact.sum(axis=1) - 1).max() > 1e-3):
            row = int(np.abs(exact.sum(axis=1) - 1).argmax())
            what = "rows that are negative or do not sum to 1"
            got = f"smallest {exact.min():.4g}, a sum of {exact[row].sum():.4g}"
            yield Problem("E211", FILE, what, "labels", got, "0 to 1, sums within 0.001")
            return
        if kind == "logits" and np.abs(exact).max() > 1e4:
            what, fix = "logits far from 0", "check what was stored"
            yield Problem("E211", FILE, what, "labels", f"{np.abs(exact).max():.4g}", "± 10,000", fix)
            return


def _balance(synthetic: SyntheticSet, n_classes: int, is_miscounted: bool) -> Iterator[Problem]:
    """Whether each class has the images that the card says; of soft labels the largest counts, and only its class.

    Where the sum is wrong and told already, only a class without images is told beside it.
    """
    card, labels = synthetic.card, synthetic.tensors["labels"]
    if card.decoder.name not in TENSORS:
        return
    counts = np.bincount(labels_array(synthetic), minlength=n_classes)
    wanted = (card.ipc or 0) * _formations(card)
    classes = list(range(n_classes) if card.classes is None else card.classes)
    others = sorted(set(np.flatnonzero(counts).tolist()) - set(classes))
    if others:
        what, limit = "labels of classes that the card leaves out", shown(classes)
        yield Problem("E204", FILE, what, "labels", shown(others), limit)
    elif labels.ndim > 1 or card.ipc is None or (counts[classes] == wanted).all():
        return
    elif not is_miscounted or not counts[classes].all():
        what = "the classes do not have the images per class that the card says"
        yield Problem("E204", FILE, what, "labels", shown(counts[classes].tolist()), f"{wanted} each")
