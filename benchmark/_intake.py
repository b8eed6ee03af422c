"""Copies a stranger's set folder into memory, within bounds, and finds everything that is wrong with it.

The folder and its files are opened once and read through these handles alone: what was checked is what is stored, and
nobody can put another file in between. Order: what the file system says, the card, the header, then the values. No link
is followed, nothing is mapped, and a pipe is refused, not waited for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import _set_check, registry, tensor_file
from benchmark._card_check import Examined, examine
from benchmark._strict import parse_json
from benchmark.datasets import DatasetFacts
from benchmark.errors import DistillBenchError, InvalidInput
from benchmark.refusals import Problem, refusal, shown
from benchmark.synthetic_set import Array, Card, SyntheticSet

__all__ = ["CARD_LIMIT", "Intake", "read_file", "read_folder"]

CARD, TENSORS = "card.json", "tensors.safetensors"
CARD_LIMIT = 16 * 2**10
"""Bytes of a contributor's card."""
ENTRIES = 1000
"""Of a folder that are looked at."""
LOOSE = 64 * 2**20
"""Bytes of a tensor file that comes without a card: nobody can say yet what it may have."""
UNREAD = ("E110", "E209")
"""Codes after which the values are not looked at: they are of no set, or too many."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}
NOTHING = Examined(None, False, [])
NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True)
class Intake:
    """What a folder or file gave."""

    card: Card | None
    """With stand-ins for broken fields; None where the card cannot be read, or there is none."""
    synthetic: SyntheticSet | None
    """None where the tensors cannot be read, or do not have the form that the card asks for."""
    problems: list[Problem]


@dataclass(frozen=True)
class _Source:
    """An open regular file, and what it was when it was opened."""

    name: str
    handle: int
    before: os.stat_result

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer of bytes from where the file stands; raises InvalidInput where it ends before."""
        while buffer:
            n = os.readv(self.handle, [buffer[: 2**24]])
            if n == 0:
                raise refusal([Problem("E403", self.name, "the file grew shorter while it was read")])
            buffer = buffer[n:]

    def read(self, size: int) -> bytes:
        content = bytearray(size)
        self.read_into(memoryview(content))
        return bytes(content)

    def check_unchanged(self) -> None:
        """Raise InvalidInput where somebody wrote the file since it was opened."""
        now = os.fstat(self.handle)
        for part in ("st_size", "st_mtime_ns", "st_ctime_ns"):
            if getattr(now, part) != getattr(self.before, part):
                raise refusal([Problem("E403", self.name, "the file changed while it was read")])


def read_folder(place: str) -> Intake:
    """Read and check a set folder; every independent problem is in the answer, nothing is raised for what is wrong."""
    try:
        with _opened_folder(place) as folder:
            problems = list(_entries(folder))
            missing = {problem.file for problem in problems}
            read = NOTHING if CARD in missing else _card(CARD, folder)
            problems += read.problems
            known = read.card if read.tells_tensors else None
            synthetic, wrong = (None, []) if TENSORS in missing else _tensors(TENSORS, folder, known)
            return Intake(read.card, synthetic, problems + wrong)
    except DistillBenchError as fault:
        return Intake(None, None, _told(fault))


def read_file(place: str) -> Intake:
    """Read and check one file alone: a card, or a tensor file of which only the container can be checked."""
    name = Path(place).name
    if name.endswith(".json"):
        read = _card(place, None)
        return Intake(read.card, None, read.problems)
    return Intake(None, None, _tensors(place, None, None)[1])


def _told(fault: DistillBenchError) -> list[Problem]:
    return list(fault.problems) or [Problem("E307", CARD, str(fault).rstrip("."))]


