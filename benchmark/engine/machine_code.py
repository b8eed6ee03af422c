"""Machine code of compiled functions on a CPU, kept in files: made once for each shape, then loaded in milliseconds.

A file is named by all that its code depends on: the function's shape, our own sources, the version of torch, the CPU's
instructions and cores. So it is found without building or tracing anything, and never taken up elsewhere. It runs with
as many threads as its caller has, so that what a worker with one thread made serves a run with all cores too.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from benchmark import architectures, registry
from benchmark.engine.compiler import CODE_FOLDER
from benchmark.engine.devices import cpu_lines
from benchmark.recipe import Recipe

__all__ = [
    "TEST_BATCH",
    "Shape",
    "StepKind",
    "as_sliced",
    "fitting",
    "forward_file",
    "is_kept",
    "kept",
    "shape_of",
    "sliced",
    "step_file",
    "step_kind",
]

PIXELS = 2**15
"""Of the images that a CPU takes at a time, 32 of 32x32: of those the widest maps of a ConvNet stay in the cache."""
TEST_BATCH = 100
"""Images of one compiled forward pass, at most."""
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shape:
    """What fixes a compiled function of a network."""

    architecture: str
    images: tuple[int, int, int]
    classes: int
    precision: str
    device: str
    threads: int
    """Of the process; built into code that torch keeps, no part of a file's name."""


@dataclass(frozen=True)
class StepKind:
    """What fixes a compiled step beside the network's shape."""

    batch: int
    """Images of a full batch."""
    soft: bool
    """Whether labels are probabilities."""
    rule: tuple[Any, ...]
    """Optimizer, momentum, whether it is Nesterov's, weight decay."""
    loss: str
    label_smoothing: float


def shape_of(architecture: str, images: tuple[int, int, int], classes: int, precision: str, device: Any) -> Shape:
    """The shape under this process's number of threads."""
    return Shape(architecture, images, classes, precision, str(device), torch.get_num_threads())


def step_kind(recipe: Recipe, batch: int, soft: bool) -> StepKind:
    """The kind of step that a recipe takes on batches of so many images."""
    rule = (recipe.optimizer, recipe.momentum, recipe.nesterov, recipe.weight_decay)
    return StepKind(batch, soft, rule, recipe.loss, recipe.label_smoothing)


def is_kept(shape: Shape, kind: StepKind) -> bool:
    """Whether a step and the forward pass of its network could be loaded."""
    return step_file(shape, kind).exists() and forward_file(shape).exists()


def fitting(shape: Shape, most: int) -> int:
    """How many of so many images go through a network at a time: on a CPU no more than stay in the cache."""
    if not shape.device.startswith("cpu"):
        return most
    return min(most, max(1, PIXELS // (shape.images[1] * shape.images[2])))


def sliced(shape: Shape, batch: int) -> int:
    """Images of each of the fewest equal slices of a batch that stay in the cache; the batch's own where it does."""
    return math.ceil(batch / math.ceil(batch / fitting(shape, batch)))


def as_sliced(shape: Shape, kind: StepKind) -> StepKind:
    """What the code of a step is for: that of a slice serves every optimizer and many sizes of batch."""
    size = sliced(shape, kind.batch)
    return kind if size == kind.batch else replace(kind, batch=size, rule=())


def step_file(shape: Shape, kind: StepKind) -> Path:
    """Where the code of a training step lies, or is to lie."""
    return _file(shape, as_sliced(shape, kind))


def forward_file(shape: Shape) -> Path:
    """Where the code of a forward pass lies, or is to lie."""
    return _file(shape, ("forward", fitting(shape, TEST_BATCH)))


def kept(
    file: Path, function: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...]
) -> Callable[..., torch.Tensor]:
    """The compiled form of a function, from its file; it is made first where there is none, or it cannot be read.

    The function is traced with its backward pass into one graph. It takes tensors of the example's shapes and dtypes,
    and may change contiguous ones in place. Raises RuntimeError where the folder cannot be written to.
    """
    loaded = _load(file, example)
    if loaded is not None:
        return loaded
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):  # of several workers, one compiles
            return _load(file, example) or _make(file, function, example)
    except OSError as fault:
        raise RuntimeError(
            f"compiled code cannot be kept: {fault}. XDG_CACHE_HOME can name a folder that is writable"
        ) from fault


class _Loaded:
    """Code from a file, as a function. Unlike a function of torch.compile it is for one shape and checks nothing, so
    this does."""

    def __init__(self, file: Path, example: tuple[torch.Tensor, ...]) -> None:
        from torch._C import _aoti  # the class behind torch's public function, whose module takes a second to import

        self._runner = _aoti.AOTIModelPackageLoader(str(file), "model", False, 1, -1)
        self._kinds = [(tensor.shape, tensor.dtype) for tensor in example]

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        kinds = [(tensor.shape, tensor.dtype) for tensor in tensors]
        if kinds != self._kinds:
            raise ValueError(f"compiled for {self._kinds}, called with {kinds}")
        found: list[torch.Tensor] = self._runner.run([tensor.contiguous() for tensor in tensors])
        return found[0]


def _load(file: Path, example: tuple[torch.Tensor, ...]) -> _Loaded | None:
    """None where there is no such file, or it is broken."""
    if not file.exists():
        return None
    try:
        return _Loaded(file, example)
    except RuntimeError:
        return None


def _make(file: Path, function: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...]) -> _Loaded:
    from torch._inductor import aoti_compile_and_package, config
    from torch.fx.experimental.proxy_tensor import make_fx

    options: dict[str, Any] = {"cpp.threads": _cores(), "cpp.dynamic_threads": True}  # the first says where it divides
    if hasattr(config.aot_inductor, "precompile_headers"):  # 300 MB, which pay from the third function on
        options["aot_inductor.precompile_headers"] = False
    program = torch.export.export(make_fx(function)(*example), example, strict=False)
    unfinished = file.with_suffix(".unfinished.pt2")
    aoti_compile_and_package(program, package_path=str(unfinished), inductor_configs=options)
    made = _Loaded(unfinished, example)
    if _digest(_our_files()) == SOURCES:  # else they were edited since this process read them
        os.replace(unfinished, file)
    return made


def _file(shape: Shape, what: object) -> Path:
    form = replace(shape, threads=_cores())
    text = repr((form, what, SOURCES, _plugin(shape.architecture), torch.__version__, _cpu()))
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Path(os.environ[CODE_FOLDER]) / "functions" / f"{name}.pt2"


def _cores() -> int:
    return os.cpu_count() or 1  # the same in every process, whatever cores it was given


@functools.cache
def _cpu() -> tuple[str, ...]:
    flags = cpu_lines("flags") or cpu_lines("Features") or [platform.processor()]
    return platform.machine(), torch.backends.cpu.get_cpu_capability(), flags[0]


@functools.cache
def _plugin(architecture: str) -> str:
    """A digest of the folder of an architecture."""
    return _digest(registry.path("architecture", architectures.parse(architecture)[0]).parent.glob("*.py"))


def _our_files() -> list[Path]:
    """What the traced operations are written in."""
    return [*(PACKAGE / "engine").glob("*.py"), *(PACKAGE / "architectures").glob("*.py"), PACKAGE / "loss.py"]


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


SOURCES = _digest(_our_files())
"""Of our sources as this process runs them: read when it reads this file."""
