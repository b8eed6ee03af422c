"""The transcript of docs/submit.md: from a file in DC's layout to a scored, listed entry, by these very commands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from benchmark import cli

PAGE = (Path(__file__).parents[3] / "docs" / "submit.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## From your code's file to the board")[2].partition("\n## ")[0]


def steps() -> list[tuple[str, str]]:
    """Each command of the transcript, and what it printed."""
    transcript = SECTION.split("```\n$ ")[1].partition("```")[0]
    return [(step.partition("\n")[0], step.partition("\n")[2].strip()) for step in transcript.split("\n\n$ ")]


def test_the_transcript_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)  # worker processes take seconds
    monkeypatch.setenv("DISTILLBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DISTILLBENCH_REFERENCE")  # as it is for an author, what ships stands beside
    exec(compile(SECTION.split("```python\n")[1].split("```")[0], "docs/submit.md", "exec"), {})
    said = []
    for command, printed in steps():
        program, *arguments = shlex.split(command)
        assert program == "distillbench"
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        answer = capsys.readouterr()
        assert stopped.value.code in (0, None), answer.err
        lines = [line for line in printed.splitlines() if line != "…"]
        for line in lines:  # stdout and stderr mix on a terminal; progress comes and goes
            assert alike(line, answer.out + answer.err), (line, answer.out + answer.err)
        said.append(arguments[0])
    assert said == ["convert", "submit", "evaluate", "leaderboard"]
    assert "my-method" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def alike(line: str, text: str) -> bool:
    """Whether a line of the transcript was printed, its measured numbers and the room between columns aside."""

    def plain(one: str) -> str:
        return " ".join(re.sub(r"\d+\.\d+|(about )?\d+ s\b|about 0", "#", one).split())

    return plain(line) in {plain(one) for one in text.splitlines()}


def test_the_comparison_of_transcripts_can_fail() -> None:
    assert alike("digits  mlp  86.5  1.2", "x\ndigits mlp 85.1 0.9\n")
    assert not alike("digits  mlp  86.5  1.2", "digits convnet 86.5 1.2")
    named = [command.split()[1] for command, _ in steps()]
    assert named == ["convert", "submit", "evaluate", "leaderboard"]