def _entries(folder: int) -> Iterator[Problem]:
    """What the names and kinds of a folder's entries tell. Other regular files than the two are passed over."""
    with os.scandir(folder) as found:
        entries = list(islice(found, ENTRIES + 1))
    names = {entry.name for entry in entries}
    if len(entries) > ENTRIES:
        yield Problem("E401", ".", "too many files in the folder", got=f"more than {ENTRIES}", limit=f"{ENTRIES}")
    for entry in entries:
        if entry.is_symlink():
            yield Problem("E402", _named(entry.name), "a symbolic link")
    if TENSORS not in names:
        foreign = sorted(name for name in names if name.rpartition(".")[2].lower() in tensor_file.FOREIGN_NAMES)
        what = "the tensors are missing; this file is never opened here" if foreign else "the file is missing"
        yield Problem("E101" if foreign else "E401", _named(foreign[0]) if foreign else TENSORS, what)
        if foreign:
            yield Problem("E401", TENSORS, "the file is missing")
    if CARD not in names:
        other = sorted(names & {"card.yaml", "card.yml", "card.toml"})
        yield Problem("E308" if other else "E401", CARD, "the file is missing", got=", ".join(other))


def _named(name: str) -> str:
    """A file's name for a message: as it is where it is plain, else escaped."""
    return name if name.isascii() and name.isprintable() else shown(name)[1:-1]


@contextmanager
def _opened_folder(place: str) -> Iterator[int]:
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
    name = _named(place.rstrip("/") or "/")
    try:
        if stat.S_ISLNK(os.lstat(place.rstrip("/") or "/").st_mode):
            raise refusal([Problem("E402", name, "a symbolic link", fix="name the folder itself")])
        handle = os.open(place, flags)
    except (OSError, ValueError) as fault:
        raise _unopened(name, fault) from fault
    try:
        yield handle
    finally:
        os.close(handle)


def _unopened(name: str, fault: OSError | ValueError) -> DistillBenchError:
    """Why a file could not be opened: it is none, it is a link, or the machine is at fault."""
    number = fault.errno if isinstance(fault, OSError) else None
    if number == errno.ELOOP:
        return refusal([Problem("E402", name, "a symbolic link")])
    if number in NO_ACCESS:
        return refusal([Problem("E501", name, f"the file cannot be read: {os.strerror(number or 0)}")])
    reason = os.strerror(number) if number else "no path can be like this"
    return refusal([Problem("E401", name, f"there is no such file: {reason}")])


@contextmanager
def _opened(path: str, folder: int | None) -> Iterator[_Source]:
    """Open a regular file once, for reading alone; raises for anything else, at once."""
    name = _named(Path(path).name if folder is None else path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags, dir_fd=folder)
    except (OSError, ValueError) as fault:
        raise _unopened(name, fault) from fault
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise refusal([Problem("E401", name, "no regular file", got=kind)])
        if status.st_nlink > 1:
            what = "a hard link: the file has other names"
            raise refusal([Problem("E402", name, what, got=f"{status.st_nlink} names", limit="1")])
        yield _Source(name, handle, status)
    except OSError as fault:  # a disk or network that fails while it is read
        raise _unopened(name, fault) from fault
    finally:
        os.close(handle)


def _card(path: str, folder: int | None) -> Examined:
    try:
        with _opened(path, folder) as source:
            size = source.before.st_size
            if size == 0:
                raise refusal([Problem("E103", source.name, "the file is empty")])
            if size > CARD_LIMIT:
                got = f"{size:,} bytes"
                raise refusal([Problem("E312", source.name, "the card is too large", got=got, limit=f"{CARD_LIMIT:,}")])
            content = source.read(size)
            source.check_unchanged()
            return examine(_json(content, source.name))
    except DistillBenchError as fault:
        return Examined(None, False, _told(fault))


def _json(content: bytes, name: str) -> Any:
    try:
        return parse_json(content, name)
    except InvalidInput as fault:
        begins = content[:64].lstrip()
        if begins[:1] not in (b"{", b"[") and tensor_file.foreign(content):
            raise refusal([tensor_file.what_else(content[: tensor_file.FIRST], name)]) from fault
        if begins.startswith((b"---", b"%YAML")) or (begins[:1].isalpha() and set(begins) & set(b"=:")):
            raise refusal([Problem("E308", name, "the card is YAML or TOML, not JSON")]) from fault
        got = shown(str(fault.__cause__))
        raise refusal([Problem("E306", name, "the card is no strict JSON", got=got)]) from fault


