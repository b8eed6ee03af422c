"""Machine code of compiled functions on a CPU, kept in files: made once for each shape, then loaded in milliseconds.

A file is named by all that its code depends on: the function's shape, our own sources, the version of torch, the CPU's
instructions and cores. So it is found without building or tracing anything, and never taken up elsewhere. It runs with
as many threads as its caller has, so that what a worker with one thread made serves a run with all cores too; and other
threads of Python run meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import math
import os
import platform
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark import architectures, registry
from benchmark.durable import one_at_a_time
from benchmark.engine.chunks import CHUNK
from benchmark.engine.compiler import CODE_FOLDER
from benchmark.engine.devices import cpu_lines
from benchmark.engine.draws import generator, global_draws
from benchmark.errors import EnvironmentFault
from benchmark.recipe import Recipe

__all__ = [
    "NotAlone",
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
    "test_batch",
]

PIXELS = 2**15
"""Of the images that a CPU takes at a time, 32 of 32x32: of those the widest maps of a ConvNet stay in the cache."""
TEST_BATCH = 100
"""Images of one compiled forward pass on a CPU, at most."""
PACKAGE = Path(__file__).resolve().parents[1]
SEAL = hashlib.sha256().digest_size
"""Bytes behind a kept library, which are its sha256."""
AT_ONCE = 4
"""Threads that may run one function at a time; more wait."""
_MAKING = threading.Lock()
"""Of the threads of this process one traces and compiles at a time."""


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


def test_batch(shape: Shape) -> int:
    """Images of one compiled forward pass; on a GPU fewer of larger ones, since each pass is filled up to it."""
    if shape.device.startswith("cpu"):
        return fitting(shape, TEST_BATCH)
    return min(CHUNK, max(1, CHUNK * 32 * 32 // (shape.images[1] * shape.images[2])))


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
    return _file(shape, ("forward", test_batch(shape)))


def kept(
    file: Path, function: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...]
) -> Callable[..., torch.Tensor]:
    """The compiled form of a function, from its file; it is made first where there is none, or it cannot be read.

    The function is traced with its backward pass into one graph. It takes tensors of the example's shapes and dtypes,
    and may change contiguous ones in place. Raises EnvironmentFault where files cannot be written, NotAlone where torch
    cannot put all of the function into one library.
    """
    loaded = _load(file, example)
    if loaded is not None:
        return loaded
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _MAKING, one_at_a_time(file):
            return _load(file, example) or _make(file, function, example)
    except Exception as fault:
        reason = _of_the_disk(fault)
        if not reason:
            raise
        raise EnvironmentFault(
            f"compiled code cannot be kept: {reason}. XDG_CACHE_HOME can name a folder that is writable"
        ) from fault


def _of_the_disk(fault: Exception) -> str:
    """What is wrong with a disk, where that is what a fault says; torch and the compiler wrap a full one into text."""
    full = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)]
    return str(fault) if isinstance(fault, OSError) else next((said for said in full if said in str(fault)), "")


class NotAlone(Exception):
    """A function has no code of its own for some operation, so a file of it would not be all that it takes."""


class _Loaded:
    """Code from a file, as a function for one shape. Unlike one of torch.compile it checks nothing, so this does.

    The file is a shared library with the C interface that torch's ahead-of-time compiler gives it
    (torch/csrc/inductor/aoti_runtime/interface.h). Torch's own class for it keeps Python's lock while it runs.
    """

    def __init__(self, file: Path, example: tuple[torch.Tensor, ...]) -> None:
        """Raises OSError where the library cannot be loaded, AttributeError where it lacks a function."""
        library, n_outputs = ctypes.CDLL(str(file)), ctypes.c_size_t()
        self._container, self._run = ctypes.c_void_p(), library.AOTInductorModelContainerRun
        create = library.AOTInductorModelContainerCreateWithDevice
        _said(create(ctypes.byref(self._container), ctypes.c_size_t(AT_ONCE), b"cpu", None))
        _said(library.AOTInductorModelContainerGetNumOutputs(self._container, ctypes.byref(n_outputs)))
        self._kinds = [(tensor.shape, tensor.dtype) for tensor in example]
        self._n_outputs = n_outputs.value

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        from torch._C import _aoti

        kinds = [(tensor.shape, tensor.dtype) for tensor in tensors]
        if kinds != self._kinds:
            raise ValueError(f"compiled for {self._kinds}, called with {kinds}")
        handles = _aoti.unsafe_alloc_void_ptrs_from_tensors([tensor.contiguous() for tensor in tensors])
        given = (ctypes.c_void_p * len(handles))(*(_address(handle, None) for handle in handles))
        found = (ctypes.c_void_p * self._n_outputs)()
        n, m = ctypes.c_size_t(len(given)), ctypes.c_size_t(len(found))
        _said(self._run(self._container, given, n, found, m, None, None))  # which frees what it is given
        outputs = _aoti.alloc_tensors_by_stealing_from_void_ptrs([_capsule(one, None, None) for one in found])
        first: torch.Tensor = outputs[0]
        return first


_PYTHON = ctypes.PyDLL(None)
_address = _PYTHON.PyCapsule_GetPointer
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_capsule = _PYTHON.PyCapsule_New
_capsule.restype, _capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


def _said(error: int) -> None:
    """Raises RuntimeError where compiled code reports an error; what it was stands on stderr."""
    if error:
        raise RuntimeError("compiled code failed; it says why above. Delete the folder of compiled code, and try again")


def _load(file: Path, example: tuple[torch.Tensor, ...]) -> _Loaded | None:
    """None where there is no such file, or it is broken: a library that is cut short would end the process."""
    try:
        content = file.read_bytes()
        is_whole = hashlib.sha256(content[:-SEAL]).digest() == content[-SEAL:]
        return _Loaded(file, example) if is_whole else None
    except (OSError, AttributeError, RuntimeError):
        return None


def _make(file: Path, function: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...]) -> _Loaded:
    from torch._inductor import aoti_compile_and_package, config
    from torch.fx.experimental.proxy_tensor import make_fx

    options: dict[str, Any] = {"cpp.threads": _cores(), "cpp.dynamic_threads": True}  # the first says where it divides
    if hasattr(config.aot_inductor, "precompile_headers"):  # 300 MB, which pay from the third function on
        options["aot_inductor.precompile_headers"] = False
    program = torch.export.export(make_fx(function)(*example), example, strict=False)
    # A library that is loaded may lose its name, but must not be written to: so each is made in a folder of its own.
    with tempfile.TemporaryDirectory(dir=file.parent, ignore_cleanup_errors=True) as folder:
        package, unfinished = Path(folder, "code.pt2"), Path(folder, "code.so")
        with global_draws(generator(0, "compiled")):
            aoti_compile_and_package(program, package_path=str(package), inductor_configs=options)
        code = _library_in(package)
        unfinished.write_bytes(code + hashlib.sha256(code).digest())
        made = _Loaded(unfinished, example)
        if _digest(_our_files()) == SOURCES:  # else they were edited since this process read them
            os.replace(unfinished, file)
    return made


def _library_in(package: Path) -> bytes:
    """The shared library in a package of torch's; raises NotAlone where it needs more of what is there."""
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if "/aotinductor/" in name]
        libraries = [name for name in names if name.endswith(".so")]
        told = (".so", ".o", ".cpp", ".h", "_metadata.json")  # the library, what it was made of, and how
        if len(libraries) != 1 or not all(name.endswith(told) for name in names):
            raise NotAlone(f"torch packs {', '.join(Path(name).suffix for name in names)}")
        return archive.read(libraries[0])


def _file(shape: Shape, what: object) -> Path:
    form = replace(shape, threads=_cores())
    text = repr((form, what, SOURCES, _plugin(shape.architecture), torch.__version__, _cpu()))
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Path(os.environ[CODE_FOLDER]) / "functions" / f"{name}.so"


def _cores() -> int:
    return os.cpu_count() or 1  # the same in every process, whatever cores it was given


@functools.cache
def _cpu() -> tuple[str, ...]:
    flags = cpu_lines("flags") or cpu_lines("Features") or [platform.processor()]
    return platform.machine(), torch.backends.cpu.get_cpu_capability(), flags[0]


def _plugin(architecture: str) -> str:
    """A digest of the folder of an architecture."""
    return _folder(registry.path("architecture", architectures.parse(architecture)[0]).parent)


@functools.cache
def _folder(folder: Path) -> str:
    return _digest(folder.glob("*.py"))


def _our_files() -> list[Path]:
    """What the traced operations are written in."""
    return [*(PACKAGE / "engine").glob("*.py"), *(PACKAGE / "architectures").glob("*.py"), PACKAGE / "loss.py"]


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


SOURCES = _digest(_our_files())
"""Of our sources as this process runs them: read when it reads this file."""
