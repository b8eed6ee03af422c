"""A disk that forgets: records what a piece of work asks of the file system, and builds what a power cut may leave.

A file's content is sure from its fsync on, a name (made, linked, renamed, removed) from the fsync of the folder that
holds it. At a power cut what is sure is there; of the rest any part may be, in whatever order: file systems promise no
more. Names of one rename come and go together.

Modelled after: Pillai et al., All File Systems Are Not Created Equal, OSDI 2014 (their tool ALICE).
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark import durable
from benchmark.errors import InvalidInput
from benchmark.store import Store
from benchmark.store_check import check
from tests.stores import KINDS, is_there, write_one

__all__ = ["Disk", "Killed", "faults", "killed_and_done_again", "written", "wrong_cuts"]


class Killed(BaseException):
    """The process that worked is gone."""


@dataclass
class _Node:
    """A file or a folder of the recorded disk."""

    is_folder: bool
    names: dict[str, int] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class _Step:
    """One thing asked of the disk, by numbers of nodes."""

    kind: str
    """`write`, `sync`, `name` (a name of a folder leads to a node, or to none), or `mark`."""
    node: int = -1
    name: str = ""
    target: int | None = None
    before: tuple[int, str] | None = None
    """Of a rename: the folder and the name that go."""
    content: bytes = b""
    mark: Any = None


class Disk:
    """Records the work on files below a folder, and can be asked what a power cut would leave of it."""

    def __init__(self, root: Path, forgets: str = "") -> None:
        """`forgets`: `files` or `folders`, whose syncs are left out."""
        self.root, self.forgets = root.resolve(), forgets
        self.nodes = [_Node(True)]
        self.steps: list[_Step] = []
        self.handles: dict[int, int] = {}
        self.calls: list[str] = []
        """What the last recorded process asked for, one call after another."""

    def mark(self, what: Any) -> None:
        """Remember that something was acknowledged now."""
        self.steps.append(_Step("mark", mark=what))

    @contextmanager
    def recorded(self, killed_at: int = 0) -> Iterator[None]:
        """Record what is done within, as by a new process; it may be killed before one of its calls, from 1."""
        self.calls = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(durable, "_settled", set())
            for name in ("open", "write", "fsync", "close", "mkdir", "link", "rename", "replace", "unlink", "rmdir"):
                patched.setattr(os, name, self._watched(name, getattr(os, name), killed_at))
            yield

    def _watched(self, name: str, real: Callable[..., Any], killed_at: int) -> Callable[..., Any]:
        record: Callable[..., None] = getattr(self, f"_{name}")

        def watched(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if 0 < killed_at <= len(self.calls):
                raise Killed
            result = real(*arguments, **named)
            record(result, *arguments, **named)
            return result

        return watched

    # Recording: each gets what the call gave, and its arguments

    def _open(self, handle: int, path: Any, flags: int, *rest: Any, **named: Any) -> None:
        place = self._place(path, named)
        if place is None:
            return
        folder, name = place
        node = 0 if name == "" else self.nodes[folder].names.get(name)
        if node is None:
            node = self._new(_Node(False))
            self._set(folder, name, node)
        self.handles[handle] = node

    def _write(self, written: int, handle: int, content: Any) -> None:
        if handle in self.handles:
            part = bytes(content)[:written]
            self.nodes[self.handles[handle]].content += part
            self.steps.append(_Step("write", self.handles[handle], content=part))

    def _fsync(self, result: None, handle: int) -> None:
        node = self.handles.get(handle)
        if node is not None and self.forgets != ("folders" if self.nodes[node].is_folder else "files"):
            self.steps.append(_Step("sync", node))

    def _close(self, result: None, handle: int) -> None:
        self.handles.pop(handle, None)

    def _mkdir(self, result: None, path: Any, *rest: Any, **named: Any) -> None:
        place = self._place(path, named)
        if place is not None:
            self._set(*place, self._new(_Node(True)))

    def _link(self, result: None, source: Any, target: Any, **named: Any) -> None:
        old, new = self._place(source, named), self._place(target, named)
        if old is not None and new is not None:
            self._set(*new, self.nodes[old[0]].names[old[1]])

    def _rename(self, result: None, source: Any, target: Any, **named: Any) -> None:
        old, new = self._place(source, named), self._place(target, named)
        if old is not None and new is not None:
            self._set(*new, self.nodes[old[0]].names[old[1]], old)

    _replace = _rename

    def _unlink(self, result: None, path: Any, **named: Any) -> None:
        place = self._place(path, named)
        if place is not None:
            self._set(*place, None)

    _rmdir = _unlink

    def _place(self, path: Any, named: dict[str, Any]) -> tuple[int, str] | None:
        """Folder and name of a path below the root; None for others, and what `rmtree` does within an open folder."""
        full = Path(os.path.abspath(os.fspath(path)))
        if named.get("dir_fd") is not None or not (full == self.root or self.root in full.parents):
            return None
        parts, folder = full.relative_to(self.root).parts, 0
        for part in parts[:-1]:
            folder = self.nodes[folder].names[part]
        return folder, parts[-1] if parts else ""

    def _new(self, node: _Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _set(self, folder: int, name: str, node: int | None, before: tuple[int, str] | None = None) -> None:
        self.steps.append(_Step("name", folder, name, node, before))
        _apply({number: one.names for number, one in enumerate(self.nodes)}, self.steps[-1])

    # What is left

    def marks(self, end: int) -> list[Any]:
        """What was acknowledged before a step."""
        return [step.mark for step in self.steps[:end] if step.kind == "mark"]

    def after_a_cut(self, end: int, place: Path, draw: random.Random | None, keep: float = 0.5) -> None:
        """Build at `place` what a power cut before a step may leave: of what is not sure all that `draw` keeps.

        Without `draw` nothing is kept that is not sure; each unsure thing is kept with the probability `keep`.
        """
        steps, synced, sure = self.steps[:end], set[int](), set[int]()
        for at in reversed(range(len(steps))):
            synced |= {steps[at].node} if steps[at].kind == "sync" else set()
            sure |= {at} if steps[at].node in synced else set()
        names: dict[int, dict[str, int]] = {number: {} for number in range(len(self.nodes))}
        content: dict[int, bytes] = {}
        for at, step in enumerate(steps):
            if step.kind not in ("write", "name"):
                continue
            if at not in sure and (draw is None or draw.random() >= keep):
                continue
            if step.kind == "name":
                _apply(names, step)
            else:
                part = step.content
                if at not in sure and draw is not None and draw.random() < 0.5:
                    part = part[: draw.randrange(len(part) + 1)]
                content[step.node] = content.get(step.node, b"") + part
        self._build(0, place, names, content)

    def _build(self, number: int, place: Path, names: dict[int, dict[str, int]], content: dict[int, bytes]) -> None:
        if not self.nodes[number].is_folder:
            place.write_bytes(content.get(number, b""))
            return
        place.mkdir()
        for name, child in names[number].items():
            self._build(child, place / name, names, content)


def _apply(names: dict[int, dict[str, int]], step: _Step) -> None:
    """Let a name lead where a step says; what a rename took away is gone with it."""
    if step.before is not None and names[step.before[0]].get(step.before[1]) == step.target:
        del names[step.before[0]][step.before[1]]
    if step.target is None:
        names[step.node].pop(step.name, None)
    else:
        names[step.node][step.name] = step.target


# The store on such a disk


def written(folder: Path, forgets: str = "", numbers: int = 2, collect: bool = False) -> Disk:
    """The disk of a process that writes everything of some numbers, one after another, and acknowledges each."""
    folder.mkdir()
    disk = Disk(folder, forgets)
    with disk.recorded():
        _work(folder, disk, numbers)
        if collect:
            Store(folder / "store").collect()
    return disk


def killed_and_done_again(folder: Path, killed_at: int, forgets: str = "") -> Disk:
    """The disk of a process that is killed before one of its calls, and of another that does the same work after it."""
    folder.mkdir()
    disk = Disk(folder, forgets)
    try:
        with disk.recorded(killed_at):
            _work(folder, disk, 1)
    except Killed:
        pass
    disk.handles.clear()
    with disk.recorded():
        _work(folder, disk, 1)
    return disk


def _work(folder: Path, disk: Disk, numbers: int) -> None:
    store = Store(folder / "store")
    for number in range(numbers):
        for kind in KINDS:
            write_one(store, kind, number, with_preview=False)
            disk.mark((kind, number))


def faults(place: Path, acknowledged: list[tuple[str, int]]) -> list[str]:
    """What is wrong with the store on a disk that came back: what is lost, and what is torn."""
    try:
        store = Store(place / "store")
    except InvalidInput as fault:
        return [str(fault)]
    lost = [f"{kind} {number} is lost" for kind, number in acknowledged if not is_there(store, kind, number)]
    return lost + [f"{one.path}: {one.what}" for one in check(store).findings if not one.is_harmless]


def wrong_cuts(disk: Disk, place: Path, ends: Iterable[int], draws: int) -> Iterator[tuple[int, list[str]]]:
    """Cut the power before some steps, with nothing that is not sure kept and then `draws` parts of it at random.

    Gives the step, and what is wrong then (mostly nothing).
    """
    for end in ends:
        for seed in range(-1, draws):
            draw = None if seed < 0 else random.Random(f"{end}/{seed}")
            disk.after_a_cut(end, place, draw, keep=(0.5, 0.9, 0.1)[seed % 3])
            yield end, faults(place, disk.marks(end))
            shutil.rmtree(place)