def _tensors(path: str, folder: int | None, card: Card | None) -> tuple[SyntheticSet | None, list[Problem]]:
    """The set, where card and header allow to read it, and all problems of the tensor file."""
    try:
        with _opened(path, folder) as source:
            size = source.before.st_size
            first = source.read(min(size, tensor_file.FIRST))
            length = tensor_file.header_length(first, size, source.name)
            if source.name.rpartition(".")[2].lower() in tensor_file.FOREIGN_NAMES:
                fix = "rename it to .safetensors"
                raise refusal([Problem("E102", source.name, "a safetensors file under another name", fix=fix)])
            header = first[8 : 8 + length] + source.read(max(0, 8 + length - len(first)))
            entries = tensor_file.layout(header, size, source.name)
            if card is None:
                facts, known = None, list(_loose(entries, source.name))
            else:
                facts = _set_check.facts_of(card)
                known = _set_check.in_header(card, entries, facts)
            if facts and not _unread(known):
                known += _over_budget(facts, entries)
            if _unread(known):
                return None, known
            os.lseek(source.handle, 8 + length, os.SEEK_SET)
            arrays = {name: _array(entry, source) for name, entry in sorted(entries.items(), key=_place)}
            source.check_unchanged()
    except DistillBenchError as fault:
        return None, _told(fault)
    if card is None or facts is None:
        return None, [p for name, array in arrays.items() for p in _set_check.not_finite(name, array)]
    synthetic = SyntheticSet(arrays, card)
    return synthetic, known + _set_check.in_values(synthetic, known, facts)


def _place(item: tuple[str, tensor_file.Entry]) -> tuple[int, int]:
    return item[1].begin, item[1].end


def _array(entry: tensor_file.Entry, source: _Source) -> Array:
    """The next tensor of a file, read into memory of its own."""
    array = np.empty(entry.shape, entry.dtype)
    if array.nbytes:
        source.read_into(array.reshape(-1).view(np.uint8).data)
    return array


def _unread(known: list[Problem]) -> bool:
    return any(problem.code in UNREAD for problem in known)


def _over_budget(facts: DatasetFacts, entries: dict[str, tensor_file.Entry]) -> list[Problem]:
    """Whether the set would have more bytes, or make more images, than its dataset has."""
    allowed, labels = _set_check.budget(facts), entries["labels"].shape if "labels" in entries else ()
    if labels and labels[0] > facts.n_train:
        what, got = "more labels than the dataset has training images", f"{labels[0]:,}"
        return [Problem("E209", TENSORS, what, "labels", got, f"{facts.n_train:,}")]
    if _size(entries) <= allowed:
        return []
    got = ", ".join(f"{name} {entry.end - entry.begin:,}" for name, entry in sorted(entries.items()))
    return [Problem("E209", TENSORS, "more bytes than the dataset itself", got=got, limit=f"{allowed:,} in all")]


def _size(entries: dict[str, tensor_file.Entry]) -> int:
    return sum(entry.end - entry.begin for entry in entries.values())


def _loose(entries: dict[str, tensor_file.Entry], name: str) -> Iterator[Problem]:
    """What is wrong with a tensor file of which nobody knows what it should hold."""
    decoders = registry.names("decoder")
    known = {tensor for decoder in decoders for tensor in _set_check.expected_tensors(decoder)}
    foreign = sorted(set(entries) - known)
    if foreign:
        yield Problem("E110", name, "no tensor of a set", got=shown(foreign), limit=", ".join(sorted(known)))
    elif _size(entries) > LOOSE:
        what, got = "too large to be checked without a card", f"{_size(entries):,} bytes"
        yield Problem("E209", name, what, got=got, limit=f"{LOOSE:,}", fix="put a whole card.json beside it")
