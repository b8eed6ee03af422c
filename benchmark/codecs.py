"""Images coded by a picture codec: all of a set side by side in one JPEG or WebP picture, with bounded decoding.

One picture for a set, because the tables of a JPEG file take 300 to 600 bytes, more than a coded 32x32 image. Images
stand row by row in as square a grid as can be, each padded by its own border to whole blocks of the codec (16 pixels,
8 for grey JPEG), so that no block mixes two. How large the picture must be follows from the number of labels and the
dataset's shape: it is read from the header and compared before a single pixel is decoded.

Free of torch, so that a set that names these decoders can be checked by `submit`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmark.errors import InvalidInput

if TYPE_CHECKING:
    from benchmark.datasets import DatasetFacts
    from benchmark.synthetic_set import SyntheticSet

__all__ = ["CODECS", "LONGEST", "counts", "decode", "encode", "problems"]

CODECS = ("jpeg", "webp")
LONGEST = {"jpeg": 65_500, "webp": 16_383}
"""Pixels of the longest side of a picture."""
MOST_SCANS = 40
"""Passes over a JPEG; files of thousands of tiny ones exist to keep decoders busy."""
SCAN = b"\xff\xda"
Images = npt.NDArray[np.uint8]


def encode(images: Images, codec: str, quality: int) -> bytes:
    """Code uint8 images (N, C, H, W) with C of 1 or 3; `quality` is the codec's, 1 to 100. Raises InvalidInput."""
    from PIL import Image

    (rows, columns), (height, width) = _grid(len(images), images.shape[1:], codec)
    pad = ((0, 0), (0, 0), (0, height - images.shape[2]), (0, width - images.shape[3]))
    tiles = np.pad(images, pad, mode="edge")
    blank = np.repeat(tiles[-1:], rows * columns - len(tiles), axis=0)  # a copy costs fewer bytes than an edge
    grid = np.concatenate([tiles, blank]).reshape(rows, columns, -1, height, width)
    canvas = grid.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, -1)
    buffer, picture = io.BytesIO(), Image.fromarray(canvas[..., 0] if canvas.shape[2] == 1 else canvas)
    if codec == "jpeg":
        picture.save(buffer, "JPEG", quality=quality, subsampling=2, progressive=True, optimize=True)
    else:
        picture.convert("RGB").save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def decode(content: bytes, n: int, shape: tuple[int, int, int], codec: str) -> Images:
    """The n images (N, C, H, W) of a picture; raises InvalidInput before decoding where it is not of the size due."""
    from PIL import Image, UnidentifiedImageError

    (rows, columns), (height, width) = _grid(n, shape, codec)
    due = columns * width, rows * height
    if codec == "jpeg" and content.count(SCAN) > MOST_SCANS:
        raise InvalidInput(f"the JPEG picture has more than {MOST_SCANS} scans. Fix: write it as a plain JPEG.")
    try:
        with Image.open(io.BytesIO(content), formats=(codec.upper(),)) as picture:
            if picture.size != due or getattr(picture, "n_frames", 1) != 1:
                raise InvalidInput(f"the {codec} picture is {picture.size} pixels, not {due}, as {n} images need.")
            if codec == "jpeg" and picture.mode != ("L" if shape[0] == 1 else "RGB"):
                raise InvalidInput(f"the jpeg picture is of mode {picture.mode}; {shape[0]} channels are needed.")
            canvas = np.asarray(picture.convert("L" if shape[0] == 1 else "RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise InvalidInput(f"tensor 'stream' is no whole {codec} picture ({type(fault).__name__}).") from fault
    grid = canvas.reshape(rows, height, columns, width, -1).transpose(0, 2, 4, 1, 3)
    tiles = grid.reshape(rows * columns, -1, height, width)
    return np.ascontiguousarray(tiles[:n, :, : shape[1], : shape[2]])


def _grid(n: int, shape: tuple[int, ...], codec: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the grid, height and width of a tile; raises InvalidInput where no picture is that large."""
    block = 8 if codec == "jpeg" and shape[0] == 1 else 16
    height, width = (math.ceil(side / block) * block for side in shape[1:])
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / max(1, columns))
    if shape[0] not in (1, 3) or n < 1 or max(rows * height, columns * width) > LONGEST[codec]:
        raise InvalidInput(f"{n} images of shape {tuple(shape)} fit no {codec} picture: 1 or 3 channels, not too many.")
    return (rows, columns), (height, width)


def problems(synthetic: SyntheticSet, facts: DatasetFacts, codec: str) -> Iterator[str]:
    """What is wrong with a coded set, one line each; the picture is decoded once, bounded by the labels."""
    stream, labels = synthetic.tensors["stream"], synthetic.tensors["labels"]
    if stream.dtype != np.uint8 or stream.ndim != 1:
        yield f"tensor 'stream' is {stream.dtype} of shape {stream.shape}; it must hold a file's bytes, uint8 (L,)."
    elif synthetic.card.space.kind != "pixel":
        yield f"the decoder gives pixels, but the card declares the space {synthetic.card.space.kind!r}."
    elif labels.ndim and len(labels) > facts.n_train:
        yield f"there are {len(labels)} labels, more than {facts.name} has training images ({facts.n_train})."
    elif labels.ndim:
        yield from counts(synthetic, facts)
        try:
            decode(stream.tobytes(), len(labels), facts.shape, codec)
        except InvalidInput as fault:
            yield str(fault)


def counts(synthetic: SyntheticSet, facts: DatasetFacts) -> Iterator[str]:
    """Whether each class has as many labels as the card says."""
    labels, ipc = synthetic.tensors["labels"], synthetic.card.ipc
    if ipc is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0:
        return
    classes = list(range(len(facts.classes)) if synthetic.card.classes is None else synthetic.card.classes)
    found = np.bincount(labels.astype(np.int64), minlength=len(facts.classes))
    if (found[classes] != ipc).any() or found.sum() != ipc * len(classes):
        yield f"card.json says {ipc} images per class, but the labels are {found.tolist()[:20]}."
