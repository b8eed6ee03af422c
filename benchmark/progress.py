"""Progress of long work on stderr: a bar on a terminal, a plain line now and then elsewhere, with the time left."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

__all__ = ["Progress", "duration", "say"]

PLAIN_EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""


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
        self.started = self._said = time.monotonic()
        self._note = ""
        form = "{desc} {percentage:3.0f} % |{bar:24}| {postfix}"
        self._bar = tqdm(total=self.expected, desc=title, bar_format=form, disable=not sys.stderr.isatty(), leave=False)

    def advance(self, expected_seconds: float, note: str = "") -> None:
        """A piece of work is done."""
        self.done_seconds += expected_seconds
        self.done_pieces += 1
        self._show(note, 0.0)

    def within(self, share: float, expected_seconds: float, note: str = "") -> None:
        """A piece of work is under way."""
        self._show(note, share * expected_seconds)

    def left(self, extra: float = 0.0) -> float:
        """Expected wall seconds until the end."""
        done = self.done_seconds + extra
        pace = (time.monotonic() - self.started) / done if done > 0.02 * self.expected else 1.0
        return max(0.0, self.expected - done) * pace

    def _show(self, note: str, extra: float) -> None:
        text = f", {self.done_pieces}/{self.n_pieces}, {duration(self.left(extra))} left{'  ' + note if note else ''}"
        if not self._bar.disable:
            self._bar.n = min(self.expected, self.done_seconds + extra)
            self._bar.set_postfix_str(text.lstrip(", "), refresh=True)
        elif time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            percent = 100 * min(1.0, (self.done_seconds + extra) / self.expected)
            print(f"{self.title} {percent:3.0f} %{text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._bar.close()
