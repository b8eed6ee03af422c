"""The child process that opens an author's files: limits first, then each file, then plain arrays for the parent.

Run as `python -m benchmark.convert._child FOLDER < request.json`; a refusal is one line of JSON on stdout.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark import tensor_file
from benchmark._strict import read_bytes
from benchmark.convert import _guards, _pictures, _tree
from benchmark.errors import InvalidInput

__all__ = ["main", "read_file"]

CPU_SECONDS = 600
OPEN_FILES = 64
SPARE_BYTES = 2**30
"""Memory beyond what the program itself takes, and beyond `COPIES` of the files."""
COPIES = 6
"""The file, what is loaded of it, the handed-over copy, and room for conversions."""


def main(out: Path, request: dict[str, Any]) -> None:
    """Read the files of a request, and write `{name: [kind, content]}` into a folder; raises InvalidInput."""
    files = [Path(file) for file in request["files"]]
    size = sum(
        part.lstat().st_size for file in files for part in ([file, *file.rglob("*")] if file.is_dir() else [file])
    )
    kinds = {file: "folder" if file.is_dir() else _kind(file) for file in files}
    if any(kind.startswith("torch") for kind in kinds.values()):
        import torch  # before the limit of memory: it maps gigabytes that it never touches

        torch.set_num_threads(1)
    _limit(size)
    found = {str(file): [kinds[file], read_file(file, kinds[file], tuple(request["shape"]))] for file in files}
    _tree.write(found, out)


def _kind(file: Path) -> str:
    return _guards.kind_of(_content(file), file.name)


def _content(file: Path) -> bytes:
    """A file's bytes; the buffer is made no larger than the file, so that it fits the limit of memory."""
    return read_bytes(file, min(_guards.LARGEST, file.lstat().st_size + 1))


def read_file(file: Path, kind: str, shape: tuple[int, int, int]) -> Any:
    """What one file or folder holds, as nested plain values and arrays; raises InvalidInput."""
    try:
        return _pictures.load(file, shape) if kind == "folder" else _arrays(_content(file), file.name, kind)
    except (InvalidInput, MemoryError):
        raise
    except Exception as fault:  # what libraries raise for damaged files has no end: struct, zlib, tokenize, asserts
        reason = f"{type(fault).__name__}: {fault}".partition("\n")[0][:150]
        raise InvalidInput(f"{file.name} is damaged, or was not written by the library ({reason}).") from fault


def _arrays(content: bytes, name: str, kind: str) -> Any:
    if kind == "npy":
        return _guards.npy_array(content, name)
    if kind == "npz":
        return _guards.npz_arrays(content, name)
    if kind == "safetensors":
        return tensor_file.parse(content, name)
    if kind == "flax":
        from benchmark.convert import _flax_file

        return _flax_file.load(content, name)
    from benchmark.convert import _torch_file

    return _torch_file.load(content, name, zipped=kind == "torch")


def _limit(size: int) -> None:
    """Bound memory, time, written bytes and open files, and leave no core behind."""
    import resource  # of Unix; elsewhere the import fails, and nothing is read without limits

    used = _mapped_bytes()
    wanted = {
        resource.RLIMIT_AS: used + SPARE_BYTES + COPIES * size,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: _guards.LARGEST + SPARE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in wanted.items():
        with suppress(ValueError, OSError):  # a lower limit stands already, or macOS, which bounds no address space
            resource.setrlimit(which, (limit, limit))


def _mapped_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 8 * 2**30
    import resource

    return pages * resource.getpagesize()


def _refuse(text: str) -> None:
    print(json.dumps({"refused": text}))
    sys.exit(3)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), json.loads(sys.stdin.read()))
    except InvalidInput as fault:
        _refuse(str(fault))
    except MemoryError:
        _refuse("the files need far more memory than their size explains. Fix: save images and labels alone.")
    except ModuleNotFoundError as fault:
        _refuse(f"{fault.name} is missing here, without which these files are not opened.")
