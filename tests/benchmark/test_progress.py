"""Progress: on stderr, with the time left, and quiet where nobody watches."""

from __future__ import annotations

import io
import sys
import time

import pytest

from benchmark.progress import PLAIN_EVERY, Progress, duration, say


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-3, "0 s"), (8.4, "8 s"), (59.6, "1:00"), (185, "3:05"), (3599.9, "1:00:00"), (3723, "1:02:03")],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("one line")
    assert capsys.readouterr() == ("", "one line\n")


class Clock:
    """A clock that a test sets."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        patched.setattr(time, "monotonic", lambda: self.now)


def test_the_time_left_follows_the_pace_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    progress = Progress("training", 10.0, 5)
    assert progress.left() == 10.0
    clock.now += 4.0
    progress.advance(2.0)
    assert progress.left() == pytest.approx(16.0)  # 8 expected seconds left, at twice the expected time
    assert progress.left(2.0) == pytest.approx(6.0)  # 4 done in 4 s: as expected
    for _ in range(6):
        progress.advance(2.0)
    assert progress.left() == 0.0
    progress.close()


def test_where_stderr_is_no_terminal_a_plain_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    progress = Progress("training", 100.0, 4)
    progress.advance(10.0, "first")
    assert capsys.readouterr() == ("", "")
    clock.now += PLAIN_EVERY + 1
    progress.within(0.5, 30.0, "loss 0.5")
    progress.close()
    # 25 of 100 expected seconds are done in 11
    assert capsys.readouterr() == ("", "training  25 %, 1/4, 33 s left  loss 0.5\n")


def test_a_long_piece_that_says_nothing_goes_on_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stderr = Clock(monkeypatch), io.StringIO()
    lines: list[str] = []
    # not capsys: it reads and then empties, and what a thread writes between the two is lost
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr("benchmark.progress.TICK", 0.01)
    progress = Progress("training", 200.0, 2)

    def seen(after: float) -> str:
        clock.now += after  # while no thread looks at it
        deadline = time.perf_counter() + 10
        with progress.ticking():
            while stderr.getvalue().count("\n") == len(lines) and time.perf_counter() < deadline:
                time.sleep(0.002)
        lines[:] = stderr.getvalue().splitlines()
        return lines[-1] if lines else ""

    assert seen(50.0) == "training  25 %, 0/2, 2:30 left"
    assert seen(200.0) == "training  48 %, 0/2, 4:36 left"  # late: 95 of 200 expected seconds took 250
    clock.now += 50.0
    progress.advance(100.0)
    lines[:] = stderr.getvalue().splitlines()
    assert lines[-1] == "training  50 %, 1/2, 5:00 left"
    assert seen(30.0) == "training  55 %, 1/2, 4:30 left"  # at a third of the pace that was expected
    clock.now += 1000.0
    time.sleep(0.05)
    assert stderr.getvalue().splitlines() == lines and len(lines) == 4  # it ends with the work
    progress.close()


def test_lines_grow_rarer_as_a_run_grows_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, n_lines = Clock(monkeypatch), []
    progress = Progress("training", 36000.0, 2)
    for _ in range(2):
        for _ in range(1800):
            clock.now += 10.1
            progress.within(0.5, 1.0)
        n_lines.append(capsys.readouterr().err.count("\n"))
    progress.close()
    assert n_lines[1] < 100 < n_lines[0] < 500


def test_a_terminal_gets_a_bar_without_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress("distilling", 4.0, 2)
    for _ in range(4):
        progress.within(0.5, 2.0, "half")
        progress.advance(2.0)
    progress.close()
    assert "distilling" in terminal.getvalue() and "2/2" in terminal.getvalue()


def test_no_work_at_all_is_no_division_by_nought() -> None:
    progress = Progress("nothing", 0.0, 0)
    assert progress.left() == pytest.approx(0.0, abs=1e-5)
    progress.within(0.0, 0.0)
    progress.close()
