"""`distillbench convert`: exit codes, one clear line, nothing written on the way to a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmark import cli
from benchmark.submission import read_set_folder

Array = npt.NDArray[Any]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    known = ["--dataset", "digits", "--method", "mine", "--ipc", "1", "--out", "set", "--store", "store"]

    def convert(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["convert", *known, *arguments])
        answer = capsys.readouterr()
        return int(str(stopped.value.code or 0)), answer.out, answer.err

    return convert


def test_options_reach_the_card_and_the_next_command_is_named(run: Run, standardized: Array, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=standardized.transpose(0, 2, 3, 1), labels=np.eye(10))
    about = ("--title", "Mine", "--source", "https://example.org", "--licence", "MIT", "--contributor", "Me")
    code, out, err = run("mine.npz", "--space", "standardized", "--seed", "3", "--learning-rate", "0.5", *about)
    assert (code, out) == (0, "set\n")
    assert err.splitlines() == [
        "read as: KIP, RFAD, FRePo (npz)",
        "note: images turned from (N, H, W, C) into (N, C, H, W)",
        "note: labels: one-hot rows become class ids, losslessly",
        "10 images float32, standardized space, hard labels, 2,570 bytes. Next: distillbench submit set",
    ]
    card = read_set_folder("set").card
    assert (card.title, card.source, card.licence, card.contributor) == ("Mine", "https://example.org", "MIT", "Me")
    assert (card.distil_seed, card.schedule, card.ipc) == (3, {"learning_rate": 0.5}, 1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.npz", "set"]
    assert run("mine.npz", "--space", "standardized")[0] == 2, "the folder is there"
    code, out, _ = run("mine.npz", "--space", "standardized", "--dtype", "uint8", "--out", "bytes", "--json")
    assert code == 0 and json.loads(out)["bytes"] == 650 and "became bytes" in str(json.loads(out)["remarks"])


def test_what_submit_will_ask_for_is_said_before(in_process: None, run: Run, pixels: Array, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=np.zeros_like(pixels), labels=np.arange(10))
    code, _, err = run("mine.npz", "--space", "pixel", "--method", "dm", "--as-declared")
    assert code == 0
    asked = [line.split()[3] for line in err.splitlines() if line.startswith("before you submit: ")]
    assert asked == ["E609", "E608", "E212"]


def test_where_soft_labels_come_from_reaches_the_card(
    in_process: None, run: Run, pixels: Array, tmp_path: Path
) -> None:
    rows = np.full((10, 10), 0.05) + np.eye(10) / 2
    np.savez(tmp_path / "mine.npz", images=pixels, labels=rows)
    soft = ("mine.npz", "--space", "pixel", "--labels", "probabilities", "--licence", "MIT")
    assert "before you submit: E603 card.json:label_origin" in run(*soft)[2]
    for n, (maker, origin) in enumerate(
        {"method": {"by": "method"}, "5" * 64: {"by": "teacher", "sha256": "5" * 64, "trained_on": "train"}}.items()
    ):
        code, _, err = run(*soft, "--labels-by", maker, "--out", f"told-{n}")
        assert code == 0 and "before you submit" not in err
        assert read_set_folder(f"told-{n}").card.label_origin == origin
    assert run(*soft, "--labels-by", "me", "--out", "other")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["mine.npz"], 2, "Add --space, one of pixel"),
        (["mine.npz", "--space", "pixle"], 2, "--space 'pixle' is none of pixel, 0-255"),
        (["mine.npz", "--space", "pixel", "--dataset", "digit"], 2, "Did you mean 'digits'"),
        (["mine.npz", "--space", "0-255"], 3, "resemble pixel images"),
        (["mine.npz", "--space", "pixel", "--ipc", "2"], 3, "2 images per class"),
        (["mine.npz", "--space", "pixel", "--method", "Mine!"], 3, "card.json:method"),
        (["mine.npz", "--space", "pixel", "--licence", "x\u202e"], 3, "characters without a shape"),
    ],
)
def test_a_refusal_is_one_line_and_writes_nothing(
    in_process: None, run: Run, pixels: Array, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    np.savez(tmp_path / "mine.npz", images=pixels, labels=np.arange(10))
    found, out, err = run(*arguments)
    assert (found, out) == (code, "") and message in err and len(err.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["mine.npz"]
