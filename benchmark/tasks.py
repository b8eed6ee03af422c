"""What workers are given: tasks, how each is claimed, and the pools that carry them out. Free of torch.

A task is idempotent, so doing it twice is harmless. Claims only save time: two runs on one store take different
pieces of work, and what a killed run had in hand is free again at once.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from benchmark.progress import say
from benchmark.store import Store

if TYPE_CHECKING:
    from benchmark.engine import Materials

__all__ = ["Answer", "Pool", "Taken", "Task", "attempt", "let_go", "persistently"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Answer = tuple[Item, Result | None, Exception | None]
"""An item with its result, or what was raised; neither where another run did it meanwhile."""

POLL_SECONDS = 0.5
"""How often claims of other runs are tried again, once nothing else is left."""


@dataclass(frozen=True)
class Task(Generic[Item, Result]):
    """A kind of work, as module-level functions, so that it travels by name."""

    run: Callable[[Materials, Item], Result]
    """Does the work and stores what it gives."""
    claim: Callable[[Item], str] | None = None
    """The name under which a piece of it is claimed; None: never."""
    is_stored: Callable[[Store, Item], bool] | None = None
    """Whether it is done; None: it gives nothing that is stored."""
    needs: Callable[[Store, Item], list[str]] | None = None
    """What it reads, as names of parcels."""
    adapt: Callable[[Materials, Item], Item] | None = None
    """The item as another machine than the client's can carry it out; runs there."""

    def claimed(self, store: Store, item: Item) -> AbstractContextManager[bool]:
        return store.claim(self.claim(item)) if self.claim else nullcontext(True)

    def is_done(self, store: Store, item: Item) -> bool:
        return self.is_stored is not None and self.is_stored(store, item)


class Pool(Protocol):
    """Worker processes or a cluster."""

    @property
    def n(self) -> int:
        """Pieces of work that are done at a time."""

    @property
    def start_seconds(self) -> float:
        """What it still costs to start it, at a guess; less work than that is done sooner in this process."""

    def takes(self, one_thread: bool) -> bool:
        """Whether work is for the pool that gets one thread on a CPU, or more; other work is done in this process."""

    def map(self, task: Task[Item, Result], items: Sequence[Item]) -> Generator[Answer[Item, Result], None, None]:
        """Carry a task out on every item, in any order; an item in another run's hands comes last."""

    def close(self, at_once: bool = False) -> None:
        """End it; may be called twice. `at_once`: whatever it has in hand, which then has to be done again."""


class Taken(Exception):
    """Another process has claimed this piece of work."""


def attempt(task: Task[Any, Any], materials: Materials, item: Any) -> tuple[Any, Exception | None]:
    """Claim an item and carry it out; returns its result or what was raised, which is `Taken` where it is claimed."""
    try:
        with task.claimed(materials.store, item) as is_mine:
            if not is_mine:
                return None, Taken()
            if task.is_done(materials.store, item):  # by another run, since the list was made
                return None, None
            return task.run(materials, item), None
    except Exception as fault:
        let_go(fault)
        return None, fault


def let_go(fault: BaseException | None) -> None:
    """Empty the frames that a fault, and those behind it, came through: they hold a network and its gradients, which
    the next item needs the memory of."""
    known: set[int] = set()
    while fault is not None and id(fault) not in known:
        known.add(id(fault))
        traceback.clear_frames(fault.__traceback__)
        fault = fault.__cause__ or fault.__context__


def persistently(
    once: Callable[[list[Item]], Iterable[Answer[Item, Result]]], items: Iterable[Item]
) -> Generator[Answer[Item, Result], None, None]:
    """Call `once` on the items, and again on those that were taken, until all are done or their claims have lapsed."""
    left, is_told = list(items), False
    while left:
        taken = []
        for item, result, fault in once(left):
            if isinstance(fault, Taken):
                taken.append(item)
            else:
                yield item, result, fault
        if taken and len(taken) == len(left):
            if not is_told:
                say(f"{len(taken)} pieces of work are in the hands of another run on this store; waiting for it")
            is_told = True
            time.sleep(POLL_SECONDS)
        left = taken
