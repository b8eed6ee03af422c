"""Progress of long work on stderr: a bar on a terminal, a plain line now and then elsewhere, with the time left."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

__all__ = ["Progress", "duration", "say"]

PLAIN_EVERY = 10.0
"""Seconds between lines where stderr is no terminal; a hundredth of the time so far, where that is more."""
TICK = 1.0
"""Seconds between two looks at the clock while a piece of work is under way that does not say how far it is."""


def duration(seconds: float) -> str:
    """`8 s`, `3:05` (minutes), or `1:02:03` (hours)."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say(text: str) -> None:
    """One line on stderr, above a bar where there is one."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


class Progress:
    """Counts expected seconds of work rather than pieces, since pieces differ; learns how fast this run really is."""

    def __init__(self, title: str, expected_seconds: float, n_pieces: int) -> None:
        self.title = title
        self.expected = max(expected_seconds, 1e-6)
        self.n_pieces = n_pieces
        self.done_seconds = 0.0
        self.done_pieces = 0
        self.started = self._said = self._advanced = time.monotonic()
        form = "{desc} {percentage:3.0f} % |{bar:24}| {postfix}"
        self._bar = tqdm(total=self.expected, desc=title, bar_format=form, disable=not sys.stderr.isatty(), leave=False)

    def advance(self, expected_seconds: float, note: str = "") -> None:
        """A piece of work is done."""
        self.done_seconds += expected_seconds
        self.done_pieces += 1
        self._advanced = time.monotonic()
        self._show(note, 0.0)

    def within(self, share: float, expected_seconds: float, note: str = "") -> None:
        """A piece of work is under way."""
        self._show(note, share * expected_seconds)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Meanwhile a piece that does not say how far it is counts as done by the clock, but never quite whole."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                self._show("", self._by_the_clock())

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()

    def left(self, extra: float = 0.0) -> float:
        """Expected wall seconds until the end."""
        done = self.done_seconds + extra
        return max(0.0, self.expected - done) * self._pace(time.monotonic(), done)

    def _pace(self, now: float, done: float) -> float:
        """Seconds of this run for each expected one; one until enough is done to tell."""
        return (now - self.started) / done if done > 0.02 * self.expected else 1.0

    def _by_the_clock(self) -> float:
        """Expected seconds done since the last piece ended: at the pace so far, up to 95 % of a mean piece."""
        pieces_left = max(1, self.n_pieces - self.done_pieces)
        since = (time.monotonic() - self._advanced) / max(self._pace(self._advanced, self.done_seconds), 1e-9)
        return min(since, 0.95 * max(0.0, self.expected - self.done_seconds) / pieces_left)

    def _show(self, note: str, extra: float) -> None:
        text = f", {self.done_pieces}/{self.n_pieces}, {duration(self.left(extra))} left{'  ' + note if note else ''}"
        if not self._bar.disable:
            self._bar.n = min(self.expected, self.done_seconds + extra)
            self._bar.set_postfix_str(text.lstrip(", "), refresh=True)
        elif (now := time.monotonic()) - self._said > max(PLAIN_EVERY, 0.01 * (now - self.started)):
            self._said = now
            percent = 100 * min(1.0, (self.done_seconds + extra) / self.expected)
            print(f"{self.title} {percent:3.0f} %{text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._bar.close()
